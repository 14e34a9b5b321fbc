// What the threads of a broker are started with. Everything here is structured-cloneable; shared memory is shared.
import type { MessagePort } from 'node:worker_threads';
import type { RingMemory } from '../actor/descriptor-ring.js';
import type { BrokerConfig } from '../config/broker-config.js';
import type { CompactionSettings } from '../partition/compaction-settings.js';
import type { InspectDetail } from '../partition/messages.js';
import type { AbsentDirectory } from './data-directories.js';
import type { Inspected } from './inspect-workers.js';
import type { SupervisorCommand, SupervisorEvent, SupervisorReply } from './messages.js';

/** Log lines of other threads, for the main thread to write. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null | undefined>> | undefined;
}

/** The first message to the supervisor's thread. */
export interface SupervisorData {
  /** The first holds the metadata. */
  readonly dataDirectories: readonly string[];
  /** Others that could not be locked. */
  readonly absent: readonly AbsentDirectory[];
  readonly config: BrokerConfig;
  /** To the main thread. */
  readonly port: MessagePort;
  /** Commands of groups come here, and their replies leave. */
  readonly coordinatorPort: MessagePort;
}

export interface PartitionWorkerData {
  readonly index: number;
  readonly submissions: RingMemory;
  readonly completions: RingMemory;
  readonly views: Int32Array;
  readonly memory: SharedArrayBuffer;
  readonly retentionCheckIntervalMs: number;
  readonly compaction: CompactionSettings;
  readonly openFilesMax: number;
  /** Files that it may sync at once. */
  readonly syncsMax: number;
  /** For jobs that something waits for. */
  readonly jobThreads: number;
  /** To the supervisor. */
  readonly port: MessagePort;
}

/** main thread → supervisor thread. */
export type SupervisorThreadCommand =
  | { readonly type: 'start' }
  | { readonly type: 'command'; readonly command: SupervisorCommand }
  | {
      readonly type: 'worker-started';
      readonly worker: number;
      readonly views: Int32Array;
      readonly port: MessagePort;
    }
  | { readonly type: 'worker-exited'; readonly worker: number; readonly reason: string }
  /** How are you, and how are the workers? Answered before the start too. */
  | { readonly type: 'inspect'; readonly detail: InspectDetail };

export type SupervisorThreadReply =
  /** `unclean`: the data directories whose last stop was not clean. */
  | { readonly type: 'started'; readonly clusterId: string; readonly unclean: readonly string[] }
  | { readonly type: 'not-started'; readonly reason: string }
  | Inspected
  | SupervisorReply;

/** supervisor thread → main thread. */
export type MainThreadCommand = { readonly type: 'tell'; readonly event: SupervisorEvent };

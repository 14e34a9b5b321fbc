// What the main thread counts as it serves: plain numbers, added to where things happen, turned into samples by
// broker-metrics.ts when someone asks.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { LatencyCounts } from '../../base/latency-counts.js';

export type DoorName = 'native' | 'kafka';

/** Why a connection ended. */
export type CloseReason =
  /** The peer ended it, or the network did. */
  | 'peer'
  /** What the peer sent cannot be understood or is not allowed. */
  | 'invalid'
  | 'idle'
  /** A frame did not arrive whole in time. */
  | 'frame-timeout'
  /** It held memory that others waited for: answers left unread, a frame that stopped. */
  | 'stalled'
  /** The broker stops. */
  | 'stop';

/** What a frame that could not be taken at once waited for. */
export type DelayReason =
  /** Too many requests of the connection are unanswered. */
  | 'requests'
  /** The peer does not read its answers. */
  | 'answers'
  /** The partition is being opened. */
  | 'partition'
  /** The worker's ring is full. */
  | 'ring'
  /** No room in the write buffer. */
  | 'write-buffer';

/** One API of one door. */
export class RequestCounters {
  /** Requests that were taken. */
  taken = 0;
  /** From taking to answering, of those that were answered. */
  readonly latency = new LatencyCounts();
  /** Errors in answers, by code: one for each partition or other item that has one. */
  readonly errors = new Map<number, number>();

  /** An answer, or a part of one, has this error; NONE is not counted. */
  failed(code: number): void {
    if (code !== 0) this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  failedWith(error: ErrorName): void {
    this.failed(ERRORS[error].code);
  }
}

/** All connections of one door. */
export class DoorCounters {
  opened = 0;
  open = 0;
  readonly closed: Record<CloseReason, number> = {
    peer: 0,
    invalid: 0,
    idle: 0,
    'frame-timeout': 0,
    stalled: 0,
    stop: 0,
  };
  receivedBytes = 0;
  sentBytes = 0;
  readonly delayed: Record<DelayReason, number> = {
    requests: 0,
    answers: 0,
    partition: 0,
    ring: 0,
    'write-buffer': 0,
  };
  readonly #requests = new Map<string, RequestCounters>();

  /** The counters of an API, by the name that operators see. */
  api(name: string): RequestCounters {
    const known = this.#requests.get(name);
    if (known) return known;
    const counters = new RequestCounters();
    this.#requests.set(name, counters);
    return counters;
  }

  /** Of every API that was asked for. */
  get apis(): ReadonlyMap<string, RequestCounters> {
    return this.#requests;
  }
}

/** Records in and out, of one topic or of all. */
export class Traffic {
  appendedBatches = 0;
  appendedBytes = 0;
  fetchedBytes = 0;

  add({ appendedBatches, appendedBytes, fetchedBytes }: Traffic): void {
    this.appendedBatches += appendedBatches;
    this.appendedBytes += appendedBytes;
    this.fetchedBytes += fetchedBytes;
  }
}

/** Fetches of all connections. */
export class FetchCounters {
  /** Fetches that wait for records now. */
  parked = 0;
  /** Fetches that began to wait. */
  parkings = 0;
}

export class BrokerCounters {
  readonly doors: Readonly<Record<DoorName, DoorCounters>> = {
    native: new DoorCounters(),
    kafka: new DoorCounters(),
  };
  readonly fetches = new FetchCounters();
  /** Connections that were closed as they came: max.connections were open. */
  connectionsRefused = 0;
  /** Partition workers that died, each of which was started again. */
  workerDeaths = 0;
}

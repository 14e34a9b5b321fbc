// Partitions as the router reads them, with their logs, for tests of whatever reads: their owner is the test.
import { dirname } from 'node:path';
import { createRing, RingConsumer, RingProducer } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { createViews, ViewReader, ViewWriter } from '../../src/actor/view.js';
import { present } from '../../src/base/assert.js';
import { toBrokerId, toLeaderEpoch, toOffset, toTopicId } from '../../src/base/ids.js';
import type { Piece } from '../../src/base/piece.js';
import { ReadBuffer } from '../../src/broker/read-buffer.js';
import { type PartitionEntry, TopicTable } from '../../src/broker/topic-table.js';
import { WorkerLink } from '../../src/broker/worker-link.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import { LeaderEpochs } from '../../src/log/leader-epochs.js';
import type { Log } from '../../src/log/log.js';
import { LogReader } from '../../src/log/log-reader.js';
import { readBatchBytes, readLastOffset } from '../../src/record/batch-header.js';
import { bytesOf } from '../base/bytes-of.js';
import { batch, CONFIG, LogMachine } from '../log/log-fixture.js';
import { READ_LATER } from './read-paces.js';

/** The size of a batch of one record as the tests append it. */
export const BATCH_BYTES = 76;
export const PARTITIONS = 3;
export const CHUNK_BYTES = 256;

/** One partition: its log, whose owner is the test, and what the router knows of it. */
export class Partition {
  readonly entry: PartitionEntry;
  readonly log: Log;
  readonly #view: ViewWriter;
  #highWatermark = 0;

  constructor(entry: PartitionEntry, log: Log, view: ViewWriter) {
    this.entry = entry;
    this.log = log;
    this.#view = view;
    this.publish();
  }

  /** Appends batches of one record each; tells whether the router is to be told. */
  append(count: number, spec: { readonly valueBytes?: number } = {}): void {
    for (let i = 0; i < count; i++) {
      const { error } = this.log.append([batch({ ...spec, baseOffset: this.log.logEndOffset })]);
      if (error) throw error;
    }
  }

  /** Publishes what was appended, and wakes the router if it waits. */
  publish(highWatermark: number = this.log.logEndOffset): void {
    this.#highWatermark = highWatermark;
    const told = this.#view.publish(1, {
      leaderEpoch: toLeaderEpoch(0),
      logStartOffset: this.log.logStartOffset,
      lastStableOffset: toOffset(highWatermark),
      highWatermark: toOffset(highWatermark),
      logEndOffset: this.log.logEndOffset,
      segmentBaseOffset: this.log.activeSegmentBaseOffset,
      segmentBytes: this.log.activeSegmentBytes,
      replacements: this.log.replacements,
    });
    if (told) this.entry.wake();
  }

  /** Appends, and shows it. */
  add(count: number, spec: { readonly valueBytes?: number } = {}): void {
    this.append(count, spec);
    this.publish();
  }

  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** The owner ends: what readers know is over. */
  retire(): void {
    if (this.#view.retire()) this.entry.wake();
  }

  /** The router forgets where it is served. */
  unroute(): void {
    this.entry.route?.reader.close();
    this.entry.route = null;
    this.entry.wake();
  }
}

/** The router's view of a topic of some partitions whose owner is the test. */
export class PartitionScene {
  readonly machine = new LogMachine();
  readonly topics = new TopicTable();
  readonly partitions: Partition[] = [];
  readonly readBuffer: ReadBuffer;
  /** Routes are found when this is called; at once while null. */
  routing: (() => void)[] | null = null;
  /** Reads run when their turn comes; at once while null. */
  turns: ((over: () => void) => void)[] | null = null;

  constructor({ readBytes = 64 * CHUNK_BYTES, pace = READ_LATER, partitions = PARTITIONS } = {}) {
    this.readBuffer = new ReadBuffer(readBytes, CHUNK_BYTES);
    const broker = toBrokerId(1);
    const state = {
      leader: broker,
      leaderEpoch: toLeaderEpoch(0),
      replicas: [broker],
      inSyncReplicas: [broker],
    };
    const topicId = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
    const { config } = resolveTopicConfig({ topicDefaults: {} }, []);
    const image = { name: 'orders', topicId, internal: false, overrides: {} };
    this.topics.set({ ...image, partitions: new Array(partitions).fill(state) }, config);
    const views = createViews(partitions);
    for (let index = 0; index < partitions; index++) {
      const directory = `/data/orders-${index}`;
      const log = this.machine.open({ directory, config: { ...CONFIG, segmentBytes: 20 * BATCH_BYTES } });
      const entry = present(this.topics.partition('orders', index), 'a partition');
      entry.route = {
        link: linkOf(this.machine),
        slot: index,
        generation: 1,
        leaderEpoch: toLeaderEpoch(0),
        epochs: new LeaderEpochs(),
        view: new ViewReader(views, index, 1),
        dataDirectory: dirname(directory),
        reader: new LogReader({ directory, disk: this.machine.disk }),
        traffic: entry.topic.traffic,
        pace,
      };
      this.partitions.push(new Partition(entry, log, new ViewWriter(views, index)));
    }
  }

  partition(index = 0): Partition {
    return present(this.partitions[index], 'a partition');
  }
}

/** Nothing goes over it here. */
function linkOf({ clock }: LogMachine): WorkerLink {
  const ring = createRing(2);
  const bell = new LocalDoorbell(
    (run) => clock.schedule(0, run),
    () => true,
  );
  const ends = {
    submissions: new RingProducer(ring, bell),
    completions: new RingConsumer(createRing(2), bell),
  };
  return new WorkerLink({ index: 0, ...ends, capacity: 2, advanced: () => {}, hasRoom: () => {} });
}

/** The last offsets of the batches. */
export function offsetsIn(records: Piece | null | undefined): number[] {
  const offsets: number[] = [];
  const bytes = bytesOf(records ? [records] : []);
  for (let at = 0; at < bytes.length; at += readBatchBytes(bytes, at))
    offsets.push(readLastOffset(bytes, at));
  return offsets;
}

export const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

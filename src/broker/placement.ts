import { assert } from '../base/assert.js';
import type { PartitionCommand, PartitionReply } from '../partition/messages.js';

/** Views and slots are set aside for so many partitions of a worker. */
export const SLOTS_PER_WORKER = 16_384;

/** The worker that is the supervisor's own thread: it hosts the partitions of internal topics. */
export const OWN_WORKER = -1;
export const OWN_SLOTS = 1024;

/** A running partition worker as the supervisor reaches it. `reply` is called once, in a later turn. */
export interface PartitionWorker {
  ask(command: PartitionCommand, deadlineMs: number, reply: (reply: PartitionReply) => void): void;
}

/** A partition worker: a thread that comes and goes, with slots for the partitions that it hosts. */
export class WorkerSlots<Partition> {
  readonly index: number;
  /** null: not running. */
  worker: PartitionWorker | null = null;
  /** A start was asked for and has not ended. */
  starting = false;
  readonly partitions = new Map<number, Partition>();
  /** When its threads died (monotonic), the latest last. */
  readonly deathsMs: number[] = [];
  readonly #slotsMax: number;
  readonly #freed: number[] = [];
  #neverUsed = 0;

  constructor(index: number, slotsMax: number) {
    this.index = index;
    this.#slotsMax = slotsMax;
  }

  /** Gives the partition a slot; -1 if all are taken. */
  add(partition: Partition): number {
    const slot = this.#freed.pop() ?? (this.#neverUsed < this.#slotsMax ? this.#neverUsed++ : -1);
    if (slot >= 0) this.partitions.set(slot, partition);
    return slot;
  }

  remove(slot: number): void {
    assert(this.partitions.delete(slot), 'only a taken slot can be freed');
    this.#freed.push(slot);
  }
}

/** Spreads partitions over at most `workersMax` workers: each gets a thread of its own while the pool has room. */
export class Placement<Partition> {
  readonly workers: WorkerSlots<Partition>[] = [];
  /** For the partitions of internal topics. */
  readonly own = new WorkerSlots<Partition>(OWN_WORKER, OWN_SLOTS);

  constructor(workersMax: number, slotsMax: number) {
    for (let index = 0; index < workersMax; index++)
      this.workers.push(new WorkerSlots<Partition>(index, slotsMax));
  }

  worker(index: number): WorkerSlots<Partition> | undefined {
    return index === OWN_WORKER ? this.own : this.workers[index];
  }

  all(): readonly WorkerSlots<Partition>[] {
    return [...this.workers, this.own];
  }

  /** The worker with the fewest partitions. */
  leastLoaded(): WorkerSlots<Partition> {
    let best = this.workers[0];
    for (const worker of this.workers) {
      if (best === undefined || worker.partitions.size < best.partitions.size) best = worker;
    }
    assert(best !== undefined, 'there is a worker');
    return best;
  }
}

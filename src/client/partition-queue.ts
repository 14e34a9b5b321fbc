// The batches of one partition on their way to its leader. Batches leave in the order in which they were begun, and a
// batch that has to be tried again goes before all that follow it.
import { assert } from '../base/assert.js';
import type { Timer } from '../base/clock.js';
import type { ProducerBatch } from './producer-batch.js';

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** The batch that takes records. */
  open: ProducerBatch | null = null;
  /** While it runs, nothing is sent: a failed batch waits for its next try. */
  retryTimer: Timer | null = null;
  #sealed: ProducerBatch[] = [];
  #unanswered: ProducerBatch[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** The open batch takes no more records. Nothing is left of one that has none. */
  seal(): void {
    if (this.open && this.open.recordCount > 0) this.#sealed.push(this.open);
    this.open = null;
  }

  /** Batches that wait to be sent, the open one not counted. */
  get waiting(): number {
    return this.#sealed.length;
  }

  /** The next batch to send, or null; `unansweredMax` bounds those that are sent and not answered. */
  next(unansweredMax: number): ProducerBatch | null {
    if (this.retryTimer || this.#unanswered.length >= unansweredMax) return null;
    const batch = this.#sealed.shift();
    if (!batch) return null;
    this.#unanswered.push(batch);
    return batch;
  }

  /** The batch was answered for good. False if it was given up before. */
  finish(batch: ProducerBatch): boolean {
    const index = this.#unanswered.indexOf(batch);
    if (index !== -1) this.#unanswered.splice(index, 1);
    return index !== -1;
  }

  /** The batch has to be sent again, before all that were begun after it. False if it was given up before. */
  putBack(batch: ProducerBatch): boolean {
    if (!this.finish(batch)) return false;
    const index = this.#sealed.findIndex(({ sequence }) => sequence > batch.sequence);
    this.#sealed.splice(index === -1 ? this.#sealed.length : index, 0, batch);
    return true;
  }

  /** Takes out the waiting batches whose time is over. */
  takeExpired(nowMs: number): ProducerBatch[] {
    const expired = this.#sealed.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    if (expired.length > 0) this.#sealed = this.#sealed.filter((batch) => !expired.includes(batch));
    return expired;
  }

  /** Takes out all batches, also those that may have been sent. */
  takeAll(): ProducerBatch[] {
    this.seal();
    const all = [...this.#unanswered, ...this.#sealed];
    this.#unanswered = [];
    this.#sealed = [];
    assert(this.open === null, 'the queue is not empty');
    return all;
  }
}

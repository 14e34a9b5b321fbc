// The batches of one partition on their way to its leader. Batches leave in the order in which they were begun, and a
// batch that has to be tried again goes before all that follow it.
//
// Those of an idempotent producer are numbered when they are sent first, and keep their number until it is certain that the
// broker does not have them: a batch with a number may be sent again and is appended once. Numbers of another identity begin
// when no batch has one of the identity before (KIP-360).
import { assert } from '../base/assert.js';
import type { Timer } from '../base/clock.js';
import { type ProducerIdentity, sequenceAfter } from '../record/producer-identity.js';
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
  /** Whose numbers are given now, and the next one. */
  #producer: ProducerIdentity | null = null;
  #nextSequence = 0;

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
    const batch = this.peek(unansweredMax);
    if (!batch) return null;
    this.#sealed.shift();
    this.#unanswered.push(batch);
    return batch;
  }

  /** The batch that {@link next} would return. */
  peek(unansweredMax: number): ProducerBatch | null {
    if (this.retryTimer || this.#unanswered.length >= unansweredMax) return null;
    return this.#sealed[0] ?? null;
  }

  /** Gives the batch the next number of the producer; false if it has to wait for batches numbered for another one. */
  number(batch: ProducerBatch, producer: ProducerIdentity): boolean {
    if (producer !== this.#producer) {
      if ([...this.#unanswered, ...this.#sealed].some((other) => other.producer !== null)) return false;
      this.#producer = producer;
      this.#nextSequence = 0;
    }
    batch.number(producer, this.#nextSequence);
    this.#nextSequence = sequenceAfter(this.#nextSequence, batch.recordCount);
    return true;
  }

  /** The batch numbered last is not sent after all. */
  takeNumberBack(batch: ProducerBatch): void {
    this.#nextSequence = batch.baseSequence;
    batch.unnumber();
  }

  /** Whether no batch before it waits, with a number, for a clear answer. */
  isFirstNumbered(batch: ProducerBatch): boolean {
    const before = ({ sequence, producer }: ProducerBatch) => producer !== null && sequence < batch.sequence;
    return !this.#unanswered.some(before) && !this.#sealed.some(before);
  }

  /** The batch is certainly not in the log, and so none of those that were numbered after it. */
  voidAfter(batch: ProducerBatch): void {
    for (const later of this.#unanswered) if (later.sequence > batch.sequence) later.isVoid = true;
    for (const later of this.#sealed) if (later.sequence > batch.sequence) later.unnumber();
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

  /** Takes out the waiting batches that have no number. */
  takeUnnumbered(): ProducerBatch[] {
    const taken = this.#sealed.filter(({ producer }) => producer === null);
    this.#sealed = this.#sealed.filter(({ producer }) => producer !== null);
    return taken;
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

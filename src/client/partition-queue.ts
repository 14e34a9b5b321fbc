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

/** A partition compares a batch with so many of its producer's (KIP-98): what is farther back looks like a gap. */
const REMEMBERED_BATCHES = 5;

const isNumbered = ({ producer }: ProducerBatch): boolean => producer !== null;

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** The batch that takes records. */
  open: ProducerBatch | null = null;
  /** Size of the batch that was sealed last, not compressed: the next one is likely to be as large. */
  lastBatchBytes = 0;
  /** While it runs, nothing is sent: a failed batch waits for its next try. */
  retryTimer: Timer | null = null;
  #sealed: ProducerBatch[] = [];
  #unanswered: ProducerBatch[] = [];
  /** Whose numbers are given now, and the next one. */
  #producer: ProducerIdentity | null = null;
  #nextSequence = 0;
  /** How many batches have been numbered. */
  #numbered = 0;
  /** Whether the partition has a batch of {@link #producer}. */
  #isKnown = false;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** The open batch takes no more records. Nothing is left of one that has none. */
  seal(): void {
    if (this.open && this.open.recordCount > 0) {
      this.#sealed.push(this.open);
      this.lastBatchBytes = this.open.sizeBytes;
    }
    this.open = null;
  }

  /** Batches that wait to be sent, the open one not counted. */
  get waiting(): number {
    return this.#sealed.length;
  }

  /** The next batch to send, or null; `unansweredMax` bounds those that are sent and not answered. */
  next(unansweredMax: number): ProducerBatch | null {
    const batch = this.peek(unansweredMax);
    if (batch) this.take(batch);
    return batch;
  }

  /** The batch, which waits, is sent. */
  take(batch: ProducerBatch): void {
    const index = this.#sealed.indexOf(batch);
    assert(index !== -1, 'a batch is sent when it waits');
    this.#sealed.splice(index, 1);
    this.#unanswered.push(batch);
  }

  /** The batch that {@link next} would return. */
  peek(unansweredMax: number): ProducerBatch | null {
    if (this.retryTimer || this.#unanswered.length >= unansweredMax) return null;
    return this.#sealed[0] ?? null;
  }

  /** The first of the waiting batches that was sent before and may be in the log; null as {@link peek}. */
  peekNumbered(unansweredMax: number): ProducerBatch | null {
    if (this.retryTimer || this.#unanswered.length >= unansweredMax) return null;
    return this.#sealed.find(isNumbered) ?? null;
  }

  /**
   * Gives the batch the next number of the producer. False if it has to wait: for batches numbered for another identity; for
   * the first one of this identity, because a partition that does not know a producer takes any number; or for one so far
   * back that the partition might not remember it beside this one.
   */
  number(batch: ProducerBatch, producer: ProducerIdentity): boolean {
    const first = this.#firstNumbered();
    if (producer !== this.#producer) {
      if (first) return false;
      this.#producer = producer;
      this.#nextSequence = 0;
      this.#isKnown = false;
    } else if (first && (!this.#isKnown || this.#numbered - first.ordinal >= REMEMBERED_BATCHES))
      return false;
    batch.number(producer, this.#nextSequence, this.#numbered++);
    this.#nextSequence = sequenceAfter(this.#nextSequence, batch.recordCount);
    return true;
  }

  /** The partition has a batch that was numbered: from here on it knows the producer. */
  appended({ producer }: ProducerBatch): void {
    if (producer !== null && producer === this.#producer) this.#isKnown = true;
  }

  /** The batch numbered last is not sent after all. */
  takeNumberBack(batch: ProducerBatch): void {
    assert(batch.ordinal === this.#numbered - 1, 'only the last number can be given again');
    this.#numbered--;
    this.#nextSequence = batch.baseSequence;
    batch.unnumber();
  }

  /** Whether no batch before it waits, with a number, for a clear answer. */
  isFirstNumbered(batch: ProducerBatch): boolean {
    return this.#firstNumbered() === batch;
  }

  /** The batch is certainly not in the log: those that were numbered after it need other numbers, unless they are. */
  voidAfter(batch: ProducerBatch): void {
    for (const later of [...this.#unanswered, ...this.#sealed]) {
      if (later.sequence > batch.sequence && isNumbered(later)) later.isVoid = true;
    }
    for (const later of this.#sealed) if (later.isVoid && !later.isInDoubt) later.unnumber();
  }

  #firstNumbered(): ProducerBatch | null {
    let first: ProducerBatch | null = null;
    for (const batch of [...this.#unanswered, ...this.#sealed]) {
      if (isNumbered(batch) && (first === null || batch.ordinal < first.ordinal)) first = batch;
    }
    return first;
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

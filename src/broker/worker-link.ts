import type { RingConsumer, RingProducer } from '../actor/descriptor-ring.js';
import { readWide } from '../actor/descriptor-ring.js';
import { assert } from '../base/assert.js';
import { type ErrorName, errorName } from '../base/errors.js';
import { COMPLETION, COMPLETION_KIND, SUBMISSION } from '../partition/messages.js';
import type { Extent } from '../partition/write-buffer.js';
import type { Traffic } from './metrics/counters.js';

/** What became of one partition's batch. */
export interface Appended {
  readonly error: ErrorName;
  /** The offset of its first record; -1 with an error. */
  readonly baseOffset: number;
  /** The time that the broker gave the records, or -1 (KIP-32). */
  readonly logAppendTimeMs: number;
  /** -1 with an error. */
  readonly logStartOffset: number;
}

export const notAppended = (error: ErrorName): Appended => ({
  error,
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
});

/** Who is told what became of batches that were submitted, once for each. */
export interface AppendWaiter {
  /** `place` is the one that the batch was submitted with. */
  appended(place: number, result: Appended): void;
}

/** A record batch on its way to a partition. */
export interface Submission {
  readonly slot: number;
  /** Position in the write buffer's memory. */
  readonly start: number;
  readonly bytes: number;
  /** Holds one use of this extent, until the completion. */
  readonly extent: Extent;
  /** Where it is counted once it is in the log. */
  readonly traffic?: Traffic;
  readonly waiter: AppendWaiter;
  /** Which of the waiter's batches it is. */
  readonly place: number;
}

/** The router's end of the rings to one partition worker. */
export class WorkerLink {
  readonly index: number;
  readonly #submissions: RingProducer;
  readonly #completions: RingConsumer;
  readonly #advanced: (slot: number) => void;
  /** Something was completed: whoever waited for room in the ring may try again. */
  readonly #hasRoom: () => void;
  readonly #inFlight: (Submission | undefined)[];
  readonly #freeTokens: number[] = [];
  #dead = false;

  constructor(options: {
    index: number;
    submissions: RingProducer;
    completions: RingConsumer;
    /** Submissions in flight at most: no more than either ring holds. */
    capacity: number;
    advanced: (slot: number) => void;
    hasRoom: () => void;
  }) {
    this.index = options.index;
    this.#submissions = options.submissions;
    this.#completions = options.completions;
    this.#advanced = options.advanced;
    this.#hasRoom = options.hasRoom;
    this.#inFlight = new Array<Submission | undefined>(options.capacity).fill(undefined);
    for (let token = options.capacity - 1; token >= 0; token--) this.#freeTokens.push(token);
    this.#wait();
  }

  /** How many batches can be submitted now. */
  get room(): number {
    return this.#dead ? 0 : Math.min(this.#freeTokens.length, this.#submissions.free);
  }

  /** Batches whose fate is not known. */
  get inFlight(): number {
    return this.#inFlight.length - this.#freeTokens.length;
  }

  /** Hands a batch over; visible to the worker after {@link publish}. The caller has checked that there is room. */
  submit(submission: Submission): void {
    assert(!this.#dead, 'a dead worker takes nothing');
    const token = this.#freeTokens.pop();
    const at = this.#submissions.claim();
    assert(token !== undefined && at >= 0, 'the ring has room');
    this.#inFlight[token] = submission;
    const { words } = this.#submissions;
    words[at + SUBMISSION.token] = token;
    words[at + SUBMISSION.slot] = submission.slot;
    words[at + SUBMISSION.start] = submission.start;
    words[at + SUBMISSION.bytes] = submission.bytes;
  }

  publish(): void {
    this.#submissions.publish();
  }

  /** The thread has ended: what it had in hand may or may not be in the log. */
  died(): void {
    this.#drain();
    this.#dead = true;
    this.#completions.wake();
    this.#inFlight.forEach((submission, token) => {
      if (submission) this.#complete(token, notAppended('NOT_LEADER_OR_FOLLOWER'));
    });
    this.#hasRoom();
  }

  #wait(): void {
    this.#completions.sleep(() => {
      if (this.#dead) return;
      this.#drain();
      this.#wait();
    });
  }

  #drain(): void {
    const { words } = this.#completions;
    const count = this.#completions.available;
    for (let i = 0; i < count; i++) {
      const at = this.#completions.peek(i);
      const token = words[at + COMPLETION.token] as number;
      if (words[at + COMPLETION.kind] === COMPLETION_KIND.advanced) {
        this.#advanced(token);
        continue;
      }
      this.#complete(token, {
        error: errorName(words[at + COMPLETION.error] as number),
        baseOffset: readWide(words, at + COMPLETION.baseOffset),
        logAppendTimeMs: readWide(words, at + COMPLETION.logAppendTimeMs),
        logStartOffset: readWide(words, at + COMPLETION.logStartOffset),
      });
    }
    if (count > 0) {
      this.#completions.release(count);
      this.#hasRoom();
    }
  }

  #complete(token: number, result: Appended): void {
    const submission = this.#inFlight[token];
    assert(submission !== undefined, 'a completion belongs to a submission');
    this.#inFlight[token] = undefined;
    this.#freeTokens.push(token);
    submission.extent.release();
    const { traffic } = submission;
    if (traffic && result.error === 'NONE') {
      traffic.appendedBatches++;
      traffic.appendedBytes += submission.bytes;
    }
    submission.waiter.appended(submission.place, result);
  }
}

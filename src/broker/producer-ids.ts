// Ids for idempotent producers, out of a block that the supervisor has set aside in the metadata store. An id is handed out
// once, whatever dies: a block that is not used up when the process ends is lost. Source: KIP-98, KIP-360, KIP-730.
import { assert } from '../base/assert.js';
import type { Failure } from '../base/errors.js';
import { PRODUCER_EPOCH_MAX, type ProducerIdentity } from '../record/producer-identity.js';
import type { SupervisorReply } from './messages.js';

export type ProducerIdentityDone = (result: ProducerIdentity | Failure) => void;

/** Requests that wait for a block. */
const WAITING_MAX = 10_000;

export class ProducerIds {
  readonly #allocate: (reply: (reply: SupervisorReply) => void) => void;
  readonly #waiting: ProducerIdentityDone[] = [];
  #fetching = false;
  #next = 0;
  #end = 0;

  /** `allocate` asks for a block; it is answered once. */
  constructor(allocate: (reply: (reply: SupervisorReply) => void) => void) {
    this.#allocate = allocate;
  }

  /**
   * An identity for a producer without a transactional id. Without a `current` one it gets a new id with epoch 0. With one it
   * keeps the id and gets the next epoch, so that it can number its batches from 0 again (KIP-360); where there is no
   * next epoch it gets a new id. `done` is called once, at once if no block has to be fetched.
   */
  next(current: ProducerIdentity | null, done: ProducerIdentityDone): void {
    const problem = current && problemWith(current);
    if (problem) done(problem);
    else if (current && current.producerEpoch < PRODUCER_EPOCH_MAX) {
      done({ producerId: current.producerId, producerEpoch: current.producerEpoch + 1 });
    } else if (this.#next < this.#end) done({ producerId: this.#next++, producerEpoch: 0 });
    else if (this.#waiting.length >= WAITING_MAX) {
      done({ error: 'THROTTLING_QUOTA_EXCEEDED', detail: 'Too many producers wait for an id.' });
    } else {
      this.#waiting.push(done);
      this.#fetchBlock();
    }
  }

  #fetchBlock(): void {
    if (this.#fetching) return;
    this.#fetching = true;
    this.#allocate((reply) => {
      this.#fetching = false;
      if (reply.type === 'producer-ids') {
        assert(reply.first >= this.#end, 'blocks of producer ids follow each other');
        this.#next = reply.first;
        this.#end = reply.first + reply.count;
        while (this.#next < this.#end && this.#waiting.length > 0) {
          this.#waiting.shift()?.({ producerId: this.#next++, producerEpoch: 0 });
        }
        if (this.#waiting.length > 0) this.#fetchBlock();
        return;
      }
      assert(reply.type === 'failed', 'a block of producer ids is set aside, or it fails');
      for (const done of this.#waiting.splice(0)) done({ error: reply.error, detail: reply.detail });
    });
  }
}

function problemWith({ producerId, producerEpoch }: ProducerIdentity): Failure | null {
  const isId = Number.isSafeInteger(producerId) && producerId >= 0;
  const isEpoch =
    Number.isInteger(producerEpoch) && producerEpoch >= 0 && producerEpoch <= PRODUCER_EPOCH_MAX;
  if (isId && isEpoch) return null;
  return {
    error: 'INVALID_REQUEST',
    detail: `Producer id ${producerId} with epoch ${producerEpoch} is no producer's identity.`,
  };
}

// Who an idempotent producer is: an id and an epoch, asked of a broker when they are first needed, and a new epoch when batches
// must be numbered from 0 again (KIP-360).
import type { Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import type { ProducerIdentity } from '../record/producer-identity.js';
import { asOdradekError } from './as-odradek-error.js';
import { backoffMs } from './backoff.js';
import type { Cluster } from './cluster.js';

const RETRY_BACKOFF = { firstMs: 50, maxMs: 1000 };

/** Null: look again, there is an identity or another try is due. An error: there will be none. */
export type IdentityDone = (error: OdradekError | null) => void;

export class IdentitySource {
  readonly #cluster: Cluster;
  readonly #timeoutMs: number;
  #current: ProducerIdentity | null = null;
  /** What is to be followed by its next epoch. */
  #previous: ProducerIdentity | null = null;
  #waiting: IdentityDone[] = [];
  #failures = 0;
  #isAsking = false;
  #timer: Timer | null = null;
  #isStopped = false;

  /** `timeoutMs` bounds one try. */
  constructor(cluster: Cluster, timeoutMs: number) {
    this.#cluster = cluster;
    this.#timeoutMs = timeoutMs;
  }

  /** Null while there is none; then {@link whenChanged}. */
  get current(): ProducerIdentity | null {
    return this.#current;
  }

  /** Batches of this identity left a gap that cannot be closed: the next ones get a new epoch. */
  renew(stale: ProducerIdentity): void {
    if (stale !== this.#current) return;
    this.#previous = stale;
    this.#current = null;
  }

  /** Asks for an identity, and calls back when that was answered or failed. */
  whenChanged(done: IdentityDone): void {
    this.#waiting.push(done);
    if (this.#isAsking || this.#isStopped) return;
    this.#isAsking = true;
    void this.#ask();
  }

  /** Nothing is called back any more. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
    if (this.#timer) this.#cluster.options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  async #ask(): Promise<void> {
    const outcome = await this.#request().catch(asOdradekError);
    if (this.#isStopped) return;
    if (!(outcome instanceof OdradekError)) {
      this.#failures = 0;
      this.#current = outcome;
      this.#settle(null);
    } else if (outcome.retriable) {
      const { clock, random, logger } = this.#cluster.options;
      logger.debug('asking for a producer id again', { error: outcome.message });
      const waitMs = backoffMs(++this.#failures, RETRY_BACKOFF, random);
      this.#timer = clock.after(waitMs, () => this.#settle(null));
    } else this.#settle(outcome);
  }

  async #request(): Promise<ProducerIdentity> {
    const connection = await this.#cluster.anyConnection();
    const request = { type: 'initProducerId', current: this.#previous } as const;
    const { body } = await connection.request(request, { timeoutMs: this.#timeoutMs });
    return body.producer;
  }

  #settle(error: OdradekError | null): void {
    this.#timer = null;
    this.#isAsking = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done(error);
  }
}

import { OdradekError } from '../base/errors.js';
import type { TopicMetadata } from '../protocol/native/messages.js';
import { type Deferred, deferred } from './deferred.js';

/** Topics in one request. */
const TOPICS_MAX = 1000;

/**
 * Asks for many topics at once: all that are wanted in one turn share a request, and a topic is asked for once at a
 * time.
 */
export class MetadataBatcher {
  readonly #fetch: (topics: readonly string[]) => Promise<readonly TopicMetadata[]>;
  readonly #underway = new Map<string, Deferred<TopicMetadata>>();
  #wanted: string[] = [];

  constructor(fetch: (topics: readonly string[]) => Promise<readonly TopicMetadata[]>) {
    this.#fetch = fetch;
  }

  /** The topic as the broker describes it, perhaps by an error. Rejects if the request fails. */
  get(topic: string): Promise<TopicMetadata> {
    const underway = this.#underway.get(topic);
    if (underway) return underway.promise;
    const answer = deferred<TopicMetadata>();
    this.#underway.set(topic, answer);
    this.#wanted.push(topic);
    if (this.#wanted.length === 1) queueMicrotask(() => this.#fetchWanted());
    return answer.promise;
  }

  #fetchWanted(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    for (let start = 0; start < wanted.length; start += TOPICS_MAX) {
      const topics = wanted.slice(start, start + TOPICS_MAX);
      this.#fetch(topics).then(
        (answers) => this.#resolve(topics, answers),
        (error: unknown) => {
          for (const topic of topics) this.#settle(topic)?.reject(error);
        },
      );
    }
  }

  #resolve(topics: readonly string[], answers: readonly TopicMetadata[]): void {
    const byName = new Map(answers.map((answer) => [answer.name, answer]));
    for (const topic of topics) {
      const answer = byName.get(topic);
      const request = this.#settle(topic);
      if (answer) request?.resolve(answer);
      else request?.reject(new OdradekError('ODR_PROTOCOL', `The broker did not describe topic ${topic}.`));
    }
  }

  #settle(topic: string): Deferred<TopicMetadata> | undefined {
    const request = this.#underway.get(topic);
    this.#underway.delete(topic);
    return request;
  }
}

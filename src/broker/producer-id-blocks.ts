// Hands out blocks of producer ids, each durable before anyone hears of it: none of its ids is ever in another block (KIP-730).
import { assert } from '../base/assert.js';
import type { MetadataCommit } from '../metadata/metadata-store.js';
import { encodeRecord, PRODUCER_IDS_KEY } from '../metadata/schema.js';
import { failed } from './messages.js';
import type { AnswerCommand, SupervisorOptions } from './supervisor-options.js';

/** How many producer ids are set aside at a time (KIP-730); those of a block that a restart leaves over are lost. */
const PRODUCER_IDS_PER_BLOCK = 1000;

export type ProducerIdBlocksOptions = Pick<SupervisorOptions, 'image' | 'metadata'>;

export class ProducerIdBlocks {
  readonly #options: ProducerIdBlocksOptions;
  /** Who wants a block; the first one's is being written. */
  readonly #waiting: AnswerCommand[] = [];

  constructor(options: ProducerIdBlocksOptions) {
    this.#options = options;
  }

  allocate(reply: AnswerCommand): void {
    this.#waiting.push(reply);
    if (this.#waiting.length === 1) this.#allocateNext();
  }

  /** One block after the other, because each begins where the one before ends. */
  #allocateNext(): void {
    const { image, metadata } = this.#options;
    const { next: first, modRevision } = image.producerIds;
    const next = first + PRODUCER_IDS_PER_BLOCK;
    const commit: MetadataCommit = {
      compare: [{ key: PRODUCER_IDS_KEY, modRevision }],
      puts: [{ key: PRODUCER_IDS_KEY, value: encodeRecord({ next }) }],
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      const reply = this.#waiting.shift();
      if (result.type === 'committed') {
        assert(image.producerIds.next >= next, 'a block is out of reach once it is handed out');
        reply?.({ type: 'producer-ids', first, count: PRODUCER_IDS_PER_BLOCK });
      } else {
        const reason = result.type === 'failed' ? result.reason : 'The producer ids changed meanwhile.';
        reply?.(failed(result.type === 'failed' ? result.error : 'REQUEST_TIMED_OUT', reason));
      }
      if (this.#waiting.length > 0) this.#allocateNext();
    });
  }
}

import { OdradekError } from '../base/errors.js';

/** Where something cannot be read, and how to go on behind it. */
export interface UnreadablePlace {
  readonly topic: string;
  readonly partition: number;
  /** Of the message, or the first one of the batch that was not delivered. */
  readonly offset: number;
  /** What to `seek` to, to leave it out. */
  readonly nextOffset: number;
}

/**
 * A message, or a batch, that a consumer cannot read: ODR_FORMAT if its format does not take it, ODR_CORRUPT, ODR_COMPRESSION.
 * The consumer stays where it is: another loop over it throws the same until a `seek`.
 *
 * @example
 * if (error instanceof UnreadableError) consumer.seek(error.partition, error.nextOffset);
 */
export class UnreadableError extends OdradekError implements UnreadablePlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;

  constructor({ topic, partition, offset, nextOffset }: UnreadablePlace, cause: OdradekError) {
    const what = cause.code === 'ODR_FORMAT' ? 'it' : 'the batch';
    super(
      cause.code,
      `Reading ${topic}-${partition} at offset ${offset} failed: ${cause.message.replace(/\.$/, '')}. ` +
        `seek() to ${nextOffset} leaves ${what} out.`,
      { cause },
    );
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.nextOffset = nextOffset;
  }
}

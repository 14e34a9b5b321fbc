import { OdradekError } from '../base/errors.js';
import type { Decoder } from './format.js';
import { oneOf, wholeNumber } from './option-check.js';

/** Where to begin in a partition: its start, its end, an offset, or the first message of that time or later. */
export type StartPosition =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  /** Milliseconds since 1970. Without such a message: the end. */
  | { readonly timestampMs: number };

export interface ConsumerOptions<Key = Buffer, Value = Buffer> {
  readonly topic: string;
  /** What keys are made into: `text()`, `json(schema)` … Default: they stay buffers. */
  readonly key?: Decoder<Key> | undefined;
  /** What values are made into. Default: they stay buffers. */
  readonly value?: Decoder<Value> | undefined;
  /** Default: all, also those that are added later. */
  readonly partitions?: readonly number[] | undefined;
  /** For all partitions, or by partition (those that are not named begin at `earliest`). Default `earliest`. */
  readonly from?: StartPosition | ReadonlyMap<number, StartPosition> | undefined;
  /** `end`: stop at the offsets that were the ends of the partitions at the start. Default: never stop. */
  readonly until?: 'end' | undefined;
  /**
   * When the position lies outside of what the partition holds, mostly because retention deleted the messages before
   * they were read: fail (the default), or go on at the start or the end of what is there.
   */
  readonly onOutOfRange?: 'earliest' | 'latest' | 'fail' | undefined;
  /** Bound on what the broker sends of a partition at a time; a larger batch comes whole. Default 1 MiB. */
  readonly maxBytesPerPush?: number | undefined;
  /** Bound on what has come and was not delivered yet, over all partitions, but for one larger batch. Default 8 MiB. */
  readonly prefetchBytesMax?: number | undefined;
  /** Ends the consumer: a loop over it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface CheckedConsumerOptions {
  readonly topic: string;
  /** Null: all. */
  readonly partitions: readonly number[] | null;
  readonly from: StartPosition | ReadonlyMap<number, StartPosition>;
  readonly untilEnd: boolean;
  readonly onOutOfRange: 'earliest' | 'latest' | 'fail';
  readonly maxBytesPerPush: number;
  readonly prefetchBytesMax: number;
}

/**
 * The options with their defaults.
 *
 * @throws OdradekError ODR_USAGE for a value that is out of range
 */
export function checkConsumerOptions(
  options: Omit<ConsumerOptions, 'key' | 'value'>,
): CheckedConsumerOptions {
  if (typeof options.topic !== 'string' || options.topic === '') {
    throw new OdradekError('ODR_USAGE', 'A consumer needs a topic.');
  }
  for (const partition of options.partitions ?? []) wholeNumber('partitions', partition, 0);
  const { from = 'earliest' } = options;
  for (const position of from instanceof Map ? from.values() : [from]) checkPosition(position);
  return {
    topic: options.topic,
    partitions: options.partitions ? [...new Set(options.partitions)] : null,
    from,
    untilEnd: options.until !== undefined && oneOf('until', options.until, ['end']) === 'end',
    onOutOfRange: oneOf('onOutOfRange', options.onOutOfRange ?? 'fail', ['earliest', 'latest', 'fail']),
    maxBytesPerPush: wholeNumber('maxBytesPerPush', options.maxBytesPerPush ?? 2 ** 20, 1, 2 ** 30),
    prefetchBytesMax: wholeNumber('prefetchBytesMax', options.prefetchBytesMax ?? 8 * 2 ** 20, 1),
  };
}

function checkPosition(position: StartPosition): void {
  if (typeof position === 'string') oneOf('from', position, ['earliest', 'latest']);
  else if ('offset' in position) wholeNumber('from.offset', position.offset, 0);
  else wholeNumber('from.timestampMs', position.timestampMs, 0);
}

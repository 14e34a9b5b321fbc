// Keeps the partitions of a consumer fed: each has a stream at its leader, and after a failure gets another one, from where
// it was left and after a while.
import { brokerError, OdradekError } from '../base/errors.js';
import type { Push } from '../protocol/native/messages.js';
import { backoffMs } from './backoff.js';
import { BrokerFeed } from './broker-feed.js';
import type { Cluster } from './cluster.js';
import type { CheckedConsumerOptions } from './consumer-options.js';
import type { PartitionReader } from './partition-reader.js';

const RETRY_BACKOFF = { firstMs: 50, maxMs: 1000 };
/** A topic that is missing for so long was deleted. */
const UNKNOWN_TOPIC_WAIT_MS = 10_000;

export class Feeder {
  readonly #cluster: Cluster;
  readonly #options: CheckedConsumerOptions;
  readonly #changed: (reader: PartitionReader) => void;
  readonly #signal: AbortSignal;
  readonly #readers = new Set<PartitionReader>();
  /** By broker. */
  readonly #feeds = new Map<number, BrokerFeed>();
  #topicId: string | null = null;

  /**
   * `changed` is called when the reader has something to deliver, be it an error, or jumped. The signal ends it all.
   */
  constructor(
    cluster: Cluster,
    options: CheckedConsumerOptions,
    { signal, changed }: { signal: AbortSignal; changed: (reader: PartitionReader) => void },
  ) {
    this.#cluster = cluster;
    this.#options = options;
    this.#changed = changed;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#close());
  }

  add(reader: PartitionReader): void {
    this.#readers.add(reader);
    this.start(reader);
  }

  /** Has the reader fed, if it wants to be and is not. */
  start(reader: PartitionReader): void {
    const isFed = reader.stream !== null || reader.retryTimer !== null;
    if (isFed || reader.isPaused || reader.needsNoMore || this.#signal.aborted) return;
    const { topic, partition } = reader;
    const view = this.#cluster.knownTopic(topic);
    this.#topicId ??= view?.topicId ?? null;
    if (view && view.topicId !== this.#topicId) {
      const message = `Topic '${topic}' was deleted and created anew.`;
      this.#end(reader, new OdradekError('ODR_BROKER', message));
      return;
    }
    const leader = view?.leaders[partition] ?? -1;
    if (!view)
      this.#failed(reader, brokerError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic '${topic}'.`));
    else if (leader === -1) this.#retryLater(reader, brokerError('LEADER_NOT_AVAILABLE'));
    else this.#feedOf(leader).begin(reader);
  }

  /** The reader is fed no more, until {@link start}. */
  stop(reader: PartitionReader): void {
    if (reader.retryTimer) this.#cluster.options.clock.cancel(reader.retryTimer);
    reader.retryTimer = null;
    reader.stream?.owner.end(reader.stream.id);
  }

  #feedOf(brokerId: number): BrokerFeed {
    const existing = this.#feeds.get(brokerId);
    if (existing) return existing;
    // Leaders move: feeds of brokers that lead nothing here any more leave their share to others.
    for (const [id, feed] of this.#feeds) {
      if (!feed.isIdle) continue;
      feed.close();
      this.#feeds.delete(id);
    }
    const limitBytes = this.#shareOf(this.#feeds.size + 1);
    for (const feed of this.#feeds.values()) feed.limitBytes = limitBytes;
    const feed = new BrokerFeed({
      cluster: this.#cluster,
      brokerId,
      limitBytes,
      pushBytesMax: this.#options.maxBytesPerPush,
      topicId: this.#topicId ?? '',
      pushed: (reader, push, records) => this.#pushed(feed, reader, push, records),
      lost: (reader, error) => this.#failed(reader, error),
    });
    this.#feeds.set(brokerId, feed);
    return feed;
  }

  #shareOf(feeds: number): number {
    return Math.max(1, Math.floor(this.#options.prefetchBytesMax / feeds));
  }

  #pushed(feed: BrokerFeed, reader: PartitionReader, push: Push, records: Buffer): void {
    if (push.error) {
      feed.consumed(records.length);
      const about = `${reader.topic}-${reader.partition} at offset ${reader.fetchOffset}`;
      const detail = push.error.detail ? `${about}: ${push.error.detail}` : about;
      this.#failed(reader, brokerError(push.error.error, detail), push);
      return;
    }
    reader.failures = 0;
    reader.missingSinceMs = null;
    reader.highWatermark = push.highWatermark;
    if (records.length === 0) return;
    reader.feed(records, feed);
    if (reader.needsNoMore) this.stop(reader);
    this.#changed(reader);
  }

  #failed(reader: PartitionReader, error: OdradekError, push?: Push): void {
    if (error.errorName === 'OFFSET_OUT_OF_RANGE') this.#outOfRange(reader, error, push);
    else if (error.errorName === 'CORRUPT_MESSAGE') this.#end(reader, unreadable(reader, error));
    else if (error.retriable && !this.#isDeleted(reader, error)) this.#retryLater(reader, error);
    else this.#end(reader, error);
  }

  #isDeleted(reader: PartitionReader, { errorName }: OdradekError): boolean {
    if (errorName !== 'UNKNOWN_TOPIC_OR_PARTITION' && errorName !== 'UNKNOWN_TOPIC_ID') return false;
    const nowMs = this.#cluster.options.clock.monotonicMs();
    reader.missingSinceMs ??= nowMs;
    return nowMs - reader.missingSinceMs >= UNKNOWN_TOPIC_WAIT_MS;
  }

  #end(reader: PartitionReader, error: OdradekError): void {
    reader.fail(error);
    this.#changed(reader);
  }

  #retryLater(reader: PartitionReader, error: OdradekError): void {
    if (this.#signal.aborted) return;
    const { clock, random, logger } = this.#cluster.options;
    reader.failures++;
    logger.debug('subscribing again', {
      topic: reader.topic,
      partition: reader.partition,
      error: error.message,
    });
    this.#cluster.refreshTopicLater(reader.topic);
    reader.retryTimer = clock.after(backoffMs(reader.failures, RETRY_BACKOFF, random), () => {
      reader.retryTimer = null;
      this.start(reader);
    });
  }

  #outOfRange(reader: PartitionReader, error: OdradekError, push: Push | undefined): void {
    const { onOutOfRange } = this.#options;
    const { topic, partition, fetchOffset, position } = reader;
    if (onOutOfRange !== 'fail') {
      const offset = (onOutOfRange === 'earliest' ? push?.logStartOffset : push?.highWatermark) ?? -1;
      // What has come before is delivered first.
      if (reader.isDelivering || offset === -1) {
        this.#retryLater(reader, error);
        return;
      }
      reader.jump(offset);
      const { logger } = this.#cluster.options;
      logger.warn('offset out of range', { topic, partition, from: position, to: offset });
      this.#changed(reader);
      this.start(reader);
      return;
    }
    const range = push && push.highWatermark > 0 ? ` [${push.logStartOffset}, ${push.highWatermark})` : '';
    const message =
      `Offset ${fetchOffset} of ${topic}-${partition} is outside the range${range} that the partition holds: ` +
      `its messages were deleted before they were read, or the topic was made anew. onOutOfRange says where to go on instead.`;
    this.#end(
      reader,
      new OdradekError('ODR_BROKER', message, { errorName: 'OFFSET_OUT_OF_RANGE', cause: error }),
    );
  }

  #close(): void {
    for (const reader of this.#readers) this.stop(reader);
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }
}

/** The code is retriable for producers, whose bytes may be damaged on the way; the broker's files stay as they are. */
function unreadable({ topic, partition, fetchOffset }: PartitionReader, cause: OdradekError): OdradekError {
  const message =
    `The broker cannot read ${topic}-${partition} at offset ${fetchOffset}: its files are damaged there, and its log ` +
    'says where. seek() to a later offset leaves the damage out.';
  return new OdradekError('ODR_CORRUPT', message, { cause });
}

// Keeps the partitions of a consumer filled: each has at most one fetch under way and two fetches' worth of bytes
// waiting, so that one is read while the other is fetched. Partitions that want more in one turn share a request per
// leader.
import { brokerError, OdradekError } from '../base/errors.js';
import {
  type FetchPartitionResult,
  type FetchResponse,
  REQUEST_PARTITIONS_MAX,
} from '../protocol/native/messages.js';
import { asOdradekError } from './as-odradek-error.js';
import { backoffMs } from './backoff.js';
import type { Cluster } from './cluster.js';
import type { Answer } from './connection.js';
import type { CheckedConsumerOptions } from './consumer-options.js';
import { listOffsets } from './list-offsets.js';
import type { PartitionReader } from './partition-reader.js';

const RETRY_BACKOFF = { firstMs: 50, maxMs: 1000 };
/** A topic that is missing for so long was deleted. */
const UNKNOWN_TOPIC_WAIT_MS = 10_000;
const ANSWER_BYTES_MAX = 128 * 1024 * 1024;

export class Fetcher {
  readonly #cluster: Cluster;
  readonly #options: CheckedConsumerOptions;
  readonly #changed: (reader: PartitionReader) => void;
  readonly #signal: AbortSignal;
  readonly #readers = new Set<PartitionReader>();
  readonly #wanting = new Set<PartitionReader>();
  #topicId: string | null = null;
  #isScheduled = false;

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
    signal.addEventListener('abort', () => this.#cancelTimers());
  }

  add(reader: PartitionReader): void {
    this.#readers.add(reader);
    this.schedule(reader);
  }

  /** The reader may have room: if so, a fetch leaves at the end of this turn. */
  schedule(reader: PartitionReader): void {
    if (!this.#wantsMore(reader)) return;
    this.#wanting.add(reader);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#fetchWanted();
    });
  }

  #wantsMore(reader: PartitionReader): boolean {
    const isIdle = !reader.isFetching && reader.retryTimer === null && !this.#signal.aborted;
    return isIdle && !reader.needsNoMore && reader.fetchedBytes < this.#fetchBytes;
  }

  /** What is fetched of a partition at a time: two of these for each have to fit. */
  get #fetchBytes(): number {
    const share = Math.floor(this.#options.prefetchBytesMax / 2 / Math.max(1, this.#readers.size));
    return Math.max(1, Math.min(this.#options.maxBytesPerFetch, share));
  }

  #fetchWanted(): void {
    const view = this.#cluster.knownTopic(this.#options.topic);
    if (view) this.#topicId ??= view.topicId;
    const byLeader = new Map<number, PartitionReader[]>();
    for (const reader of this.#wanting) {
      if (!this.#wantsMore(reader)) continue;
      if (view && view.topicId !== this.#topicId) {
        this.#end(
          reader,
          new OdradekError('ODR_BROKER', `Topic '${view.name}' was deleted and created anew.`),
        );
        continue;
      }
      const leader = view?.leaders[reader.partition] ?? -1;
      const readers = byLeader.get(leader) ?? [];
      byLeader.set(leader, readers);
      reader.isFetching = true;
      readers.push(reader);
    }
    this.#wanting.clear();
    for (const [leader, readers] of byLeader) {
      for (let start = 0; start < readers.length; start += REQUEST_PARTITIONS_MAX) {
        void this.#fetch(leader, readers.slice(start, start + REQUEST_PARTITIONS_MAX));
      }
    }
  }

  /** Never rejects: what goes wrong is told to the readers. */
  async #fetch(leader: number, readers: readonly PartitionReader[]): Promise<void> {
    const asked = readers.map((reader) => ({ reader, jumps: reader.jumps }));
    const answer = await this.#request(leader, readers).catch(asOdradekError);
    if (this.#signal.aborted) return;
    const current = asked.filter(({ reader, jumps }) => reader.jumps === jumps).map(({ reader }) => reader);
    for (const reader of current) reader.isFetching = false;
    if (answer instanceof OdradekError) {
      for (const reader of current) this.#failed(reader, answer);
      return;
    }
    const results = slices(answer);
    for (const reader of current) {
      const result = results.get(reader.partition);
      if (result) this.#fetched(reader, result);
      else
        this.#failed(reader, new OdradekError('ODR_PROTOCOL', 'The broker did not answer for a partition.'));
    }
  }

  async #request(leader: number, readers: readonly PartitionReader[]): Promise<Answer<FetchResponse>> {
    if (leader === -1) throw brokerError('LEADER_NOT_AVAILABLE');
    const { maxWaitMs } = this.#options;
    const connection = await this.#cluster.connection(leader);
    const maxBytes = this.#fetchBytes;
    const partitions = readers.map(({ topic, partition, fetchOffset }) => ({
      topic,
      partition,
      offset: fetchOffset,
      maxBytes,
    }));
    const allBytes = Math.min(ANSWER_BYTES_MAX, maxBytes * readers.length);
    return await connection.request(
      { type: 'fetch', minBytes: 1, maxWaitMs, maxBytes: allBytes, partitions },
      { timeoutMs: maxWaitMs + this.#cluster.options.requestTimeoutMs, signal: this.#signal },
    );
  }

  #fetched(reader: PartitionReader, { result, bytes }: PartitionAnswer): void {
    if (result.error) {
      const about = `${reader.topic}-${reader.partition} at offset ${reader.fetchOffset}`;
      const detail = result.error.detail ? `${about}: ${result.error.detail}` : about;
      this.#failed(reader, brokerError(result.error.error, detail), result);
      return;
    }
    reader.failures = 0;
    reader.missingSinceMs = null;
    reader.highWatermark = result.highWatermark;
    if (bytes.length > 0) {
      reader.feed(bytes);
      this.#changed(reader);
    }
    this.schedule(reader);
  }

  #failed(reader: PartitionReader, error: OdradekError, result?: FetchPartitionResult): void {
    if (error.errorName === 'OFFSET_OUT_OF_RANGE') this.#outOfRange(reader, error, result);
    else if (error.errorName === 'CORRUPT_MESSAGE') this.#end(reader, unreadable(reader, error));
    else if (error.retriable && !this.#isDeleted(reader, error)) this.#retryLater(reader, error);
    else this.#end(reader, error);
  }

  #isDeleted(reader: PartitionReader, error: OdradekError): boolean {
    if (error.errorName !== 'UNKNOWN_TOPIC_OR_PARTITION') return false;
    const nowMs = this.#cluster.options.clock.monotonicMs();
    reader.missingSinceMs ??= nowMs;
    return nowMs - reader.missingSinceMs >= UNKNOWN_TOPIC_WAIT_MS;
  }

  #end(reader: PartitionReader, error: OdradekError): void {
    reader.fail(error);
    this.#changed(reader);
  }

  #retryLater(reader: PartitionReader, error: OdradekError): void {
    const { clock, random, logger } = this.#cluster.options;
    reader.failures++;
    logger.debug('fetching again', {
      topic: reader.topic,
      partition: reader.partition,
      error: error.message,
    });
    this.#cluster.refreshTopicLater(reader.topic);
    reader.retryTimer = clock.after(backoffMs(reader.failures, RETRY_BACKOFF, random), () => {
      reader.retryTimer = null;
      this.schedule(reader);
    });
  }

  #outOfRange(reader: PartitionReader, error: OdradekError, result: FetchPartitionResult | undefined): void {
    const { onOutOfRange } = this.#options;
    if (onOutOfRange !== 'fail') {
      // What was fetched before is delivered first.
      if (reader.fetchedBytes > 0 || reader.isReading) this.#retryLater(reader, error);
      else void this.#jump(reader, onOutOfRange);
      return;
    }
    const { topic, partition, fetchOffset } = reader;
    const range =
      result && result.highWatermark > 0 ? ` [${result.logStartOffset}, ${result.highWatermark})` : '';
    const message =
      `Offset ${fetchOffset} of ${topic}-${partition} is outside the range${range} that the partition holds: ` +
      `its messages were deleted before they were read, or the topic was made anew. onOutOfRange says where to go on instead.`;
    this.#end(
      reader,
      new OdradekError('ODR_BROKER', message, { errorName: 'OFFSET_OUT_OF_RANGE', cause: error }),
    );
  }

  /** Never rejects. */
  async #jump(reader: PartitionReader, position: 'earliest' | 'latest'): Promise<void> {
    const { topic, partition, jumps } = reader;
    reader.isFetching = true;
    const asked = new Map([[partition, position]]);
    const listed = await listOffsets(this.#cluster, topic, asked, this.#signal).catch(asOdradekError);
    if (this.#signal.aborted || reader.jumps !== jumps) return;
    reader.isFetching = false;
    if (listed instanceof OdradekError) return this.#failed(reader, listed);
    const from = reader.position;
    reader.jump(listed.get(partition)?.offset ?? 0);
    this.#cluster.options.logger.warn('offset out of range', { topic, partition, from, to: reader.position });
    this.#changed(reader);
    this.schedule(reader);
  }

  #cancelTimers(): void {
    for (const { retryTimer } of this.#readers)
      if (retryTimer) this.#cluster.options.clock.cancel(retryTimer);
  }
}

/** The code is retriable for producers, whose bytes may be damaged on the way; the broker's files stay as they are. */
function unreadable({ topic, partition, fetchOffset }: PartitionReader, cause: OdradekError): OdradekError {
  const message =
    `The broker cannot read ${topic}-${partition} at offset ${fetchOffset}: its files are damaged there, and its log ` +
    'says where. seek() to a later offset leaves the damage out.';
  return new OdradekError('ODR_CORRUPT', message, { cause });
}

interface PartitionAnswer {
  readonly result: FetchPartitionResult;
  readonly bytes: Buffer;
}

/** Cuts an answer's payload into its partitions' parts; none that reaches past the end is among them. */
function slices({ body, payload }: Answer<FetchResponse>): Map<number, PartitionAnswer> {
  const answers = new Map<number, PartitionAnswer>();
  let start = 0;
  for (const result of body.partitions) {
    const end = start + result.recordsBytes;
    if (end > payload.length) break;
    answers.set(result.partition, { result, bytes: payload.subarray(start, end) });
    start = end;
  }
  return answers;
}

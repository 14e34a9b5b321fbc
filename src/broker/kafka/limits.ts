// What one request may cost. Kafka has no such bounds; they are far beyond what clients send.
import { OdradekError } from '../../base/errors.js';

/** Bytes of a request that carries no records. */
export const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Partitions that one request names, and that one creates; the latter is Kafka's bound too. */
export const PARTITIONS_MAX = 10_000;
/** A fetch of more partitions than this, without a session, is a large one: it costs memory while it waits. */
export const LARGE_FETCH_PARTITIONS = 100;
/** Partitions that large fetches without a session wait for, of all connections together; further ones are answered at once. */
export const WAITING_PARTITIONS_MAX = 50_000;
/** Topics that one request names. */
export const TOPICS_MAX = 100_000;
/** Topics that one request creates or deletes. */
export const TOPIC_CHANGES_MAX = 10_000;
/** Topics that one Metadata request creates; for the others it is asked again. */
export const TOPICS_CREATED_BY_USE_MAX = 1000;
/** Resources that DescribeConfigs describes at a time. */
export const RESOURCES_MAX = 2000;
/** An error's detail may repeat what the client sent, which may be long. */
export const DETAIL_CHARACTERS_MAX = 1000;
/** Batches of one Produce request that are tried: no more than surely find room in a worker's ring. */
export const BATCHES_MAX = 1000;
/**
 * Requests that are not answered and answers that wait for their turn, in bytes: beyond that a connection has one request
 * handled at a time.
 */
export const PENDING_BYTES_MAX = 1024 * 1024;

/** Throws, which closes the connection, if a request names more of something than it may. */
export function refuseTooMany(items: readonly unknown[], limit: number, what: string): void {
  refuseBeyond(items.length, limit, what);
}

/** As {@link refuseTooMany}, for the partitions of all topics. */
export function refuseTooManyPartitions<Topic>(
  topics: readonly Topic[],
  partitionsOf: (topic: Topic) => readonly unknown[],
): void {
  const count = topics.reduce((sum, topic) => sum + partitionsOf(topic).length, 0);
  refuseBeyond(count, PARTITIONS_MAX, 'partitions');
}

function refuseBeyond(count: number, limit: number, what: string): void {
  if (count > limit)
    throw new OdradekError('ODR_PROTOCOL', `A request names ${count} ${what}; ${limit} are allowed.`);
}

// The metrics of the main thread: what the doors and the router counted, and the state of the partitions as their views show
// it, which costs no thread anything.
import { errorName } from '../../base/errors.js';
import { histogramValue, type MetricsSource, metric, type Sample, sample } from '../../base/metric.js';
import { workerLabel } from '../inspect-workers.js';
import type { ReadBuffer } from '../read-buffer.js';
import type { Router } from '../router.js';
import type { TopicEntry } from '../topic-table.js';
import { SOFTWARE_VERSION } from '../version.js';
import type { DoorCounters } from './counters.js';

export const BROKER_METRICS = {
  build: metric({
    name: 'odradek_build_info',
    type: 'gauge',
    help: 'Always 1; the labels tell the version of the broker, that of Node and the ids of broker and cluster.',
    labels: ['version', 'node_version', 'broker_id', 'cluster_id'],
  }),
  requests: metric({
    name: 'odradek_requests_total',
    type: 'counter',
    help: 'Requests that were taken, by door (native, kafka) and API.',
    labels: ['door', 'api'],
  }),
  requestSeconds: metric({
    name: 'odradek_request_duration_seconds',
    type: 'histogram',
    help: 'From taking a request to having its answer ready. A fetch that waits for records counts its wait: look at odradek_fetches_parked too.',
    labels: ['door', 'api'],
  }),
  requestErrors: metric({
    name: 'odradek_request_errors_total',
    type: 'counter',
    help: 'Errors in answers, one for each partition or other item that has one, by the name of the error.',
    labels: ['door', 'api', 'error'],
  }),
  connectionsOpened: metric({
    name: 'odradek_connections_opened_total',
    type: 'counter',
    help: 'Connections that were accepted.',
    labels: ['door'],
  }),
  connectionsClosed: metric({
    name: 'odradek_connections_closed_total',
    type: 'counter',
    help: 'Connections that ended, by reason. peer: the client or the network; invalid: what it sent makes no sense; idle: connections.max.idle.ms; frame-timeout: half a frame; stalled: it held memory that others waited for; stop: the broker stops.',
    labels: ['door', 'reason'],
  }),
  connections: metric({
    name: 'odradek_connections',
    type: 'gauge',
    help: 'Connections that are open. At max.connections new ones are refused.',
    labels: ['door'],
  }),
  connectionsRefused: metric({
    name: 'odradek_connections_refused_total',
    type: 'counter',
    help: 'Connections that were closed as they came, because max.connections were open.',
    labels: [],
  }),
  receivedBytes: metric({
    name: 'odradek_received_bytes_total',
    type: 'counter',
    help: 'Bytes that came in by the door, requests and all.',
    labels: ['door'],
  }),
  sentBytes: metric({
    name: 'odradek_sent_bytes_total',
    type: 'counter',
    help: 'Bytes that were given out by the door, answers and all.',
    labels: ['door'],
  }),
  delayed: metric({
    name: 'odradek_frames_delayed_total',
    type: 'counter',
    help: 'How often a frame had to wait before it was taken, and its connection with it. requests: too many unanswered (odradek.requests.max); answers: the client does not read; partition: it is being opened; ring: the worker is behind; write-buffer: no memory (odradek.write.buffer.bytes).',
    labels: ['door', 'reason'],
  }),
  producedBytes: metric({
    name: 'odradek_produced_bytes_total',
    type: 'counter',
    help: 'Bytes of record batches that clients produced and that were acknowledged.',
    labels: [],
  }),
  producedBatches: metric({
    name: 'odradek_produced_batches_total',
    type: 'counter',
    help: 'Record batches that clients produced and that were acknowledged.',
    labels: [],
  }),
  fetchedBytes: metric({
    name: 'odradek_fetched_bytes_total',
    type: 'counter',
    help: 'Bytes of record batches that were read for clients.',
    labels: [],
  }),
  topicProducedBytes: metric({
    name: 'odradek_topic_produced_bytes_total',
    type: 'counter',
    help: 'As odradek_produced_bytes_total, of one topic.',
    labels: ['topic'],
  }),
  topicProducedBatches: metric({
    name: 'odradek_topic_produced_batches_total',
    type: 'counter',
    help: 'As odradek_produced_batches_total, of one topic.',
    labels: ['topic'],
  }),
  topicFetchedBytes: metric({
    name: 'odradek_topic_fetched_bytes_total',
    type: 'counter',
    help: 'As odradek_fetched_bytes_total, of one topic.',
    labels: ['topic'],
  }),
  fetchesParked: metric({
    name: 'odradek_fetches_parked',
    type: 'gauge',
    help: 'Fetches that wait for records now. Consumers at the end of their partitions wait: that is how it should be.',
    labels: [],
  }),
  fetchParkings: metric({
    name: 'odradek_fetch_parkings_total',
    type: 'counter',
    help: 'How often a fetch began to wait for records.',
    labels: [],
  }),
  subscriptions: metric({
    name: 'odradek_subscriptions',
    type: 'gauge',
    help: 'Subscriptions of native clients that are open. They end with their connections.',
    labels: [],
  }),
  subscriptionStreams: metric({
    name: 'odradek_subscription_streams',
    type: 'gauge',
    help: 'Partitions that subscriptions read, each counted as often as it is read. At 100,000 new ones are refused.',
    labels: [],
  }),
  reads: metric({
    name: 'odradek_fetch_reads_total',
    type: 'counter',
    help: 'Reads of segments for fetches and subscriptions. hot: on the main thread, from the page cache; cold: on helper threads, while reads have to wait for a disk; sent: not read at all, the kernel passes the part of the file to the socket.',
    labels: ['temperature'],
  }),
  readBufferWaits: metric({
    name: 'odradek_read_buffer_waits_total',
    type: 'counter',
    help: 'Reads that waited for room in the read buffer. If it rises all the time, raise odradek.read.buffer.bytes or look for clients that do not read.',
    labels: [],
  }),
  readBuffer: metric({
    name: 'odradek_read_buffer_bytes',
    type: 'gauge',
    help: 'Size of the read buffer (odradek.read.buffer.bytes).',
    labels: [],
  }),
  readBufferFree: metric({
    name: 'odradek_read_buffer_free_bytes',
    type: 'gauge',
    help: 'What of the read buffer holds no answers.',
    labels: [],
  }),
  writeBuffer: metric({
    name: 'odradek_write_buffer_bytes',
    type: 'gauge',
    help: 'Size of the write buffer, the region for large frames left out (odradek.write.buffer.bytes).',
    labels: [],
  }),
  writeBufferFree: metric({
    name: 'odradek_write_buffer_free_bytes',
    type: 'gauge',
    help: 'What of the write buffer holds no frames and no records on their way to a log. Near 0 the producers are slowed down.',
    labels: [],
  }),
  ringBatches: metric({
    name: 'odradek_ring_batches',
    type: 'gauge',
    help: 'Record batches that a worker has been given and has not completed. A ring holds 4096; near that the worker cannot keep up.',
    labels: ['thread'],
  }),
  workerDeaths: metric({
    name: 'odradek_worker_restarts_total',
    type: 'counter',
    help: 'Partition workers that died and were started again. None should; the log says why.',
    labels: [],
  }),
  topics: metric({ name: 'odradek_topics', type: 'gauge', help: 'Topics that there are.', labels: [] }),
  partitions: metric({
    name: 'odradek_partitions',
    type: 'gauge',
    help: 'Partitions that there are, open or not. Above odradek.metrics.partitions.max there is no series for each.',
    labels: [],
  }),
  partitionStart: metric({
    name: 'odradek_partition_log_start_offset',
    type: 'gauge',
    help: 'First offset that can be read, if the partition is open.',
    labels: ['topic', 'partition'],
  }),
  partitionEnd: metric({
    name: 'odradek_partition_log_end_offset',
    type: 'gauge',
    help: 'Offset of the next record, if the partition is open. Its rate is the records per second that come in.',
    labels: ['topic', 'partition'],
  }),
  partitionHighWatermark: metric({
    name: 'odradek_partition_high_watermark',
    type: 'gauge',
    help: 'Offset up to which consumers may read, if the partition is open. With flush.acks it follows the disk.',
    labels: ['topic', 'partition'],
  }),
} as const;

/** Its cost is that of the series: one for each topic and partition, unless there are more than `odradek.metrics.partitions.max`. */
export class BrokerMetrics implements MetricsSource {
  readonly #router: Router;

  constructor(router: Router) {
    this.#router = router;
  }

  /** Whether partitions have series of their own. */
  get perPartition(): boolean {
    return this.#partitionCount() <= this.#seriesMax;
  }

  /** null if the partition is not open, or there is none. */
  highWatermark(topic: string, partition: number): number | null {
    return this.#router.topics.partition(topic, partition)?.route?.view.read()?.highWatermark ?? null;
  }

  get #seriesMax(): number {
    return this.#router.options.config.metricsPartitionsMax;
  }

  samples(): readonly Sample[] {
    const router = this.#router;
    const { brokerId, clusterId } = router.options;
    return [
      sample(BROKER_METRICS.build, [SOFTWARE_VERSION, process.versions.node, String(brokerId), clusterId], 1),
      ...doorSamples('native', router.counters.doors.native),
      ...doorSamples('kafka', router.counters.doors.kafka),
      sample(BROKER_METRICS.connectionsRefused, [], router.counters.connectionsRefused),
      ...this.#traffic(),
      ...this.#fetches(),
      ...bufferSamples(router.options.readBuffer),
      ...this.#workers(),
      ...this.#topics(),
    ];
  }

  #partitionCount(): number {
    let count = 0;
    for (const { partitions } of this.#router.topics.all()) count += partitions.length;
    return count;
  }

  #traffic(): Sample[] {
    const { appendedBytes, appendedBatches, fetchedBytes } = this.#router.traffic;
    return [
      sample(BROKER_METRICS.producedBytes, [], appendedBytes),
      sample(BROKER_METRICS.producedBatches, [], appendedBatches),
      sample(BROKER_METRICS.fetchedBytes, [], fetchedBytes),
    ];
  }

  #fetches(): Sample[] {
    const { counters, options } = this.#router;
    const { parked, parkings } = counters.fetches;
    const { hotReads, coldReads, slices, waits } = options.readBuffer.counts;
    return [
      sample(BROKER_METRICS.fetchesParked, [], parked),
      sample(BROKER_METRICS.fetchParkings, [], parkings),
      sample(BROKER_METRICS.subscriptions, [], this.#router.subscriptionCount),
      sample(BROKER_METRICS.subscriptionStreams, [], this.#router.streams.taken),
      sample(BROKER_METRICS.reads, ['hot'], hotReads),
      sample(BROKER_METRICS.reads, ['cold'], coldReads),
      sample(BROKER_METRICS.reads, ['sent'], slices),
      sample(BROKER_METRICS.readBufferWaits, [], waits),
    ];
  }

  #workers(): Sample[] {
    const router = this.#router;
    const { writeBuffer } = router.options;
    return [
      sample(BROKER_METRICS.writeBuffer, [], writeBuffer.extentBytes * writeBuffer.extents),
      sample(BROKER_METRICS.writeBufferFree, [], writeBuffer.extentBytes * writeBuffer.freeExtents),
      sample(BROKER_METRICS.workerDeaths, [], router.counters.workerDeaths),
      ...router.ringDepths.map(({ worker, batches }) =>
        sample(BROKER_METRICS.ringBatches, [workerLabel(worker)], batches),
      ),
    ];
  }

  #topics(): Sample[] {
    const topics = this.#router.topics.all();
    const seriesMax = this.#seriesMax;
    const partitions = this.#partitionCount();
    return [
      sample(BROKER_METRICS.topics, [], topics.length),
      sample(BROKER_METRICS.partitions, [], partitions),
      ...(topics.length <= seriesMax ? topics.flatMap(topicSamples) : []),
      ...(partitions <= seriesMax ? topics.flatMap(partitionSamples) : []),
    ];
  }
}

function doorSamples(door: string, counters: DoorCounters): Sample[] {
  const samples = [
    sample(BROKER_METRICS.connectionsOpened, [door], counters.opened),
    sample(BROKER_METRICS.connections, [door], counters.open),
    sample(BROKER_METRICS.receivedBytes, [door], counters.receivedBytes),
    sample(BROKER_METRICS.sentBytes, [door], counters.sentBytes),
  ];
  for (const [reason, count] of Object.entries(counters.closed))
    samples.push(sample(BROKER_METRICS.connectionsClosed, [door, reason], count));
  for (const [reason, count] of Object.entries(counters.delayed))
    samples.push(sample(BROKER_METRICS.delayed, [door, reason], count));
  for (const [api, { taken, latency, errors }] of counters.apis) {
    samples.push(sample(BROKER_METRICS.requests, [door, api], taken));
    samples.push(sample(BROKER_METRICS.requestSeconds, [door, api], histogramValue(latency)));
    for (const [code, count] of errors)
      samples.push(sample(BROKER_METRICS.requestErrors, [door, api, errorName(code)], count));
  }
  return samples;
}

function bufferSamples({ bytes, freeBytes }: ReadBuffer): Sample[] {
  return [sample(BROKER_METRICS.readBuffer, [], bytes), sample(BROKER_METRICS.readBufferFree, [], freeBytes)];
}

function topicSamples({ image: { name }, traffic }: TopicEntry): Sample[] {
  return [
    sample(BROKER_METRICS.topicProducedBytes, [name], traffic.appendedBytes),
    sample(BROKER_METRICS.topicProducedBatches, [name], traffic.appendedBatches),
    sample(BROKER_METRICS.topicFetchedBytes, [name], traffic.fetchedBytes),
  ];
}

function partitionSamples({ image: { name }, partitions }: TopicEntry): Sample[] {
  return partitions.flatMap(({ index, route }) => {
    const published = route?.view.read();
    if (!published) return [];
    const labels = [name, String(index)] as const;
    return [
      sample(BROKER_METRICS.partitionStart, labels, published.logStartOffset),
      sample(BROKER_METRICS.partitionEnd, labels, published.logEndOffset),
      sample(BROKER_METRICS.partitionHighWatermark, labels, published.highWatermark),
    ];
  });
}

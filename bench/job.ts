// What the bench asks of its other processes. A job goes to a process as JSON on the command line; the process prints one JSON
// object a line: `{"port": …}` if it listens, `{"ready": true}` if others may begin, and
// `{"result": …}` when it is done.

import type { CpuSeconds } from './metrics.js';

/** Where the broker, or a pump that answers, listens on 127.0.0.1. */
type Port = number;

/** Produces the same batch again and again, one connection to each partition of a fresh topic. */
export interface ProduceJob {
  readonly type: 'produce';
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  readonly batchBytes: number;
  readonly recordBytes: number;
  readonly batchesPerPartition: number;
  /** Unanswered requests on one connection. */
  readonly window: number;
}

/** Fetches what a {@link ProduceJob} with the same sizes has produced, one connection to each partition. */
export interface ConsumeJob {
  readonly type: 'consume';
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  readonly batchBytes: number;
  readonly recordBytes: number;
  readonly batchesPerPartition: number;
  readonly fetchBytes: number;
}

/** Requests of one record, each connection with one request in flight. */
export interface RequestsJob {
  readonly type: 'requests';
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  readonly recordBytes: number;
  readonly connections: number;
  readonly requests: number;
  /** The peer is a pump: it says nothing about offsets, and answers in order. */
  readonly pump: boolean;
}

/** An open loop: request i is due at start + i / rate, whatever the peer does, and its latency counts from then. */
export interface PacedJob {
  readonly type: 'paced';
  readonly port: Port;
  readonly topic: string;
  readonly recordBytes: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly pump: boolean;
}

/** As {@link PacedJob}, at Kafka's door, into one partition. */
export interface KafkaPacedJob extends Omit<PacedJob, 'type' | 'pump'> {
  readonly type: 'kafka-paced';
  /** Whether latency counts to the arrival at a consumer beside the producer; else to the acknowledgement. */
  readonly consumes: boolean;
  /** The broker's process, whose CPU is read while requests go; null: it is not read. */
  readonly brokerPid: number | null;
}

/** Connections to Kafka's door with which nothing happens. Says when they are there; ends when stdin does. */
export interface CrowdJob {
  readonly type: 'crowd';
  readonly port: Port;
  readonly connections: number;
  /** The topic for whose first record each waits in a fetch; null: they do nothing. */
  readonly parkedAt: string | null;
}

/**
 * Fetches of one consumer with an incremental session (KIP-227) over all partitions of a topic, at Kafka's door: before each fetch
 * some partitions get a record each, and the fetch, or as many as it takes, brings just those.
 */
export interface FetchSessionJob {
  readonly type: 'fetch-session';
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  /** Partitions that get a record, each time others; 0: none. */
  readonly changed: number;
  /** `full`: each opens the session anew; `parks`: it is sent before the records, and waits for them; `reads`: after them. */
  readonly fetches: 'full' | 'parks' | 'reads';
  readonly times: number;
  readonly brokerPid: number | null;
}

/** The client library's producer, or its consumer over what that has produced. */
export interface ClientJob {
  readonly type: 'client-produce' | 'client-consume';
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  readonly recordBytes: number;
  readonly records: number;
  /** Whether a call sends a thousand messages, and a turn of the loop reads a batch; else one message each. */
  readonly batches: boolean;
}

/** The same by kafkajs, for comparison. */
export interface KafkaJsJob extends Omit<ClientJob, 'type' | 'batches'> {
  readonly type: 'kafkajs-produce' | 'kafkajs-consume';
}

/**
 * Produces records whose keys come again into one partition, in an order that can be computed; or reads what a compaction has
 * left of them, and compares it record by record with what must be left.
 */
export interface KeyedJob {
  readonly type: 'keyed-produce' | 'keyed-check';
  readonly port: Port;
  readonly topic: string;
  readonly records: number;
  /** Different ones; no more than there are records. */
  readonly keys: number;
  readonly valueBytes: number;
  /** What lies below has been compacted. */
  readonly compactedTo: number;
}

/** Groups, each member with a connection of its own, that do nothing but tell that they live. */
export interface GroupHeartbeatsJob {
  readonly type: 'group-heartbeats';
  /** Of Kafka's door. */
  readonly port: Port;
  readonly topic: string;
  readonly groups: number;
  readonly members: number;
  readonly intervalMs: number;
  readonly seconds: number;
  /** The broker's process, whose CPU is read while heartbeats go, and not while groups come together; null: it is not read. */
  readonly brokerPid: number | null;
}

/** Groups of one member each, which commits as soon as its last commit is answered. */
export interface GroupCommitsJob {
  readonly type: 'group-commits';
  /** Of Kafka's door. */
  readonly port: Port;
  readonly topic: string;
  /** All of them are in each commit. */
  readonly partitions: number;
  readonly groups: number;
  readonly commits: number;
  readonly brokerPid: number | null;
}

/** Commits an offset to each partition for each of many groups without members. */
export interface GroupOffsetsJob {
  readonly type: 'group-offsets';
  /** Of Kafka's door. */
  readonly port: Port;
  readonly topic: string;
  readonly partitions: number;
  readonly groups: number;
}

/** Listens for a pump and sends it so many bytes on one connection. */
export interface SendJob {
  readonly type: 'send';
  readonly bytes: number;
}

/** Connects to a pump and receives so many bytes. */
export interface ReceiveJob {
  readonly type: 'receive';
  readonly port: Port;
  readonly bytes: number;
}

export type KafkaDoorJob = KafkaPacedJob | CrowdJob | FetchSessionJob;
export type GroupJob = GroupHeartbeatsJob | GroupCommitsJob | GroupOffsetsJob;

export type LoadJob =
  | ProduceJob
  | ConsumeJob
  | RequestsJob
  | PacedJob
  | ClientJob
  | KafkaJsJob
  | KeyedJob
  | KafkaDoorJob
  | GroupJob
  | SendJob
  | ReceiveJob;

export interface LoadResult {
  /** Of record batches (of the pump: of its stream) that really arrived. */
  readonly bytes: number;
  readonly records: number;
  /** From the first byte sent to the last answer. */
  readonly seconds: number;
  /** CPU of the load generator in that time. */
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly latency?: Latency | undefined;
  /** Of the load generator's process. */
  readonly peakRssMib?: number | undefined;
  /** CPU of the broker in that time, if the job asked for it. */
  readonly broker?: CpuSeconds | undefined;
  /** The same without its parts, to a microsecond, for a job that looks at it many times. */
  readonly brokerSeconds?: number | undefined;
  /** If they are not as many as the records. */
  readonly requests?: number | undefined;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Open loop only: how late the generator itself was. Part of the latencies. */
  readonly lateP50Ms?: number;
}

/** Connects to a {@link SendJob} and writes what comes to a file. */
export interface SinkPumpJob {
  readonly type: 'sink';
  readonly port: Port;
  readonly file: string;
  /** Bytes of one write. */
  readonly pieceBytes: number;
}

/** Listens for a {@link ReceiveJob} and sends it a file. */
export interface SourcePumpJob {
  readonly type: 'source';
  readonly file: string;
  readonly bytes: number;
  /** Bytes of one read. */
  readonly pieceBytes: number;
}

/** Listens, appends what comes to a file, and answers every `requestBytes` with the same bytes. Ends when stdin does. */
export interface AnswerPumpJob {
  readonly type: 'answer';
  readonly file: string;
  readonly requestBytes: number;
  readonly answerBase64: string;
}

/** Listens and does nothing. Ends when stdin does. */
export interface IdlePumpJob {
  readonly type: 'idle';
}

export type PumpJob = SinkPumpJob | SourcePumpJob | AnswerPumpJob | IdlePumpJob;

/** What a process adds to its result: its CPU from its start to its end, start-up included. */
export interface WholeProcess {
  readonly processSeconds: number;
}

export interface PumpResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly peakRssMib: number;
}

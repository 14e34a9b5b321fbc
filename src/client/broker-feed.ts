// A consumer's subscription at one broker: which partitions come from there, and how many bytes may. The broker may send so much
// that what it was granted and what waits to be delivered together stay below a limit; as messages are delivered, it is
// granted as much again. A lost connection ends all streams; who begins new ones makes a new subscription.
import type { Timer } from '../base/clock.js';
import { brokerError, type OdradekError } from '../base/errors.js';
import { type Push, REQUEST_PARTITIONS_MAX, SUBSCRIPTIONS_FEATURE } from '../protocol/native/messages.js';
import { asOdradekError } from './as-odradek-error.js';
import type { Cluster } from './cluster.js';
import type { Connection } from './connection.js';
import type { PartitionReader, StreamOwner } from './partition-reader.js';

export interface BrokerFeedOptions {
  readonly cluster: Cluster;
  readonly brokerId: number;
  /** Bound on what waits to be delivered, but for one batch that is larger. */
  readonly limitBytes: number;
  readonly pushBytesMax: number;
  /** The id that the topic has to have. */
  readonly topicId: string;
  /** Something came for the reader. With an error its stream is over. */
  readonly pushed: (reader: PartitionReader, push: Push, records: Buffer) => void;
  /** The reader's stream is over, because the connection is lost or the broker refused it. */
  readonly lost: (reader: PartitionReader, error: OdradekError) => void;
}

/** The subscription on one connection. */
interface Session {
  readonly connection: Connection;
  readonly subscriptionId: number;
  /** Something came since the last look. */
  heard: boolean;
  pingTimer: Timer;
  /** The connection's end is no concern of the session any more. */
  stopListening: () => void;
}

/** This part of the limit is granted at a time: many small grants would cost more than they bring. */
const GRANT_SHARE = 4;
/** A connection over which nothing came for so long is asked whether it is alive. */
const PING_MS = 10_000;
/** What one grant can say, and the most that the broker takes note of. */
const GRANT_BYTES_MAX = 2 ** 30;

export class BrokerFeed implements StreamOwner {
  readonly #options: BrokerFeedOptions;
  #limitBytes = 0;
  readonly #streams = new Map<number, PartitionReader>();
  #lastStreamId = 0;
  #session: Session | null = null;
  #isConnecting = false;
  #isScheduled = false;
  #isClosed = false;
  #toBegin: number[] = [];
  #toEnd: number[] = [];
  /** What the broker may still send; below zero after a batch that was larger than it. */
  #grantedBytes = 0;
  #heldBytes = 0;

  constructor(options: BrokerFeedOptions) {
    this.#options = options;
    this.limitBytes = options.limitBytes;
  }

  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  /** Takes effect as far as it can be: what was granted already stays granted. */
  set limitBytes(bytes: number) {
    // The broker counts no more: with a higher limit, grants would wait for what can never be sent.
    this.#limitBytes = Math.min(bytes, GRANT_BYTES_MAX);
    this.#replenish();
  }

  /** A stream for the reader, from its fetchOffset on. Leaves at the end of the turn, with others. */
  begin(reader: PartitionReader): void {
    const id = ++this.#lastStreamId;
    this.#streams.set(id, reader);
    reader.stream = { owner: this, id };
    this.#toBegin.push(id);
    this.#schedule();
  }

  /** Ends the stream; what comes of it from here on is dropped. */
  end(streamId: number): void {
    const reader = this.#streams.get(streamId);
    if (!reader) return;
    this.#forget(streamId, reader);
    this.#toEnd.push(streamId);
    this.#schedule();
  }

  consumed(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#replenish();
  }

  close(): void {
    this.#isClosed = true;
    for (const [id, reader] of this.#streams) this.#forget(id, reader);
    this.#leave();
  }

  #forget(streamId: number, reader: PartitionReader): void {
    this.#streams.delete(streamId);
    reader.stream = null;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#isClosed) return;
      if (this.#session) this.#sendChanges(this.#session);
      else if (!this.#isConnecting && this.#streams.size > 0) void this.#connect();
    });
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    const { cluster, brokerId } = this.#options;
    this.#isConnecting = true;
    try {
      const connection = await cluster.connection(brokerId);
      this.#isConnecting = false;
      if (!this.#isClosed) this.#subscribe(connection);
    } catch (error) {
      this.#isConnecting = false;
      this.#lose(asOdradekError(error));
    }
  }

  #subscribe(connection: Connection): void {
    if (!connection.features.includes(SUBSCRIPTIONS_FEATURE)) {
      throw brokerError('UNSUPPORTED_VERSION', `${connection.address} does not serve subscriptions.`);
    }
    const subscriptionId = connection.addSubscription((push, records) => {
      if (this.#session === session) this.#received(session, push, records);
    });
    const pingTimer = this.#pingLater(() => session);
    const session: Session = { connection, subscriptionId, heard: true, pingTimer, stopListening: () => {} };
    this.#session = session;
    // Streams that were ended meanwhile never began.
    this.#toEnd = [];
    this.#grantedBytes = Math.max(0, this.#limitBytes - this.#heldBytes);
    const { pushBytesMax } = this.#options;
    const creditBytes = this.#grantedBytes;
    this.#request(session, { type: 'subscribe', subscriptionId, creditBytes, pushBytesMax, streams: [] });
    this.#sendChanges(session);
    session.stopListening = connection.onClose((reason) => {
      if (this.#session === session) this.#lose(reason);
    });
  }

  #sendChanges(session: Session): void {
    const { subscriptionId } = session;
    const ending = this.#toEnd;
    const beginning = this.#toBegin.flatMap((streamId) => {
      const reader = this.#streams.get(streamId);
      return reader ? [this.#start(streamId, reader)] : [];
    });
    this.#toEnd = [];
    this.#toBegin = [];
    for (let at = 0; at < Math.max(ending.length, beginning.length); at += REQUEST_PARTITIONS_MAX) {
      const endStreamIds = ending.slice(at, at + REQUEST_PARTITIONS_MAX);
      const begin = beginning.slice(at, at + REQUEST_PARTITIONS_MAX);
      this.#request(session, { type: 'changeSubscription', subscriptionId, endStreamIds, begin });
    }
  }

  #start(streamId: number, { topic, partition, fetchOffset }: PartitionReader) {
    return { streamId, topic, partition, offset: fetchOffset, topicId: this.#options.topicId };
  }

  /** A refusal loses all streams: it concerns the subscription, or cannot be assigned to one of them. */
  #request(session: Session, body: Parameters<Connection['request']>[0]): void {
    session.connection.request(body).catch((error: unknown) => {
      if (this.#session === session) this.#lose(asOdradekError(error));
    });
  }

  #received(session: Session, push: Push, records: Buffer): void {
    session.heard = true;
    this.#grantedBytes -= records.length;
    this.#heldBytes += records.length;
    const reader = this.#streams.get(push.streamId);
    if (!reader) {
      this.consumed(records.length);
      return;
    }
    if (push.error) this.#forget(push.streamId, reader);
    this.#options.pushed(reader, push, records);
  }

  #replenish(): void {
    const session = this.#session;
    const bytes = this.#limitBytes - this.#grantedBytes - this.#heldBytes;
    if (!session || bytes < Math.max(1, this.#limitBytes / GRANT_SHARE)) return;
    this.#grantedBytes += bytes;
    session.connection.tell({
      type: 'grantCredit',
      subscriptionId: session.subscriptionId,
      creditBytes: bytes,
    });
  }

  /** The connection or the subscription is gone. */
  #lose(error: OdradekError): void {
    if (this.#isClosed) return;
    this.#leave();
    for (const [id, reader] of [...this.#streams]) {
      this.#forget(id, reader);
      this.#options.lost(reader, error);
    }
  }

  #leave(): void {
    const session = this.#session;
    this.#session = null;
    this.#grantedBytes = 0;
    this.#toBegin = [];
    this.#toEnd = [];
    if (!session) return;
    const { connection, subscriptionId, pingTimer, stopListening } = session;
    this.#options.cluster.options.clock.cancel(pingTimer);
    stopListening();
    connection.removeSubscription(subscriptionId);
    if (connection.closed) return;
    // The connection serves others, and ends the subscription anyway when it ends.
    connection.request({ type: 'unsubscribe', subscriptionId }).catch(() => {});
  }

  /** A broker that vanished without a word is noticed by what it does not answer. */
  #pingLater(sessionOf: () => Session): Timer {
    return this.#options.cluster.options.clock.after(PING_MS, () => {
      const session = sessionOf();
      if (!session.heard) this.#request(session, { type: 'ping' });
      session.heard = false;
      session.pingTimer = this.#pingLater(sessionOf);
    });
  }
}

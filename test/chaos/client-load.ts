// Producers and slow consumers of the client library, and what must be true of what they did: every send that resolved is read
// exactly once, where it said and in order per key; one that was rejected is read once at most.
import type { Client, ProducerOptions, SendResult } from 'odradek';
import type { Random } from '../../src/base/random.js';

const KEYS = 10;

interface Sent {
  readonly value: string;
  readonly key: string;
  /** Null: it was rejected. */
  result: SendResult | null;
  isSettled: boolean;
}

export interface Received {
  readonly key: string;
  readonly value: string;
  readonly partition: number;
  readonly offset: number;
}

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Sends messages of random sizes, keys and forms, as fast as there is room. */
export class ClientLoad {
  readonly sent: Sent[] = [];
  readonly #client: Client;
  readonly #topic: string;
  readonly #name: string;
  readonly #random: Random;

  constructor(client: Client, topic: string, name: string, random: Random) {
    this.#client = client;
    this.#topic = topic;
    this.#name = name;
    this.#random = random;
  }

  get resolved(): number {
    return this.sent.filter(({ result }) => result !== null).length;
  }

  get rejected(): number {
    return this.sent.filter(({ isSettled, result }) => isSettled && result === null).length;
  }

  /** Sends so many, and calls back after each; resolves when all are settled. */
  async run(count: number, onSend: () => void): Promise<void> {
    const random = this.#random;
    const options: ProducerOptions = {
      compression: CODECS[random.below(CODECS.length)],
      lingerMs: random.below(3),
      batchBytes: 500 + random.below(5000),
      bufferBytesMax: 400_000,
      // One in three gives up soon, so that some are rejected.
      deliveryTimeoutMs: random.below(3) === 0 ? 300 : 60_000,
    };
    const producer = this.#client.producer(options);
    for (let n = 0; n < count; ) {
      const some = Array.from({ length: random.below(4) === 0 ? 1 + random.below(20) : 1 }, () =>
        this.#next(n++),
      );
      if (some.length === 1)
        this.#settle(
          some,
          producer.send({ topic: this.#topic, ...messageOf(some[0]) }).then((result) => [result]),
        );
      else this.#settle(some, producer.send({ topic: this.#topic, messages: some.map(messageOf) }));
      onSend();
      await producer.ready();
    }
    await producer.close();
  }

  #next(n: number): Sent {
    const padding = 'x'.repeat(this.#random.below(100));
    const sent: Sent = {
      ...{ key: `key-${this.#random.below(KEYS)}`, value: `${this.#name} ${n} ${padding}` },
      ...{ result: null, isSettled: false },
    };
    this.sent.push(sent);
    return sent;
  }

  #settle(some: readonly Sent[], outcome: Promise<readonly SendResult[]>): void {
    const settle = (results: readonly unknown[]) => {
      for (const [i, sent] of some.entries()) {
        const result = results[i];
        sent.isSettled = true;
        if (isResult(result)) sent.result = result;
      }
    };
    outcome.then(settle, (error: { readonly results?: readonly unknown[] }) => settle(error.results ?? []));
  }
}

function isResult(result: unknown): result is SendResult {
  return typeof result === 'object' && result !== null && 'offset' in result;
}

function messageOf(sent: Sent | undefined): { readonly key: string; readonly value: string } {
  if (!sent) throw new Error('no message');
  return { key: sent.key, value: sent.value };
}

/** Reads a topic from its start, not faster than a turn of the event loop a message, until all resolved messages were seen. */
export async function readSlowly(client: Client, topic: string, signal: AbortSignal): Promise<Received[]> {
  const received: Received[] = [];
  const options = { topic, signal, prefetchBytesMax: 4000, maxBytesPerPush: 1000 };
  try {
    for await (const { key, value, partition, offset } of client.consumer(options)) {
      received.push({ key: String(key), value: String(value), partition, offset });
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return received;
}

/** What is in a topic now. */
export async function readToEnd(client: Client, topic: string): Promise<Received[]> {
  const received: Received[] = [];
  for await (const { key, value, partition, offset } of client.consumer({ topic, until: 'end' })) {
    received.push({ key: String(key), value: String(value), partition, offset });
  }
  return received;
}

/** What is wrong with what was read; empty if nothing is. */
export function contradictions(loads: readonly ClientLoad[], received: readonly Received[]): string[] {
  const wrong: string[] = [];
  const places = new Map<string, Received[]>();
  for (const message of received) places.set(message.value, [...(places.get(message.value) ?? []), message]);
  for (const [value, found] of places)
    if (found.length > 1) wrong.push(`${value} was read ${found.length} times`);
  for (const load of loads) {
    const lastOffsets = new Map<string, number>();
    for (const { value, key, result, isSettled } of load.sent) {
      const [found] = places.get(value) ?? [];
      if (!isSettled) wrong.push(`${value} was never settled`);
      if (result === null) continue;
      if (!found)
        wrong.push(`${value} was acknowledged at ${result.partition}/${result.offset} and is not there`);
      else if (found.partition !== result.partition || found.offset !== result.offset || found.key !== key) {
        wrong.push(
          `${value} was acknowledged at ${result.partition}/${result.offset} and is at ${found.partition}/${found.offset}`,
        );
      }
      const last = lastOffsets.get(key) ?? -1;
      if (result.offset <= last)
        wrong.push(`${value} of ${key} is at ${result.offset}, before the one sent earlier, at ${last}`);
      lastOffsets.set(key, result.offset);
    }
  }
  return wrong;
}

/** Whether a consumer got a beginning of each partition, without a gap and nothing twice. */
export function isPrefixOf(part: readonly Received[], whole: readonly Received[]): boolean {
  const byPartition = (messages: readonly Received[], partition: number) =>
    messages
      .filter((message) => message.partition === partition)
      .map(({ offset, value }) => `${offset} ${value}`);
  const partitions = new Set(part.map(({ partition }) => partition));
  return [...partitions].every((partition) => {
    const all = byPartition(whole, partition);
    return byPartition(part, partition).every((message, i) => all[i] === message);
  });
}

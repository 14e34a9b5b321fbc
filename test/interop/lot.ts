// The records that all clients write and read, made from a seed: README.md beside this file says how, for every language.

export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export interface Lot {
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly seed: number;
  readonly firstTimestampMs: number;
  readonly codec: (typeof CODECS)[number];
  readonly acks: '0' | '1' | 'all';
  readonly idempotent: boolean;
  /** False for a writer that cannot send them: they are empty instead. */
  readonly nullHeaderValues: boolean;
}

/** What a client's program is given. */
export interface Plan {
  readonly bootstrap: string;
  readonly lots: readonly Lot[];
}

export interface LotRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly name: string; readonly value: Buffer | null }[];
}

const LARGE_VALUE_BLOCK_BYTES = 60_000;
const LARGE_VALUE_BLOCKS = 15;

/** The records are older than the broker would keep them. */
export const TOPIC_CONFIG = { 'retention.ms': '-1' } as const;

const RECORDS_PER_LOT = 1250;

/** Codec, acks and idempotence of the eight lots that a writer writes: 10,000 records. */
const KINDS: readonly Pick<Lot, 'codec' | 'acks' | 'idempotent'>[] = [
  { codec: 'none', acks: 'all', idempotent: true },
  { codec: 'none', acks: '1', idempotent: false },
  { codec: 'none', acks: '0', idempotent: false },
  { codec: 'gzip', acks: 'all', idempotent: true },
  { codec: 'snappy', acks: '1', idempotent: false },
  { codec: 'lz4', acks: '0', idempotent: false },
  { codec: 'lz4', acks: 'all', idempotent: false },
  { codec: 'zstd', acks: 'all', idempotent: true },
];

/** The lots of one writer. */
export function lotsOf(writer: string, seed: number, nullHeaderValues = true): Lot[] {
  return KINDS.map((kind, index) => ({
    ...kind,
    topic: `${writer}-${kind.codec}-acks-${kind.acks}${kind.idempotent ? '-idempotent' : ''}`,
    partitions: 2,
    records: RECORDS_PER_LOT,
    seed: (seed + index) >>> 0,
    firstTimestampMs: 1_700_000_000_000 + index * 1_000_000,
    nullHeaderValues,
  }));
}

export function recordsOf(lot: Lot): LotRecord[] {
  return Array.from({ length: lot.records }, (_, index) => recordOf(lot, index));
}

/** The lot's records in one partition, by offset. */
export function partitionOf(lot: Lot, partition: number): LotRecord[] {
  return recordsOf(lot).filter((record) => record.partition === partition);
}

function recordOf(lot: Lot, index: number): LotRecord {
  const draws = new Draws(lot.seed ^ Math.imul(index + 1, 2_654_435_761));
  return {
    key: makeKey(draws, index),
    value: makeValue(draws, index),
    headers: makeHeaders(draws, index, lot.nullHeaderValues),
    partition: index % lot.partitions,
    offset: Math.floor(index / lot.partitions),
    timestampMs: lot.firstTimestampMs + 10 * index - 37 * (index % 7),
  };
}

function makeKey(draws: Draws, index: number): Buffer | null {
  if (index % 25 === 7) return null;
  if (index % 25 === 13) return Buffer.alloc(0);
  return draws.bytes(8 + draws.below(17));
}

function makeValue(draws: Draws, index: number): Buffer | null {
  if (index % 25 === 3) return null;
  if (index % 25 === 11) return Buffer.alloc(0);
  if (index % 625 === 500) {
    const block = draws.bytes(LARGE_VALUE_BLOCK_BYTES);
    return Buffer.concat(Array.from({ length: LARGE_VALUE_BLOCKS }, () => block));
  }
  return draws.bytes(draws.below(400)).map((byte) => 97 + (byte & 15)) as Buffer;
}

function makeHeaders(draws: Draws, index: number, nullValues: boolean): LotRecord['headers'] {
  return Array.from({ length: draws.below(4) }, (_, place) => {
    const name = index % 10 === 9 ? 'same' : `h${'abc'.charAt(place)}`;
    const kind = draws.below(6);
    if (kind === 0 && nullValues) return { name, value: null };
    return { name, value: kind <= 1 ? Buffer.alloc(0) : draws.bytes(1 + draws.below(20)) };
  });
}

/** xorshift32. */
class Draws {
  #state: number;

  constructor(state: number) {
    this.#state = state | 0 || 1;
  }

  below(end: number): number {
    return (this.#draw() >>> 0) % end;
  }

  bytes(count: number): Buffer {
    const words = Buffer.alloc(Math.ceil(count / 4) * 4);
    for (let at = 0; at < words.length; at += 4) words.writeInt32LE(this.#draw(), at);
    return words.subarray(0, count);
  }

  #draw(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state;
  }
}

/** The first difference between a record that was read and the one that was expected, in words; null if there is none. */
export function difference(read: LotRecord, expected: LotRecord): string | null {
  const at = `partition ${expected.partition}, offset ${expected.offset}`;
  if (read.partition !== expected.partition || read.offset !== expected.offset) {
    return `expected ${at}, read partition ${read.partition}, offset ${read.offset}`;
  }
  if (read.timestampMs !== expected.timestampMs) return `${at}: timestamp ${read.timestampMs}`;
  if (!sameBytes(read.key, expected.key)) return `${at}: key`;
  if (!sameBytes(read.value, expected.value)) return `${at}: value`;
  if (read.headers.length !== expected.headers.length) return `${at}: ${read.headers.length} headers`;
  const wrong = expected.headers.findIndex(({ name, value }, place) => {
    const header = read.headers[place];
    return header?.name !== name || !sameBytes(header.value, value);
  });
  return wrong < 0 ? null : `${at}: header ${wrong}`;
}

function sameBytes(read: Buffer | null, expected: Buffer | null): boolean {
  return read === null || expected === null ? read === expected : read.equals(expected);
}

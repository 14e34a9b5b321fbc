// Who sent what, what became of it, and whether what is read back fits: the judge of the chaos tests. A record says who sent it
// and as the how-manieth of its records; all else of it follows from that and the seed, so that a record that is read can
// be checked to the last byte without being kept.
//
//   acknowledged    it is there, at its offset, with its bytes
//   was once read   it stays there, be it acknowledged or not
//   anything else   is there once or not at all
//   offsets         are dense; of one sender and partition the records stand in the order in which they were sent
import { type Random, seededRandom } from '../../src/base/random.js';
import type { LogRecord, RecordInput } from '../../src/record/record.js';

/** A record by its sender and its place among the sender's records, which count from 0. */
export interface Identity {
  readonly sender: number;
  readonly sequence: number;
}

const VALUE_BYTES_MAX = 600;
/** Records have times from here on, a millisecond for each of their sender. */
const EPOCH_MS = 1_700_000_000_000;

const nameOf = ({ sender, sequence }: Identity): string => `${sender}/${sequence}`;

/** The record of this sender and sequence number. */
export function recordOf(seed: number, { sender, sequence }: Identity): RecordInput {
  const random = seededRandom(seed ^ Math.imul(sender + 1, 0x9e3779b1) ^ Math.imul(sequence + 1, 0x85ebca6b));
  const name = Buffer.from(`${nameOf({ sender, sequence })}/`);
  const value = Buffer.alloc(name.length + random.below(VALUE_BYTES_MAX), someBytes(random));
  name.copy(value);
  const hasHeader = random.below(4) === 0;
  return {
    timestampMs: EPOCH_MS + sequence,
    key: random.below(3) === 0 ? null : someBytes(random),
    value,
    headers: hasHeader ? [{ key: 'trace', value: someBytes(random) }] : [],
  };
}

function someBytes(random: Random): Buffer {
  return Buffer.from(random.bytes(1 + random.below(12)));
}

export class Ledger {
  readonly seed: number;
  /** Names of records by partition and offset: what must be there. */
  readonly #expected: string[][];
  /** How many records each sender made. */
  readonly #sent: number[] = [];
  #acknowledged = 0;

  constructor(seed: number, partitions: number) {
    this.seed = seed;
    this.#expected = Array.from({ length: partitions }, () => []);
  }

  get partitions(): number {
    return this.#expected.length;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** A new sender. */
  enlist(): number {
    return this.#sent.push(0) - 1;
  }

  /** The sender's next record. */
  next(sender: number): Identity {
    const sequence = this.#sent[sender] ?? 0;
    this.#sent[sender] = sequence + 1;
    return { sender, sequence };
  }

  /** The broker said that these records have the offsets from `baseOffset` on. Throws if it said so of others before. */
  acknowledge(partition: number, baseOffset: number, identities: readonly Identity[]): void {
    for (const [index, identity] of identities.entries())
      this.#expect(partition, baseOffset + index, nameOf(identity));
    this.#acknowledged += identities.length;
  }

  /** Checks one partition while it is read; the check ends with {@link PartitionCheck.end}. */
  check(partition: number): PartitionCheck {
    return new PartitionCheck(this, partition);
  }

  /** Throws unless the record is one that was sent, to its last byte. */
  identify({ offset, value, key, timestampMs, headers }: LogRecord): Identity {
    const [sender, sequence] = (value ?? Buffer.alloc(0)).toString('latin1').split('/', 2).map(Number);
    if (sender === undefined || sequence === undefined || !(sequence < (this.#sent[sender] ?? 0))) {
      throw new Error(`nobody sent the record at offset ${offset}: ${String(value).slice(0, 100)}`);
    }
    const sent = recordOf(this.seed, { sender, sequence });
    const isIntact =
      same(value, sent.value) &&
      same(key, sent.key) &&
      timestampMs === sent.timestampMs &&
      headers.length === sent.headers.length &&
      headers.every(
        (header, i) => header.key === sent.headers[i]?.key && same(header.value, sent.headers[i]?.value),
      );
    if (!isIntact) throw new Error(`record ${sender}/${sequence} at offset ${offset} is not what was sent`);
    return { sender, sequence };
  }

  /** The record was read at this offset: it stays there. Throws if another was there. */
  read(partition: number, offset: number, identity: Identity): void {
    this.#expect(partition, offset, nameOf(identity));
  }

  /** The offset behind the last record that must be there. */
  endOf(partition: number): number {
    return this.#expected[partition]?.length ?? 0;
  }

  /** Throws unless something is known of each offset. */
  assertDense(partition: number): void {
    const names = this.#expected[partition] ?? [];
    for (let offset = 0; offset < names.length; offset++) {
      if (names[offset] === undefined)
        throw new Error(`partition ${partition} has nothing at offset ${offset}`);
    }
  }

  #expect(partition: number, offset: number, name: string): void {
    const names = this.#expected[partition];
    if (!names) throw new Error(`there is no partition ${partition}`);
    const other = names[offset];
    if (other !== undefined && other !== name) {
      throw new Error(`partition ${partition} had ${other} at offset ${offset}, and now has ${name}`);
    }
    names[offset] = name;
  }
}

/** Takes in a partition from offset 0 to its end, record by record. */
export class PartitionCheck {
  readonly #ledger: Ledger;
  readonly #partition: number;
  readonly #lastOf = new Map<number, number>();
  #nextOffset = 0;

  constructor(ledger: Ledger, partition: number) {
    this.#ledger = ledger;
    this.#partition = partition;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }

  add(record: LogRecord): void {
    const where = `partition ${this.#partition}, offset ${this.#nextOffset}`;
    if (record.offset !== this.#nextOffset) throw new Error(`${where}: read offset ${record.offset} instead`);
    const identity = this.#ledger.identify(record);
    const last = this.#lastOf.get(identity.sender) ?? -1;
    // In order implies once.
    if (identity.sequence <= last)
      throw new Error(`${where}: ${nameOf(identity)} comes after ${identity.sender}/${last}`);
    this.#lastOf.set(identity.sender, identity.sequence);
    this.#ledger.read(this.#partition, record.offset, identity);
    this.#nextOffset++;
  }

  /** Throws if the partition ended too early. */
  end(): void {
    const missing = this.#ledger.endOf(this.#partition) - this.#nextOffset;
    if (missing > 0)
      throw new Error(
        `partition ${this.#partition} ends at ${this.#nextOffset}, ${missing} records too early`,
      );
    this.#ledger.assertDense(this.#partition);
  }
}

function same(a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean {
  return a && b ? Buffer.compare(a, b) === 0 : (a ?? null) === (b ?? null);
}

// Which offset the newest record of each key has: what a compaction keeps records by. A hash table in shared memory, filled by
// one job and read by others, one at a time; linear probing, never wholly full. Like Kafka's offset map (SkimpyOffsetMap) it
// holds 24 bytes for a key, however long the key is: a hash of 128 bits stands for it. Among a million keys of 16 bytes a `put`
// or `get` takes 300 ns, most of it for memory that is in no cache.
//
//    0 salt, 16 bytes | 16 keys int32 | 20 unused                                64 bytes
//   64 per slot: hash, 16 bytes | offset + 1 as float64, 0 if the slot is free    24 bytes
//
// All in the machine's byte order. Two keys with one hash would cost a record; hence the salt, new and random for each map, which
// makes it a matter of chance even for somebody who chooses the keys: 2^-89 for a map of a million.
import { assert } from '../../base/assert.js';
import { sipHash128 } from './sip-hash.js';

export const SALT_BYTES = 16;
const HEADER_BYTES = 64;
const ENTRY_BYTES = 24;
/** Above it look-ups of keys that are not there become dear: 23 probes here, 50 at Kafka's nine tenths. 28 bytes a key. */
const LOAD_MAX = 0.85;
/** Positions in words of four and eight bytes. */
const COUNT_WORD = 4;
const HEADER_WORDS = 16;
const ENTRY_WORDS = 6;
const HEADER_DOUBLES = 8;
const ENTRY_DOUBLES = 3;
/** Where the offset is in an entry. */
const OFFSET_DOUBLE = 2;

export class KeyOffsets {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #salt: Int32Array;
  readonly #hash = new Int32Array(4);
  readonly #slots: number;
  readonly #keysMax: number;

  /** The memory of a map that {@link KeyOffsets.create} made. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#salt = this.#words.subarray(0, COUNT_WORD);
    this.#slots = slotsIn(memory.byteLength);
    this.#keysMax = keysIn(this.#slots);
  }

  /** The memory that a map for so many keys takes, in bytes. */
  static bytesFor(keys: number): number {
    let slots = Math.ceil(keys / LOAD_MAX);
    while (keysIn(slots) < keys) slots++;
    return HEADER_BYTES + slots * ENTRY_BYTES;
  }

  /** The memory of an empty map; `bytes` is what it may take. The salt is 16 random bytes that nobody can guess. */
  static create(bytes: number, salt: Uint8Array): SharedArrayBuffer {
    assert(salt.length === SALT_BYTES, `a salt has ${SALT_BYTES} bytes, not ${salt.length}`);
    const slots = slotsIn(bytes);
    assert(keysIn(slots) > 0, `${bytes} bytes hold no key`);
    const memory = new SharedArrayBuffer(HEADER_BYTES + slots * ENTRY_BYTES);
    new Uint8Array(memory).set(salt);
    return memory;
  }

  /** Keys in the map. */
  get count(): number {
    return this.#words[COUNT_WORD] as number;
  }

  /** Keys that it takes. */
  get keysMax(): number {
    return this.#keysMax;
  }

  /** Notes a record of the key: the greatest offset stays. False: the key is new and there is no room for it. */
  put(bytes: Uint8Array, keyStart: number, keyLength: number, offset: number): boolean {
    const slot = this.#find(bytes, keyStart, keyLength);
    const at = HEADER_DOUBLES + slot * ENTRY_DOUBLES + OFFSET_DOUBLE;
    const known = this.#doubles[at] as number;
    if (known === 0) {
      if (this.count === this.#keysMax) return false;
      this.#words.set(this.#hash, HEADER_WORDS + slot * ENTRY_WORDS);
      this.#words[COUNT_WORD] = this.count + 1;
    }
    if (offset + 1 > known) this.#doubles[at] = offset + 1;
    return true;
  }

  /** The offset of the key's newest record; -1 if the key is not in the map. */
  get(bytes: Uint8Array, keyStart: number, keyLength: number): number {
    const slot = this.#find(bytes, keyStart, keyLength);
    return (this.#doubles[HEADER_DOUBLES + slot * ENTRY_DOUBLES + OFFSET_DOUBLE] as number) - 1;
  }

  /** The slot of the key, or the free one that it would take. */
  #find(bytes: Uint8Array, keyStart: number, keyLength: number): number {
    const words = this.#words;
    const hash = this.#hash;
    sipHash128(this.#salt, bytes, keyStart, keyLength, hash);
    const [hash0, hash1, hash2, hash3] = [hash[0], hash[1], hash[2], hash[3]];
    let slot = Math.floor((((hash0 as number) >>> 0) / 2 ** 32) * this.#slots);
    for (;;) {
      const at = HEADER_WORDS + slot * ENTRY_WORDS;
      const isSame =
        words[at] === hash0 && words[at + 1] === hash1 && words[at + 2] === hash2 && words[at + 3] === hash3;
      if (isSame || this.#doubles[HEADER_DOUBLES + slot * ENTRY_DOUBLES + OFFSET_DOUBLE] === 0) return slot;
      slot++;
      if (slot === this.#slots) slot = 0;
    }
  }
}

function slotsIn(bytes: number): number {
  return Math.max(0, Math.floor((bytes - HEADER_BYTES) / ENTRY_BYTES));
}

function keysIn(slots: number): number {
  return Math.floor(slots * LOAD_MAX);
}

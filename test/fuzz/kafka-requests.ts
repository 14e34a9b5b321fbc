// Requests of Kafka's protocol for fuzzing: first ones that are in order, made from the tables of all APIs that the door serves,
// with values that have a meaning there; then the same with something broken.
import type { Random } from '../../src/base/random.js';
import { SERVED } from '../../src/broker/kafka/served.js';
import type { Api } from '../../src/protocol/kafka/api.js';
import { encodeRequest } from '../../src/protocol/kafka/headers.js';
import type { EncodableFields, FieldDefinition, Fields } from '../../src/protocol/kafka/schema.js';
import { includesVersion } from '../../src/protocol/kafka/version-range.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { computeBatchCrc } from '../../src/record/batch-crc.js';
import { CODEC_NAMES } from '../../src/record/compression/codec.js';
import { chance, pick } from '../actor/seeds.js';

export interface FuzzContext {
  readonly random: Random;
  /** Names and ids of topics that exist. */
  readonly names: readonly string[];
  readonly ids: readonly string[];
  /** Fetch sessions that exist. */
  readonly sessions: readonly number[];
}

const INT32_MAX = 2 ** 31 - 1;
const LENGTH_BYTES = 4;
/** Where the key of the API lies in a frame, and where its version. */
const KEY_AT = 4;
const VERSION_AT = 6;

const NAMES = [
  '',
  '.',
  '..',
  '__proto__',
  'constructor',
  'a/b',
  'x'.repeat(249),
  'x'.repeat(32_767),
  '\u0000',
  'ü',
  '😀',
];
const WORDS = [
  'retention.ms',
  'cleanup.policy',
  'segment.bytes',
  '__proto__',
  '-1',
  '1000',
  'delete',
  '1',
  'consumer',
  'range',
];
const IDS = [
  'AAAAAAAAAAAAAAAAAAAAAA',
  'AAAAAAAAAAAAAAAAAAAAAQ',
  'o_EPBDsTQkm1Ua--nqUtaQ',
  '_____________________w',
];
const OFFSETS = [
  0,
  1,
  2,
  10,
  1000,
  -1,
  -2,
  -3,
  -4,
  -5,
  -6,
  -7,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];
const INT8S = [0, 1, 2, 4, -1, 8, 127, -128];
const INT16S = [0, 1, -1, 2, 3, 32_767, -32_768];
const INT32S = [0, 1, 2, -1, 3, 100, 65_536, INT32_MAX, -INT32_MAX - 1];
const GROUPS = ['group-a', 'group-b', 'group-c'];
const GENERATIONS = [0, 1, 1, 2, 3, -1, INT32_MAX];
const INDEXES = [0, 0, 0, 1, 2, -1, 99, INT32_MAX];

/** What fields mean, by their names, as far as that leads further than any value of their type. */
const MEANINGS: Readonly<Record<string, (context: FuzzContext) => unknown>> = {
  name: (context) => topicName(context),
  topic: (context) => topicName(context),
  topicName: (context) => topicName(context),
  topicNames: (context) => topicName(context),
  resourceName: (context) => (chance(context.random, 1, 4) ? '1' : topicName(context)),
  resourceType: ({ random }) => pick(random, [2, 2, 4, ...INT8S]),
  configurationKeys: ({ random }) => pick(random, WORDS),
  topicId: ({ random, ids }) => pick(random, [...ids, ...ids, ...IDS]),
  partition: ({ random }) => pick(random, INDEXES),
  partitions: ({ random }) => pick(random, INDEXES),
  partitionIndex: ({ random }) => pick(random, INDEXES),
  index: ({ random }) => pick(random, INDEXES),
  // Many of them would be a test of something else.
  numPartitions: ({ random }) => pick(random, [1, 1, 2, 3, -1, 0, -2, INT32_MAX]),
  replicationFactor: ({ random }) => pick(random, [1, 1, -1, 0, 3, 32_767]),
  acks: ({ random }) => pick(random, [-1, -1, 1, 0, 2]),
  transactionalId: ({ random }) => (chance(random, 7, 8) ? null : 'mine'),
  maxWaitMs: ({ random }) => pick(random, [0, 0, 1, 5, -1, INT32_MAX]),
  sessionId: ({ random, sessions }) => pick(random, [0, 0, ...sessions, ...INT32S]),
  sessionEpoch: ({ random }) => pick(random, [-1, 0, 1, 2, INT32_MAX, -2]),
  currentLeaderEpoch: ({ random }) => pick(random, [-1, -1, 0, 0, 1, INT32_MAX]),
  lastFetchedEpoch: ({ random }) => pick(random, [-1, -1, 0, 0, 1, INT32_MAX]),
  groupId: (context) => groupName(context),
  groups: (context) => groupName(context),
  groupsNames: (context) => groupName(context),
  coordinatorKeys: (context) => groupName(context),
  keyType: ({ random }) => pick(random, [0, 0, 1, 2, 9]),
  // Without an id and without much patience, so that groups come together and fall apart.
  memberId: ({ random }) => pick(random, ['', '', '', ...WORDS]),
  groupInstanceId: ({ random }) => pick(random, [null, null, 'one', 'two']),
  sessionTimeoutMs: ({ random }) => pick(random, [10, 10, 20, 20, 50, ...INT32S]),
  rebalanceTimeoutMs: ({ random }) => pick(random, [10, 10, 50, -1, ...INT32S]),
  protocolType: ({ random }) => pick(random, ['consumer', 'consumer', 'consumer', 'connect', '']),
  protocolName: ({ random }) => pick(random, ['range', 'range', ...WORDS]),
  generationId: ({ random }) => pick(random, GENERATIONS),
  generationIdOrMemberEpoch: ({ random }) => pick(random, [-1, -1, -1, ...GENERATIONS]),
  statesFilter: ({ random }) => pick(random, ['Stable', 'empty', 'PreparingRebalance', ...WORDS]),
  typesFilter: ({ random }) => pick(random, ['classic', 'Classic', ...WORDS]),
  clientSoftwareName: ({ random }) => pick(random, ['a-client', 'a-client', ...NAMES]),
};

const groupName = ({ random }: FuzzContext): string => pick(random, chance(random, 7, 8) ? GROUPS : NAMES);

const topicName = ({ random, names }: FuzzContext): string =>
  pick(random, chance(random, 7, 8) ? names : NAMES);

/** A batch: mostly one that is in order, with any codec; else one that is not, but for its checksum. */
export function anyBatch(random: Random): Buffer {
  const builder = new BatchBuilder();
  for (let count = 1 + random.below(8); count > 0; count--) {
    const value = Buffer.from(random.bytes(random.below(200)));
    const timestampMs = 1_700_000_000_000 + random.below(1000);
    builder.add({ timestampMs, key: null, value, headers: [] });
  }
  const batch = builder.build({ codec: pick(random, CODEC_NAMES) });
  if (chance(random, 2, 3)) return batch;
  flipBits(random, batch, chance(random, 1, 2) ? 16 : 61, batch.length);
  batch.writeUInt32BE(computeBatchCrc(batch, 0), 17);
  return batch;
}

function arrayLength(random: Random): number {
  return chance(random, 1, 100) ? 200 : pick(random, [0, 1, 1, 1, 2, 3]);
}

function anyValue(context: FuzzContext, name: string, field: FieldDefinition, version: number): unknown {
  const { random } = context;
  if (field.nullable && includesVersion(field.nullable, version) && chance(random, 1, 8)) return null;
  if (field.kind === 'array') {
    const { element } = field;
    if (!element) throw new Error(`${name} has elements of no type`);
    return Array.from({ length: arrayLength(random) }, () => anyValue(context, name, element, version));
  }
  const meaning = MEANINGS[name];
  if (meaning && field.kind !== 'struct') return meaning(context);
  switch (field.kind) {
    case 'boolean':
      return chance(random, 1, 2);
    case 'int8':
      return pick(random, INT8S);
    case 'int16':
      return pick(random, INT16S);
    case 'uint16':
      return random.below(65_536);
    case 'int32':
      return pick(random, INT32S);
    case 'int64':
      return pick(random, OFFSETS);
    case 'float64':
      return random.uint32() / 7;
    case 'uuid':
      return pick(random, IDS);
    case 'string':
      return pick(random, chance(random, 1, 4) ? NAMES : WORDS);
    case 'bytes':
      return Buffer.from(random.bytes(random.below(40)));
    case 'records':
      return chance(random, 1, 20) ? Buffer.alloc(0) : anyBatch(random);
    case 'struct':
      return anyFields(context, (field.fields ?? {}) as Fields, version);
  }
}

function anyFields(context: FuzzContext, fields: Fields, version: number): EncodableFields<Fields> {
  const entries = Object.entries(fields).map(([name, field]) => [
    name,
    anyValue(context, name, field, version),
  ]);
  return Object.fromEntries(entries) as EncodableFields<Fields>; // Each value is made for its field.
}

/** A whole frame with a request of any API that is served, in any of its versions. */
export function anyFrame(context: FuzzContext): Buffer {
  const { random } = context;
  const api: Api = pick(random, SERVED).api;
  const { first, last } = api.request.versions;
  const version = first + random.below(last - first + 1);
  const header = { correlationId: random.below(INT32_MAX), clientId: chance(random, 1, 8) ? null : 'fuzz' };
  return Buffer.concat(encodeRequest(api, version, header, anyFields(context, api.request.fields, version)));
}

function flipBits(random: Random, bytes: Buffer, start: number, end: number): void {
  for (let count = 1 + random.below(4); count > 0 && end > start; count--) {
    const at = start + random.below(end - start);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
  }
}

/** The frame with this content and a length that fits. */
function framed(content: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeInt32BE(content.length);
  return Buffer.concat([length, content]);
}

type Mutation = (random: Random, content: Buffer, other: Buffer) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (random, content) => {
    flipBits(random, content, 0, content.length);
    return content;
  },
  (random, content) => {
    flipBits(random, content, 4, content.length);
    return content;
  },
  (random, content) => content.subarray(0, random.below(content.length)),
  (random, content) => Buffer.concat([content, random.bytes(1 + random.below(20))]),
  (random, content) => {
    const at = 8 + random.below(Math.max(1, content.length - 8));
    return Buffer.concat([content.subarray(0, at), content.subarray(at + 1 + random.below(4))]);
  },
  (random, content) => {
    const at = 8 + random.below(Math.max(1, content.length - 8));
    return Buffer.concat([content.subarray(0, at), random.bytes(1 + random.below(8)), content.subarray(at)]);
  },
  // Lengths, counts, indexes and offsets at the ends of their ranges.
  (random, content) => {
    const width = pick(random, [1, 2, 4, 8]);
    if (content.length < 8 + width) return content;
    const at = 8 + random.below(content.length - 7 - width);
    content.fill(pick(random, [0x00, 0x7f, 0x80, 0xff]), at, at + width);
    return content;
  },
  // The body of one request behind the header of another.
  (random, content, other) =>
    Buffer.concat([content.subarray(0, Math.min(content.length, 14)), other.subarray(14 + random.below(4))]),
  (random, content) => {
    content.writeInt16BE(random.below(24) - 2, VERSION_AT - LENGTH_BYTES);
    return content;
  },
  (random, content) => {
    content.writeInt16BE(random.below(100) - 2, KEY_AT - LENGTH_BYTES);
    return content;
  },
];

/** A request whose names are no text: decoded, each byte becomes a character of three, more than an answer can say. */
function malformedFrame(context: FuzzContext): Buffer {
  const frame = anyFrame({ ...context, names: ['x'.repeat(pick(context.random, [10_922, 20_000, 32_767]))] });
  // By runs of the letter, because to look for so long a name costs its length again and again.
  const letter = 'x'.charCodeAt(0);
  for (let start = frame.indexOf(letter); start >= 0; start = frame.indexOf(letter, start)) {
    let end = start;
    while (frame[end] === letter) end++;
    if (end - start > 1000) frame.fill(0xff, start, end);
    start = end;
  }
  return frame;
}

/** A frame that is broken in some way, but for its length. */
export function brokenFrame(context: FuzzContext): Buffer {
  const { random } = context;
  if (chance(random, 1, 20)) return malformedFrame(context);
  if (chance(random, 1, 20)) return framed(random.bytes(random.below(200)));
  let content: Buffer = Buffer.from(anyFrame(context).subarray(LENGTH_BYTES));
  for (let count = 1 + random.below(2); count > 0 && content.length > 8; count--)
    content = pick(random, MUTATIONS)(random, content, anyFrame(context).subarray(LENGTH_BYTES));
  return framed(content);
}

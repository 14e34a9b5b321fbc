// What hostile and broken clients send. Each attack draws its frames from the given Random and sends them on one connection;
// it returns how many frames those were. None waits for an answer: the broker may answer, refuse or close as it likes.
import { gzipSync } from 'node:zlib';
import type { Random } from '../../src/base/random.js';
import { encodeFrame } from '../../src/protocol/native/frame.js';
import type { RequestBody } from '../../src/protocol/native/messages.js';
import { encodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { computeBatchCrc } from '../../src/record/batch-crc.js';
import { CODEC_NAMES } from '../../src/record/compression/codec.js';
import type { NativeConnection } from '../chaos/native-connection.js';

export interface AttackContext {
  readonly random: Random;
  readonly connection: NativeConnection;
  /** Topics that exist, with one partition or a few. */
  readonly topics: readonly string[];
  /** Bytes that one frame may have. */
  readonly frameBytesMax: number;
}

export type Attack = (context: AttackContext) => number;

const UINT32_MAX = 2 ** 32 - 1;
const INT32_MAX = 2 ** 31 - 1;
const NAMES = [
  '',
  '.',
  '..',
  '__proto__',
  'constructor',
  'a/b',
  '../../etc',
  'x'.repeat(249),
  'x'.repeat(70_000),
  '\u0000',
  'ü',
  '😀',
];
const CONFIGS = ['retention.ms', 'segment.bytes', 'cleanup.policy', '__proto__', '', 'flush.acks'];
const VALUES = [
  '',
  '-1',
  '0',
  '1',
  'true',
  '1e9',
  '9223372036854775807',
  '-9223372036854775808',
  'NaN',
  'compact',
  'x'.repeat(5000),
];
const NUMBERS = [0, 1, 2, 7, 1000, 65_535, 65_536, INT32_MAX];
const WIDE_NUMBERS = [...NUMBERS, INT32_MAX + 1, UINT32_MAX];
const OFFSETS = [0, 1, -1, -2, 10, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}

const some = <Item>(random: Random, countEnd: number, make: () => Item): Item[] =>
  Array.from({ length: random.below(countEnd) }, make);

const flag = (random: Random): boolean => random.below(2) === 0;

function topicName({ random, topics }: AttackContext): string {
  return random.below(3) > 0 ? oneOf(random, topics) : oneOf(random, NAMES);
}

/** A batch that is in order. */
function soundBatch(random: Random): Buffer {
  const builder = new BatchBuilder();
  for (let count = 1 + random.below(8); count > 0; count--) {
    const value = Buffer.from(random.bytes(random.below(200)));
    const headers = some(random, 3, () => ({ key: 'h', value: Buffer.from(random.bytes(3)) }));
    builder.add({ timestampMs: 1_700_000_000_000 + random.below(1000), key: null, value, headers });
  }
  return builder.build({ codec: oneOf(random, CODEC_NAMES) });
}

/** A batch whose checksum is right and whose content is not. */
function hostileBatch(random: Random): Buffer {
  const batch = soundBatch(random);
  const intAt = (position: number) =>
    batch.writeInt32BE(oneOf(random, [0, 1, -1, 100, INT32_MAX, -INT32_MAX - 1]), position);
  const tricks = [
    () => batch.writeInt16BE(random.uint32() & 0x7fff, 21), // attributes: codecs, control, reserved
    () => intAt(23), // last offset delta
    () => intAt(57), // record count
    () => batch.writeBigInt64BE(oneOf(random, [0n, -1n, -(2n ** 63n), 2n ** 63n - 1n]), 27), // base timestamp
    () => batch.writeBigInt64BE(oneOf(random, [0n, -1n, -(2n ** 63n), 2n ** 63n - 1n]), 35), // max timestamp
    () => batch.writeBigInt64BE(oneOf(random, [0n, 5n, -(2n ** 63n), 2n ** 63n - 1n]), 43), // producer id
    () => batch.writeInt8(oneOf(random, [0, 1, 3, -1]), 16), // magic
    () => batch.writeBigInt64BE(BigInt(random.uint32()), 0), // base offset
    () => intAt(8), // length
    // Into the records: lengths, varints, null markers, compressed data.
    () => flip(random, batch, 61, batch.length),
    () => batch.fill(0xff, 61 + random.below(Math.max(1, batch.length - 61))),
    () => batch.fill(0x80, 61 + random.below(Math.max(1, batch.length - 61))),
  ];
  for (let count = 1 + random.below(2); count > 0; count--) oneOf(random, tricks)();
  if (random.below(8) > 0 && batch.readInt32BE(8) === batch.length - 12)
    batch.writeUInt32BE(computeBatchCrc(batch, 0), 17);
  return batch;
}

/** A small batch that stands for many times its size. */
function bomb(random: Random): Buffer {
  const records = gzipSync(Buffer.alloc(1024 * 1024 * (1 + random.below(24))));
  const batch = Buffer.concat([soundBatch(random).subarray(0, 61), records]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(1, 21);
  batch.writeInt32BE(0, 23);
  batch.writeInt32BE(1, 57);
  batch.writeUInt32BE(computeBatchCrc(batch, 0), 17);
  return batch;
}

function flip(random: Random, bytes: Buffer, start: number, end: number): void {
  if (end <= start) return;
  for (let count = 1 + random.below(6); count > 0; count--) {
    const position = start + random.below(end - start);
    bytes.writeUInt8(bytes.readUInt8(position) ^ (1 << random.below(8)), position);
  }
}

/** A request of any kind, within what can be encoded, and the payload that belongs to it. */
function anyRequest(context: AttackContext): { body: RequestBody; payload: Buffer[] } {
  const { random } = context;
  const partition = () => oneOf(random, [0, 0, 0, 1, ...NUMBERS]);
  const plain = (body: RequestBody) => ({ body, payload: [] });
  const version = () => oneOf(random, [0, 1, 2, UINT32_MAX]);
  switch (random.below(14)) {
    case 0:
      return plain({
        type: 'hello',
        versionMin: version(),
        versionMax: version(),
        clientSoftware: topicName(context),
        clientId: topicName(context),
      });
    case 1:
      return plain({ type: 'ping' });
    case 2: {
      const topics = some(random, 20, () => topicName(context));
      return plain({ type: 'metadata', topics, all: flag(random), autoCreate: flag(random) });
    }
    case 3:
      return plain({
        ...{
          type: 'createTopic',
          name: topicName(context),
          partitions: oneOf(random, [0, 1, 2, 100_000, INT32_MAX]),
        },
        replicationFactor: oneOf(random, [0, 1, 3, INT32_MAX]),
        configs: some(random, 4, () => ({ name: oneOf(random, CONFIGS), value: oneOf(random, VALUES) })),
        validateOnly: flag(random),
      });
    case 4:
      return plain({ type: 'describeTopic', name: topicName(context) });
    case 5:
      return plain({ type: 'deleteTopic', name: oneOf(random, NAMES) });
    case 6: {
      const batches = some(random, 5, () => (flag(random) ? soundBatch(random) : hostileBatch(random)));
      const partitions = batches.map((batch) => ({
        ...{ topic: topicName(context), partition: partition() },
        recordsBytes: random.below(20) === 0 ? oneOf(random, WIDE_NUMBERS) : batch.length,
      }));
      return {
        body: { type: 'produce', acks: oneOf(random, ['all', 'leader', 'none']), partitions },
        payload: batches,
      };
    }
    case 7:
      return plain({
        ...{ type: 'fetch', minBytes: oneOf(random, WIDE_NUMBERS), maxWaitMs: oneOf(random, WIDE_NUMBERS) },
        maxBytes: oneOf(random, WIDE_NUMBERS),
        partitions: some(random, 8, () => ({
          ...{ topic: topicName(context), partition: partition() },
          ...{ offset: oneOf(random, OFFSETS), maxBytes: oneOf(random, WIDE_NUMBERS) },
        })),
      });
    case 8:
      return plain({
        type: 'listOffsets',
        partitions: some(random, 8, () => ({
          ...{ topic: topicName(context), partition: partition() },
          position: oneOf(random, ['earliest', 'latest', { timestampMs: oneOf(random, OFFSETS) }] as const),
        })),
      });
    case 9:
      return plain({ type: 'cancel', correlationId: random.below(100) });
    default:
      return plain(subscriptionRequest(context));
  }
}

/** Of a few subscriptions with a few streams, so that many of them meet. */
function subscriptionRequest(context: AttackContext): RequestBody {
  const { random } = context;
  const subscriptionId = random.below(3) > 0 ? random.below(3) : oneOf(random, WIDE_NUMBERS);
  const credit = () => (random.below(3) > 0 ? random.below(10_000) : oneOf(random, WIDE_NUMBERS));
  const streamId = () => random.below(20);
  const starts = () =>
    some(random, 8, () => ({
      ...{ streamId: streamId(), topic: topicName(context), partition: oneOf(random, [0, 0, 0, ...NUMBERS]) },
      ...{ offset: oneOf(random, OFFSETS), topicId: random.below(4) > 0 ? '' : topicName(context) },
    }));
  switch (random.below(5)) {
    case 0:
    case 1: {
      const pushBytesMax = oneOf(random, WIDE_NUMBERS);
      return {
        type: 'subscribe',
        subscriptionId,
        creditBytes: credit(),
        pushBytesMax,
        streams: starts(),
      };
    }
    case 2:
      return {
        type: 'changeSubscription',
        subscriptionId,
        endStreamIds: some(random, 8, streamId),
        begin: starts(),
      };
    case 3:
      return { type: 'grantCredit', subscriptionId, creditBytes: credit() };
    default:
      return { type: 'unsubscribe', subscriptionId };
  }
}

function frameOf(context: AttackContext): Buffer {
  const { random } = context;
  const { body, payload } = anyRequest(context);
  const timeoutMs = oneOf(random, [0, 0, 0, 1, 1000, UINT32_MAX]);
  const header = encodeRequestHeader({ correlationId: 1_000_000 + random.below(1000), timeoutMs, body });
  return Buffer.concat(encodeFrame(header, payload));
}

/** A frame with these bytes behind its two lengths. */
function rawFrame(header: Uint8Array, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat(encodeFrame(header, [payload]));
}

/** Calls `make` up to `countEnd - 1` times, at least once, and sends what it makes. */
function send({ random, connection }: AttackContext, countEnd: number, make: () => Buffer): number {
  const count = 1 + random.below(countEnd - 1);
  for (let i = 0; i < count; i++) connection.raw([make()]);
  return count;
}

export const ATTACKS: Readonly<Record<string, Attack>> = {
  'bytes that are no frames': (context) =>
    send(context, 4, () => Buffer.from(context.random.bytes(1 + context.random.below(2000)))),

  'frames of garbage': (context) =>
    send(context, 10, () => {
      const { random } = context;
      const content = Buffer.from(random.bytes(4 + random.below(300)));
      if (flag(random)) content.writeUInt32BE(random.below(content.length), 0);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(content.length);
      return Buffer.concat([length, content]);
    }),

  'lengths that cannot be': (context) =>
    send(context, 3, () => {
      const { random, frameBytesMax } = context;
      const bytes = Buffer.alloc(8 + random.below(20));
      bytes.writeUInt32BE(oneOf(random, [0, 1, 2, 3, frameBytesMax + 1, 2 ** 31, UINT32_MAX]), 0);
      bytes.writeUInt32BE(oneOf(random, [0, 1, bytes.length, 2 ** 20, 2 ** 20 + 1, UINT32_MAX]), 4);
      return bytes;
    }),

  'headers longer than their frames': (context) =>
    send(context, 3, () => {
      const frame = frameOf(context);
      frame.writeUInt32BE(frame.length - 8 + 1 + context.random.below(1000), 4);
      return frame;
    }),

  'requests of all kinds with odd values': (context) => send(context, 20, () => frameOf(context)),

  'requests with flipped bits': (context) =>
    send(context, 10, () => {
      const frame = frameOf(context);
      const { random } = context;
      // Mostly the header, whose lengths and varints matter most; now and then anything but the frame's length.
      const end = random.below(4) > 0 ? Math.min(frame.length, 8 + frame.readUInt32BE(4)) : frame.length;
      flip(random, frame, random.below(4) > 0 ? 8 : 4, end);
      return frame;
    }),

  'requests with bytes cut out or put in': (context) =>
    send(context, 10, () => {
      const { random } = context;
      const frame = frameOf(context);
      const header = frame.subarray(8, 8 + frame.readUInt32BE(4));
      const at = random.below(header.length + 1);
      const changed = flag(random)
        ? Buffer.concat([header.subarray(0, at), header.subarray(at + 1 + random.below(4))])
        : Buffer.concat([header.subarray(0, at), random.bytes(1 + random.below(8)), header.subarray(at)]);
      return rawFrame(changed, frame.subarray(8 + header.length));
    }),

  'a request that is cut off': ({ connection, ...context }) => {
    const frame = frameOf({ connection, ...context });
    connection.raw([frame.subarray(0, context.random.below(frame.length))]);
    connection.socket.destroySoon();
    return 1;
  },

  'a reset in the middle': ({ connection, ...context }) => {
    const frames = some(context.random, 10, () => frameOf({ connection, ...context }));
    connection.raw(frames);
    connection.socket.resetAndDestroy();
    return frames.length;
  },

  'record batches of hostile content': (context) =>
    send(context, 10, () => {
      const { random } = context;
      const batch = hostileBatch(random);
      const partitions = [{ topic: oneOf(random, context.topics), partition: 0, recordsBytes: batch.length }];
      const body = { type: 'produce', acks: 'all', partitions } as const;
      const correlationId = 2_000_000 + random.below(1000);
      return Buffer.concat(encodeFrame(encodeRequestHeader({ correlationId, timeoutMs: 0, body }), [batch]));
    }),

  'batches that inflate, and a search by time in them': ({ random, connection, topics }) => {
    const topic = oneOf(random, topics);
    const batch = bomb(random);
    const partitions = [{ topic, partition: 0, recordsBytes: batch.length }];
    connection.tell(
      { correlationId: 3_000_001, timeoutMs: 0, body: { type: 'produce', acks: 'all', partitions } },
      [batch],
    );
    const position = { timestampMs: 1_700_000_000_000 + random.below(2000) };
    const body = { type: 'listOffsets', partitions: [{ topic, partition: 0, position }] } as const;
    connection.tell({ correlationId: 3_000_002, timeoutMs: 0, body });
    return 2;
  },

  'one correlation id again and again': (context) => {
    const { random, topics } = context;
    return send(context, 5, () => {
      const partitions = [{ topic: oneOf(random, topics), partition: 0, offset: 0, maxBytes: 0 }];
      const body = {
        type: 'fetch',
        minBytes: UINT32_MAX,
        maxWaitMs: 60_000,
        maxBytes: 1000,
        partitions,
      } as const;
      return Buffer.concat(encodeFrame(encodeRequestHeader({ correlationId: 42, timeoutMs: 0, body })));
    });
  },

  'a storm of waits and cancellations': (context) => {
    const { random, topics, connection } = context;
    const count = 1 + random.below(15);
    for (let i = 0; i < count; i++) {
      const partitions = [{ topic: oneOf(random, topics), partition: 0, offset: 0, maxBytes: 0 }];
      const body = {
        type: 'fetch',
        minBytes: UINT32_MAX,
        maxWaitMs: UINT32_MAX,
        maxBytes: 1000,
        partitions,
      } as const;
      connection.tell({ correlationId: 4_000_000 + i, timeoutMs: 0, body });
    }
    for (let i = 0; i < count * 2; i++) {
      const correlationId = 4_000_000 + random.below(count + 5);
      connection.tell({
        correlationId: 5_000_000 + i,
        timeoutMs: 0,
        body: { type: 'cancel', correlationId },
      });
    }
    return count * 3;
  },

  'subscriptions that are changed at random, and never read': (context) => {
    const { random, connection } = context;
    const count = 1 + random.below(30);
    connection.socket.pause();
    for (let i = 0; i < count; i++) {
      connection.tell({ correlationId: 7_000_000 + i, timeoutMs: 0, body: subscriptionRequest(context) });
    }
    if (flag(random)) connection.socket.resume();
    return count;
  },

  'more subscriptions and streams than there may be': ({ random, topics, connection }) => {
    const topic = oneOf(random, topics);
    const stream = (streamId: number) => ({ streamId, topic, partition: 0, offset: 0, topicId: '' });
    const many = (length: number) => Array.from({ length }, (_, id) => stream(id));
    const subscribe = (subscriptionId: number, streams: number): RequestBody => ({
      ...{ type: 'subscribe', subscriptionId, creditBytes: random.below(2), pushBytesMax: 0 },
      streams: many(streams),
    });
    const bodies: RequestBody[] =
      random.below(4) === 0
        ? Array.from({ length: 105 }, (_, i) => subscribe(1000 + i, random.below(3)))
        : Array.from({ length: 12 }, (_, i) => subscribe(2000 + i, 1000 + random.below(2)));
    const begin = many(oneOf(random, [1000, 1001, 20_000]));
    bodies.push({ type: 'changeSubscription', subscriptionId: 1000, endStreamIds: [], begin });
    for (const [i, body] of bodies.entries())
      connection.tell({ correlationId: 8_000_000 + i, timeoutMs: 0, body });
    return bodies.length;
  },

  'more partitions than a request may name': ({ random, topics, connection }) => {
    const topic = oneOf(random, topics);
    const list = Array.from({ length: 1001 + random.below(3) * 10_000 }, () => ({ topic, partition: 0 }));
    const bodies: RequestBody[] = [
      { type: 'produce', acks: 'all', partitions: list.map((one) => ({ ...one, recordsBytes: 0 })) },
      {
        type: 'fetch',
        minBytes: 1,
        maxWaitMs: 0,
        maxBytes: 1,
        partitions: list.map((one) => ({ ...one, offset: 0, maxBytes: 0 })),
      },
      { type: 'listOffsets', partitions: list.map((one) => ({ ...one, position: 'latest' })) },
      { type: 'metadata', topics: list.map((_, i) => `t${i}`), all: false, autoCreate: true },
    ];
    for (const [i, body] of bodies.entries())
      connection.tell({ correlationId: 6_000_000 + i, timeoutMs: 0, body });
    return bodies.length;
  },

  'groups within groups, and fields without end': (context) =>
    send(context, 3, () => {
      const { random } = context;
      const bytes = Buffer.alloc(
        1 + random.below(200_000),
        oneOf(random, [0x0b, 0x53, 0x5b, 0x80, 0xff, 0x52]),
      );
      return rawFrame(bytes);
    }),

  'hello twice, or of another version': (context) =>
    send(context, 3, () => {
      const hello = {
        type: 'hello',
        versionMin: 1,
        versionMax: 1,
        clientSoftware: '',
        clientId: '',
      } as const;
      const body = flag(context.random) ? hello : { ...hello, versionMin: 2, versionMax: 9 };
      return Buffer.concat(encodeFrame(encodeRequestHeader({ correlationId: 1, timeoutMs: 0, body })));
    }),
};

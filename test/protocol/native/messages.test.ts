import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorName, type Failure, OdradekError } from '../../../src/base/errors.js';
import { seededRandom } from '../../../src/base/random.js';
import type { RequestBody, ResponseBody } from '../../../src/protocol/native/messages.js';
import {
  decodeRequestHeader,
  encodeRequestHeader,
  readCorrelationId,
} from '../../../src/protocol/native/request-header.js';
import { decodeResponseHeader, encodeResponseHeader } from '../../../src/protocol/native/response-header.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** Plain objects, as the decoders make them. */
function record<Fields extends object>(
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
): fc.Arbitrary<Fields> {
  return fc.record<Fields>(fields, { noNullPrototype: true });
}

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const index = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const int64 = fc.maxSafeInteger();
// Text that UTF-8 can carry.
const text = fc.string({ unit: 'binary', maxLength: 12 });
const brokers = fc.array(index, { maxLength: 3 });
const errorNames = Object.keys(ERRORS).filter((name): name is ErrorName => name !== 'NONE');
const failure: fc.Arbitrary<Failure> = record({
  error: fc.constantFrom(...errorNames),
  detail: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
});
const anyFailure = fc.option(failure, { nil: null });
const type = <Type extends string>(value: Type) => fc.constant(value);
const list = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { maxLength: 4 });

const producer = record({
  producerId: fc.maxSafeNat(),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
});

const topic = record({
  name: text,
  error: anyFailure,
  topicId: text,
  internal: fc.boolean(),
  partitions: list(
    record({
      partition: index,
      leader: fc.integer(),
      leaderEpoch: fc.integer(),
      replicas: brokers,
      inSyncReplicas: brokers,
    }),
  ),
});

const config = record({
  name: text,
  value: text,
  source: fc.constantFrom('DEFAULT' as const, 'BROKER' as const, 'TOPIC' as const),
  documentation: text,
  readOnly: fc.boolean(),
});

const streams = list(
  record({ streamId: uint32, topic: text, partition: index, offset: int64, topicId: text }),
);

const request: fc.Arbitrary<RequestBody> = fc.oneof(
  record({
    type: type('subscribe'),
    subscriptionId: uint32,
    creditBytes: uint32,
    pushBytesMax: uint32,
    streams,
  }),
  record({
    type: type('changeSubscription'),
    subscriptionId: uint32,
    endStreamIds: list(uint32),
    begin: streams,
  }),
  record({ type: type('unsubscribe'), subscriptionId: uint32 }),
  record({ type: type('grantCredit'), subscriptionId: uint32, creditBytes: uint32 }),
  record({
    type: type('hello'),
    versionMin: uint32,
    versionMax: uint32,
    clientSoftware: text,
    clientId: text,
  }),
  record({ type: type('ping') }),
  record({ type: type('metadata'), topics: list(text), all: fc.boolean(), autoCreate: fc.boolean() }),
  record({
    type: type('createTopic'),
    name: text,
    partitions: index,
    replicationFactor: index,
    configs: list(record({ name: text, value: text })),
    validateOnly: fc.boolean(),
  }),
  record({ type: type('describeTopic'), name: text }),
  record({ type: type('deleteTopic'), name: text }),
  record({
    type: type('alterTopic'),
    name: text,
    changes: list(
      record({
        name: text,
        operation: fc.constantFrom('set' as const, 'delete' as const, 'append' as const, 'subtract' as const),
        value: text,
      }),
    ),
    validateOnly: fc.boolean(),
  }),
  record({ type: type('addPartitions'), name: text, count: index, validateOnly: fc.boolean() }),
  record({
    type: type('deleteRecords'),
    partitions: list(
      record({
        topic: text,
        partition: index,
        before: fc.oneof(int64, fc.constant('highWatermark' as const)),
      }),
    ),
  }),
  record({
    type: type('describeConfigs'),
    resource: fc.oneof(fc.constant('broker' as const), record({ topic: text })),
  }),
  record({
    type: type('produce'),
    acks: fc.constantFrom('all', 'leader', 'none'),
    partitions: list(record({ topic: text, partition: index, recordsBytes: uint32 })),
  }),
  record({
    type: type('fetch'),
    minBytes: uint32,
    maxWaitMs: uint32,
    maxBytes: uint32,
    partitions: list(record({ topic: text, partition: index, offset: int64, maxBytes: uint32 })),
  }),
  record({
    type: type('listOffsets'),
    partitions: list(
      record({
        topic: text,
        partition: index,
        position: fc.oneof(
          fc.constantFrom('earliest' as const, 'latest' as const),
          record({ timestampMs: int64 }),
        ),
      }),
    ),
  }),
  record({ type: type('initProducerId'), current: fc.option(producer, { nil: null }) }),
  record({ type: type('cancel'), correlationId: uint32 }),
);

const response: fc.Arbitrary<ResponseBody> = fc.oneof(
  record({ type: type('subscribe') }),
  record({ type: type('changeSubscription') }),
  record({ type: type('unsubscribe') }),
  record({
    type: type('push'),
    subscriptionId: uint32,
    streamId: uint32,
    error: anyFailure,
    highWatermark: int64,
    lastStableOffset: int64,
    logStartOffset: int64,
  }),
  record({
    type: type('hello'),
    version: uint32,
    clusterId: text,
    brokerId: index,
    brokerSoftware: text,
    features: list(text),
    frameBytesMax: uint32,
    requestsMax: uint32,
  }),
  record({ type: type('ping') }),
  record({
    type: type('metadata'),
    clusterId: text,
    controllerId: index,
    brokers: list(record({ id: index, host: text, port: uint32 })),
    topics: list(topic),
  }),
  record({ type: type('createTopic'), topic }),
  record({
    type: type('describeTopic'),
    topic,
    configs: list(config),
    partitions: list(
      record({
        partition: index,
        logStartOffset: int64,
        highWatermark: int64,
        logEndOffset: int64,
        sizeBytes: int64,
        error: anyFailure,
      }),
    ),
  }),
  record({ type: type('deleteTopic') }),
  record({ type: type('alterTopic'), configs: list(config) }),
  record({ type: type('addPartitions'), topic }),
  record({
    type: type('deleteRecords'),
    partitions: list(record({ topic: text, partition: index, error: anyFailure, logStartOffset: int64 })),
  }),
  record({ type: type('describeConfigs'), configs: list(config) }),
  record({
    type: type('produce'),
    partitions: list(
      record({ error: anyFailure, baseOffset: int64, logAppendTimeMs: int64, logStartOffset: int64 }),
    ),
  }),
  record({
    type: type('fetch'),
    partitions: list(
      record({
        topic: text,
        partition: index,
        error: anyFailure,
        recordsBytes: uint32,
        highWatermark: int64,
        lastStableOffset: int64,
        logStartOffset: int64,
      }),
    ),
  }),
  record({
    type: type('listOffsets'),
    partitions: list(
      record({ topic: text, partition: index, error: anyFailure, offset: int64, timestampMs: int64 }),
    ),
  }),
  record({ type: type('initProducerId'), producer }),
);

describe('RequestHeader', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(uint32, uint32, fc.option(request, { nil: null }), (correlationId, timeoutMs, body) => {
        const header = { correlationId, timeoutMs, body };
        expect(decodeRequestHeader(encodeRequestHeader(header))).toStrictEqual(header);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('has the bytes that the .proto file asks for', () => {
    const header = encodeRequestHeader({
      correlationId: 7,
      timeoutMs: 300,
      body: {
        type: 'fetch',
        minBytes: 1,
        maxWaitMs: 0,
        maxBytes: 1024,
        partitions: [{ topic: 'a', partition: 2, offset: 2 ** 40, maxBytes: 0 }],
      },
    });
    // correlation_id 7, timeout_ms 300, fetch: min_bytes 1, max_bytes 1024, one partition with offset in zigzag form.
    expect(Buffer.from(header).toString('hex')).toBe(
      '080710ac028a01130801188008220c0a0161100218808080808040',
    );
  });

  it('has no body if it is a request of a later version', () => {
    const writer = protobuf.Writer.create();
    const bytes = writer
      .uint32(8)
      .uint32(5)
      .uint32((999 << 3) | 2)
      .string('new')
      .finish();
    expect(decodeRequestHeader(bytes)).toStrictEqual({ correlationId: 5, timeoutMs: 0, body: null });
  });

  it.each([
    ['a partition beyond int32', { topic: 'a', partition: 2 ** 31, recordsBytes: 0 }],
    ['the largest partition of uint32', { topic: 'a', partition: 2 ** 32 - 1, recordsBytes: 0 }],
  ])('refuses %s', (_, partition) => {
    const body: RequestBody = { type: 'produce', acks: 'all', partitions: [partition] };
    expect(() => decodeRequestHeader(encodeRequestHeader({ correlationId: 1, timeoutMs: 0, body }))).toThrow(
      expect.objectContaining({ code: 'ODR_PROTOCOL', message: expect.stringContaining('partition') }),
    );
  });

  it('refuses acks that do not exist', () => {
    const produce = protobuf.Writer.create().uint32(8).int32(3).finish();
    const bytes = protobuf.Writer.create()
      .uint32((16 << 3) | 2)
      .bytes(produce)
      .finish();
    expect(() => decodeRequestHeader(bytes)).toThrow(expect.objectContaining({ code: 'ODR_PROTOCOL' }));
  });

  it('refuses 64-bit values that a number cannot hold', () => {
    const partition = protobuf.Writer.create().uint32(24).sint64('9007199254740992').finish();
    const fetch = protobuf.Writer.create()
      .uint32((4 << 3) | 2)
      .bytes(partition)
      .finish();
    const bytes = protobuf.Writer.create()
      .uint32((17 << 3) | 2)
      .bytes(fetch)
      .finish();
    expect(() => decodeRequestHeader(bytes)).toThrow(
      expect.objectContaining({ code: 'ODR_PROTOCOL', message: expect.stringContaining('9007199254740992') }),
    );
  });

  it('refuses a position that is none', () => {
    const bytes = protobuf.Writer.create()
      .uint32((18 << 3) | 2)
      .fork()
      .uint32(10)
      .bytes(Buffer.alloc(0))
      .ldelim()
      .finish();
    expect(() => decodeRequestHeader(bytes)).toThrow(expect.objectContaining({ code: 'ODR_PROTOCOL' }));
  });

  it.each([
    ['a negative producer id', { producerId: -1, producerEpoch: 0 }, 'producer_id'],
    ['an epoch that is no int16', { producerId: 1, producerEpoch: 32_768 }, 'producer_epoch'],
  ])('refuses %s', (_, current, field) => {
    const bytes = encodeRequestHeader({
      correlationId: 1,
      timeoutMs: 0,
      body: { type: 'initProducerId', current },
    });
    expect(() => decodeRequestHeader(bytes)).toThrow(
      expect.objectContaining({ code: 'ODR_PROTOCOL', message: expect.stringContaining(field) }),
    );
  });

  it('keeps nothing of the bytes that it was read from', () => {
    const body: RequestBody = { type: 'describeTopic', name: 'a-topic-with-a-long-name-that-is-not-inlined' };
    const bytes = encodeRequestHeader({ correlationId: 1, timeoutMs: 0, body });
    const decoded = decodeRequestHeader(bytes);
    bytes.fill(0xff);
    expect(decoded.body).toStrictEqual(body);
  });
});

describe('readCorrelationId', () => {
  it('reads what an encoder wrote first', () => {
    fc.assert(
      fc.property(uint32, (correlationId) => {
        const bytes = encodeRequestHeader({ correlationId, timeoutMs: 9, body: { type: 'ping' } });
        expect(readCorrelationId(bytes)).toBe(correlationId === 0 ? null : correlationId);
      }),
      { seed },
    );
  });

  it.each(['', '08', '0880', '08ffffffffff01', '08ffffffff7f', '1001'])('finds none in %s', (hex) => {
    expect(readCorrelationId(Buffer.from(hex, 'hex'))).toBeNull();
  });
});

describe('ResponseHeader', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(uint32, response, (correlationId, body) => {
        const header = { correlationId, error: null, body };
        expect(decodeResponseHeader(encodeResponseHeader(header))).toStrictEqual(header);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('carries an error instead of a body', () => {
    fc.assert(
      fc.property(uint32, failure, (correlationId, error) => {
        const header = { correlationId, error, body: null };
        expect(decodeResponseHeader(encodeResponseHeader(header))).toStrictEqual(header);
      }),
      { seed },
    );
  });

  it("sends the table's text with an error that has none of its own", () => {
    const bytes = encodeResponseHeader({ correlationId: 1, error: { error: 'INVALID_CONFIG' }, body: null });
    expect(decodeResponseHeader(bytes).error).toStrictEqual({
      error: 'INVALID_CONFIG',
      detail: ERRORS.INVALID_CONFIG.message,
    });
  });

  it('names an error that this version does not know', () => {
    const error = protobuf.Writer.create().uint32(8).sint32(120).uint32(18).string('SOME_NEW_ERROR').finish();
    const bytes = protobuf.Writer.create().uint32(18).bytes(error).finish();
    expect(decodeResponseHeader(bytes).error).toMatchObject({
      error: 'UNKNOWN_SERVER_ERROR',
      detail: expect.stringContaining('SOME_NEW_ERROR'),
    });
  });

  it('refuses an error without a code', () => {
    const bytes = protobuf.Writer.create().uint32(18).bytes(Buffer.alloc(0)).finish();
    expect(() => decodeResponseHeader(bytes)).toThrow(expect.objectContaining({ code: 'ODR_PROTOCOL' }));
  });
});

describe('decoding hostile bytes', () => {
  const samples = [
    ...fc
      .sample(request, { seed, numRuns: 60 })
      .map((body) => encodeRequestHeader({ correlationId: 1, timeoutMs: 1, body })),
    ...fc
      .sample(response, { seed, numRuns: 60 })
      .map((body) => encodeResponseHeader({ correlationId: 1, error: null, body })),
  ];

  it(`throws ODR_PROTOCOL or returns a message, SEED=${seed}`, () => {
    const random = seededRandom(seed);
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = damaged(samples[round % samples.length] ?? Buffer.alloc(0));
      for (const decode of [decodeRequestHeader, decodeResponseHeader, readCorrelationId]) {
        try {
          decode(bytes);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(OdradekError);
          expect(error).toMatchObject({ code: 'ODR_PROTOCOL' });
        }
      }
    }
    expect(refused).toBeGreaterThan(1000);

    function damaged(sample: Uint8Array): Buffer {
      if (random.below(10) === 0) return Buffer.from(random.bytes(random.below(200)));
      const bytes = Buffer.from(sample);
      for (let flips = random.below(4); flips >= 0 && bytes.length > 0; flips--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      return random.below(3) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
    }
  });

  it('survives messages nested without end', () => {
    const groups = Buffer.alloc(100_000, (999 << 3) | 3);
    expect(() => decodeRequestHeader(groups)).toThrow(expect.objectContaining({ code: 'ODR_PROTOCOL' }));
  });
});

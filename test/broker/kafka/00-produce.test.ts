import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { produce } from '../../../src/protocol/kafka/messages/00-produce.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { computeBatchCrc } from '../../../src/record/batch-crc.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  fetchOne,
  offsetOf,
  type TopicName,
  UNKNOWN_ID,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const LATEST = -1;

/** The batch with something in its header changed, and a checksum that fits. */
function changed(batch: Buffer, change: (batch: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  copy.writeUInt32BE(computeBatchCrc(copy, 0), 17);
  return copy;
}

describe('Produce', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;
  let topic: TopicName;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
    topic = await createTopic(connection, 'orders', 8);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  it('appends in every version', async () => {
    const versions = versionsOf(produce);
    expect(versions).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    const each = await createTopic(connection, 'each-version');
    for (const [count, version] of versions.entries()) {
      const answer = await append(connection, each, batchOf([`in v${version}`]), { version });
      expect(answer, `v${version}`).toEqual({
        index: 0,
        errorCode: 0,
        baseOffset: count,
        logAppendTimeMs: -1,
        logStartOffset: version >= 5 ? 0 : -1,
        recordErrors: [],
        errorMessage: null,
        currentLeader: { leaderId: -1, leaderEpoch: -1 },
      });
    }
    const { records } = await fetchOne(connection, each);
    expect(valuesOf(records)).toEqual(versions.map((version) => `in v${version}`));
  });

  it('says the time that the broker gave the records', async () => {
    const stamped = await createTopic(connection, 'stamped', 1, {
      'message.timestamp.type': 'LogAppendTime',
    });
    const beforeMs = Date.now();
    const { logAppendTimeMs } = await append(connection, stamped, batchOf(['x']));
    expect(logAppendTimeMs).toBeGreaterThanOrEqual(beforeMs);
    expect(logAppendTimeMs).toBeLessThanOrEqual(Date.now());
  });

  it('does not answer where nobody waits for it', async () => {
    const quiet = await createTopic(connection, 'quiet');
    const partitionData = [{ index: 0, records: batchOf(['a', 'b']) }];
    for (const version of versionsOf(produce)) {
      connection.tell(produce, version, { acks: 0, timeoutMs: 0, topicData: [{ ...quiet, partitionData }] });
    }
    // The connection checks that the next answer is that of the next request.
    await connection.ask(metadata, 13, { topics: [] });
    expect(await append(connection, quiet, batchOf(['last']))).toMatchObject({
      baseOffset: 2 * versionsOf(produce).length,
    });
  });

  it('closes the connection over an error for which nobody waits', async () => {
    const other = await KafkaConnection.open(broker.kafka);
    const topicData = [{ name: 'unheard-of', partitionData: [{ index: 0, records: batchOf(['x']) }] }];
    other.tell(produce, 9, { acks: 0, timeoutMs: 0, topicData });
    await other.closed;
    const another = await KafkaConnection.open(broker.kafka);
    const broken = [{ ...topic, partitionData: [{ index: 0, records: batchOf(['x']).fill(1, 61) }] }];
    another.tell(produce, 13, { acks: 0, timeoutMs: 0, topicData: broken });
    await another.closed;
    await connection.ask(metadata, 13, { topics: [] });
  });

  it('knows topics by their ids from version 13 on, by their names before', async () => {
    const records = batchOf(['x']);
    for (const version of versionsOf(produce)) {
      const strange = { name: 'unheard-of', topicId: UNKNOWN_ID };
      const { errorCode, baseOffset, logStartOffset } = await append(connection, strange, records, {
        version,
      });
      expect({ errorCode, baseOffset, logStartOffset }, `v${version}`).toEqual({
        errorCode: version >= 13 ? 100 : 3,
        baseOffset: -1,
        logStartOffset: -1,
      });
    }
    const nameless = { name: 'unheard-of', topicId: topic.topicId };
    expect((await append(connection, nameless, records)).errorCode).toBe(0);
    expect((await append(connection, nameless, records, { version: 12 })).errorCode).toBe(3);
    const idless = { ...topic, topicId: ZERO_UUID };
    expect((await append(connection, idless, records)).errorCode).toBe(100);
    expect((await append(connection, idless, records, { version: 12 })).errorCode).toBe(0);
    for (const index of [8, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      expect((await append(connection, topic, records, { index })).errorCode, `partition ${index}`).toBe(3);
    }
    expect(connection.isClosed).toBe(false);
  });

  it('refuses what is no batch that a client may write, and goes on', async () => {
    const refused = await createTopic(connection, 'refused');
    const good = batchOf(['x']);
    const cases: readonly [string, Buffer | null, number][] = [
      ['null', null, 87],
      ['nothing', Buffer.alloc(0), 87],
      ['a few bytes', good.subarray(0, 30), 87],
      ['two batches', Buffer.concat([good, good]), 87],
      ['a cut batch', good.subarray(0, good.length - 1), 87],
      ['another magic', changed(good, (batch) => batch.writeInt8(1, 16)), 87],
      ['another checksum', Buffer.from(good).fill(0xff, 17, 21), 2],
      ['a base offset', changed(good, (batch) => batch.writeBigInt64BE(77n, 0)), 87],
      ['an unsafe base offset', changed(good, (batch) => batch.writeBigInt64BE(2n ** 62n, 0)), 87],
      ['a wrong last offset', changed(good, (batch) => batch.writeInt32BE(9, 23)), 87],
      ['a control batch', changed(good, (batch) => batch.writeInt16BE(0x20, 21)), 87],
      ['an unsafe timestamp', changed(good, (batch) => batch.writeBigInt64BE(2n ** 62n, 27)), 32],
      ['an unsafe producer', changed(good, (batch) => batch.writeBigInt64BE(2n ** 62n, 43)), 87],
      ['an unknown codec', changed(good, (batch) => batch.writeInt16BE(7, 21)), 76],
      ['more than max.message.bytes', batchOf([Buffer.alloc(2 * MIB)]), 10],
    ];
    for (const [what, records, errorCode] of cases) {
      for (const version of [3, 8, 13]) {
        const answer = await append(connection, refused, records, { version });
        expect(answer, `${what} in v${version}`).toMatchObject({ errorCode, baseOffset: -1 });
      }
    }
    for (const acks of [2, -2, 32_767, -32_768]) {
      expect((await append(connection, refused, good, { acks })).errorCode, `acks ${acks}`).toBe(21);
    }
    expect((await append(connection, refused, good, { transactionalId: 'mine' })).errorCode).toBe(53);
    expect((await append(connection, refused, good)).baseOffset).toBe(0);
  });

  it('says what a compacted topic needs', async () => {
    const compacted = await createTopic(connection, 'compacted', 1, { 'cleanup.policy': 'compact' });
    const { errorCode, errorMessage } = await append(connection, compacted, batchOf(['no key']));
    expect(errorCode).toBe(87);
    expect(errorMessage).toMatch(/every record needs a key/);
  });

  it('takes zstd from the version on whose clients know it', async () => {
    const zipped = await createTopic(connection, 'zipped');
    const records = batchOf(['y'.repeat(1000)], { codec: 'zstd' });
    expect(records.readInt16BE(21) & 7).toBe(4);
    for (const version of versionsOf(produce)) {
      const { errorCode } = await append(connection, zipped, records, { version });
      expect(errorCode, `v${version}`).toBe(version >= 7 ? 0 : 76);
    }
  });

  it('answers for many partitions at once, each for itself, in the order of the request', async () => {
    const several = await createTopic(connection, 'several', 8);
    const cut = batchOf(['cut']).subarray(0, 70);
    const indexes = [5, 0, 99, 7, 3, 1, -1, 6, 4, 2];
    const partitionData = indexes.map((index) => ({
      index,
      records: index === 3 ? cut : batchOf([`of ${index}`]),
    }));
    const strange = { name: 'unheard-of', topicId: UNKNOWN_ID };
    for (const version of [3, 9, 13]) {
      for (const acks of [-1, 1]) {
        const { responses } = await connection.ask(produce, version, {
          acks,
          timeoutMs: 30_000,
          topicData: [
            { ...several, partitionData },
            { ...strange, partitionData: [{ index: 0, records: batchOf(['x']) }] },
          ],
        });
        const codes = responses.map(({ partitionResponses }) =>
          partitionResponses.map(({ index, errorCode }) => [index, errorCode]),
        );
        expect(codes).toEqual([
          indexes.map((index) => [index, index === 99 || index === -1 ? 3 : index === 3 ? 87 : 0]),
          [[0, version >= 13 ? 100 : 3]],
        ]);
      }
    }
    for (const index of [0, 1, 2, 4, 5, 6, 7]) {
      const { records } = await fetchOne(connection, several, { partition: index });
      expect(valuesOf(records)).toEqual(Array.from({ length: 6 }, () => `of ${index}`));
    }
    expect((await offsetOf(connection, 'several', LATEST, 3)).offset).toBe(0);
  });

  it('keeps every byte, whatever size the request has and however it arrives', async () => {
    const sizes = await createTopic(connection, 'sizes', 1, { 'max.message.bytes': String(8 * MIB) });
    const values: string[] = [];
    for (const bytes of [
      0,
      1,
      100,
      16 * KIB - 200,
      16 * KIB,
      40 * KIB,
      MIB,
      2 * MIB - 300,
      2 * MIB,
      6 * MIB,
    ]) {
      const value = 'abcdefghij'.repeat(Math.ceil(bytes / 10)).slice(0, bytes);
      values.push(value);
      expect(await append(connection, sizes, batchOf([value]))).toMatchObject({ errorCode: 0 });
    }
    for (const [offset, value] of values.entries()) {
      const { records } = await fetchOne(connection, sizes, { offset, maxBytes: 1 });
      expect(valuesOf(records)[0] === value, `the record of ${value.length} bytes`).toBe(true);
    }
  });

  it('keeps the order of requests that do not wait for each other', async () => {
    const order = await createTopic(connection, 'order');
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => append(connection, order, batchOf([`${index}`]))),
    );
    expect(answers.map(({ baseOffset }) => baseOffset)).toEqual(answers.map((_, index) => index));
    const { records } = await fetchOne(connection, order);
    expect(valuesOf(records)).toEqual(answers.map((_, index) => `${index}`));
  });

  it('has what is too much for one request sent again', async () => {
    const crowded = await createTopic(connection, 'crowded');
    const records = batchOf(['x']);
    const partitionData = Array.from({ length: 5000 }, () => ({ index: 0, records }));
    const { responses } = await connection.ask(produce, 13, {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ ...crowded, partitionData }],
    });
    const codes = responses[0]?.partitionResponses.map(({ errorCode }) => errorCode);
    expect(codes).toEqual([...new Array(1000).fill(0), ...new Array(4000).fill(6)]);
    expect((await offsetOf(connection, 'crowded', LATEST)).offset).toBe(1000);

    const greedy = await KafkaConnection.open(broker.kafka);
    const tooMany = Array.from({ length: 10_001 }, () => ({ index: 0, records: null }));
    greedy.tell(produce, 13, { acks: -1, timeoutMs: 0, topicData: [{ ...crowded, partitionData: tooMany }] });
    await greedy.closed;
  });

  it('gives memory back when clients leave in the middle', async () => {
    // With room for two frames, what is not given back stops the next ones.
    const settings = {
      'odradek.write.buffer.bytes': 4 * MIB,
      'socket.request.max.bytes': 2 * MIB,
      'odradek.read.buffer.bytes': 4 * MIB,
    };
    await using small = await startBroker({ workers: 1, config: settings });
    const patient = await KafkaConnection.open(small.kafka);
    const place = await createTopic(patient, 'place');
    const records = batchOf([Buffer.alloc(900 * KIB)]);
    const topicData = [{ ...place, partitionData: [{ index: 0, records }] }];
    for (let round = 0; round < 12; round++) {
      const hasty = await KafkaConnection.open(small.kafka);
      hasty.tell(produce, 13, { acks: -1, timeoutMs: 0, topicData });
      hasty.tell(produce, 13, { acks: 1, timeoutMs: 0, topicData });
      if (round % 3 === 0) await hasty.close();
      else if (round % 3 === 1) hasty.socket.resetAndDestroy();
      else hasty.socket.end();
      await hasty.closed;
    }
    for (let round = 0; round < 4; round++) {
      expect(await append(patient, place, records)).toMatchObject({ errorCode: 0 });
    }
    await patient.close();
  });
});

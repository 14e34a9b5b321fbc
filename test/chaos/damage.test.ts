// Log files that were damaged by hand after a kill, and what the next start makes of them.
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, OdradekError } from 'odradek';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { BrokerProcess } from './broker-process.js';
import { NativeConnection } from './native-connection.js';
import { chooseSeed } from './seed.js';

const TOPIC = 'damaged';
const SEGMENT_BYTES = 8 * 1024;
const SEGMENTS = 4;
const RECORDS_OF_A_BATCH = 3;
/** Of a batch's header, base offset and leader epoch are not in the checksum: a byte from here on is. */
const CHECKED_FROM = 16;
const CUT = 'the log was cut at the first invalid batch';
const INVALID = 'invalid record batch';

const valueAt = (offset: number): string => `${offset}/`.padEnd(200, 'x');

function batchAt(offset: number): Buffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < RECORDS_OF_A_BATCH; i++) {
    builder.add({
      timestampMs: 1_700_000_000_000,
      key: null,
      value: Buffer.from(valueAt(offset + i)),
      headers: [],
    });
  }
  return builder.build();
}

const BATCHES_OF_A_SEGMENT = Math.floor(SEGMENT_BYTES / batchAt(0).length);
/** The last segment is half full. */
const BATCHES = BATCHES_OF_A_SEGMENT * (SEGMENTS - 1) + Math.floor(BATCHES_OF_A_SEGMENT / 2);

/** A batch as it lies in a segment file. */
interface Place {
  readonly position: number;
  readonly bytes: number;
  readonly baseOffset: number;
}

function placesIn(path: string): Place[] {
  const reader = new BatchReader(readFileSync(path));
  const places: Place[] = [];
  for (let position = 0, batch = reader.next(); batch; position = reader.position, batch = reader.next()) {
    places.push({ position, bytes: batch.sizeBytes, baseOffset: batch.baseOffset });
  }
  return places;
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(position) ^ 0x10, position);
  writeFileSync(path, bytes);
}

function pick<Item>(items: readonly Item[], index: number): Item {
  const item = items.at(index);
  if (item === undefined) throw new Error(`there is no item ${index} among ${items.length}`);
  return item;
}

describe('A log that was damaged after a kill', () => {
  const random = seededRandom(chooseSeed('damage'));
  const all = mkdtempSync(join(tmpdir(), 'odradek-damage-'));
  const original = join(all, 'original');
  let copies = 0;
  let folder: string;
  /** Of the partition's segments, the active one last. */
  let segments: string[];
  let broker: BrokerProcess;

  beforeAll(async () => {
    folder = original;
    broker = await BrokerProcess.start({ dataDirectory: folder });
    const connection = await NativeConnection.open(broker.native);
    await connection.must({
      ...{ type: 'createTopic', name: TOPIC, partitions: 1, replicationFactor: 1, validateOnly: false },
      configs: [
        { name: 'segment.bytes', value: String(SEGMENT_BYTES) },
        // An index entry for each batch: behind a broken length, only an entry leads on.
        { name: 'index.interval.bytes', value: '1' },
      ],
    });
    // The flush that follows the last roll takes in what is there when it begins: the rest must come later.
    const flushed = BATCHES_OF_A_SEGMENT * (SEGMENTS - 1) + 1;
    for (let batch = 0; batch < flushed; batch++) await produce(connection, batch * RECORDS_OF_A_BATCH);
    const activeBaseOffset = BATCHES_OF_A_SEGMENT * (SEGMENTS - 1) * RECORDS_OF_A_BATCH;
    await vi.waitUntil(() => recoveryPoint() >= activeBaseOffset, { timeout: 30_000 });
    for (let batch = flushed; batch < BATCHES; batch++) await produce(connection, batch * RECORDS_OF_A_BATCH);
    await connection.close();
    await broker.kill();
  });

  beforeEach(() => {
    folder = join(all, `copy-${copies++}`);
    cpSync(original, folder, { recursive: true });
    const partitionFolder = join(folder, `${TOPIC}-0`);
    segments = readdirSync(partitionFolder)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .map((name) => join(partitionFolder, name));
    expect(segments).toHaveLength(SEGMENTS);
  });

  afterEach(() => broker.kill());

  afterAll(() => rmSync(all, { recursive: true, force: true }));

  /** As the broker wrote it down: what lies below is safe. -1: nothing is written yet. */
  function recoveryPoint(): number {
    try {
      const text = readFileSync(join(folder, 'recovery-point-offset-checkpoint'), 'utf8');
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${TOPIC} 0 `));
      return Number(line?.split(' ')[2] ?? -1);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return -1;
      throw error;
    }
  }

  async function produce(connection: NativeConnection, offset: number): Promise<void> {
    const [result] = await connection.produce([{ topic: TOPIC, partition: 0, batch: batchAt(offset) }]);
    expect(result).toMatchObject({ error: null, baseOffset: offset });
  }

  /** Reads everything; returns the end. */
  async function readAll(connection: NativeConnection): Promise<number> {
    let offset = 0;
    for (;;) {
      const { body, payload } = await connection.fetch([{ topic: TOPIC, partition: 0, offset, maxBytes: 0 }]);
      expect(body.partitions).toMatchObject([{ error: null }]);
      if (payload.length === 0) return offset;
      for (const batch of new BatchReader(payload)) {
        for (const record of batch.records()) {
          expect([record.offset, String(record.value)]).toEqual([offset, valueAt(offset)]);
          offset++;
        }
      }
    }
  }

  /** Starts the broker, which must say this one cut, and must have everything before it, and go on from there. */
  async function expectCut(
    cut: { file: string; position: number; bytes: number },
    endOffset: number,
  ): Promise<void> {
    broker = await BrokerProcess.start({ dataDirectory: folder });
    const connection = await NativeConnection.open(broker.native);
    expect(await readAll(connection)).toBe(endOffset);
    expect(broker.lines(CUT)).toMatchObject([
      { topic: TOPIC, partition: 0, ...cut, reason: expect.any(String) },
    ]);
    await produce(connection, endOffset);
    expect(await readAll(connection)).toBe(endOffset + RECORDS_OF_A_BATCH);
    await connection.close();
    await broker.kill();

    broker = await BrokerProcess.start({ dataDirectory: folder });
    const again = await NativeConnection.open(broker.native);
    expect(await readAll(again)).toBe(endOffset + RECORDS_OF_A_BATCH);
    expect(broker.lines(CUT)).toEqual([]);
    expect(broker.lines(INVALID)).toEqual([]);
    await again.close();
  }

  const endOffset = BATCHES * RECORDS_OF_A_BATCH;

  it('is cut where garbage was appended', async () => {
    const file = pick(segments, -1);
    const position = statSync(file).size;
    const garbage = random.bytes(1 + random.below(500));
    appendFileSync(file, garbage);
    await expectCut({ file, position, bytes: garbage.length }, endOffset);
  });

  it('is cut where an old batch rose again', async () => {
    const file = pick(segments, -1);
    const position = statSync(file).size;
    const { position: start, bytes } = pick(placesIn(file), 0);
    appendFileSync(file, readFileSync(file).subarray(start, start + bytes));
    await expectCut({ file, position, bytes }, endOffset);
  });

  it('is cut where its last batch was torn', async () => {
    const file = pick(segments, -1);
    const last = pick(placesIn(file), -1);
    const bytes = 1 + random.below(last.bytes - 1);
    truncateSync(file, last.position + bytes);
    await expectCut({ file, position: last.position, bytes }, last.baseOffset);
  });

  it('is cut where a byte was flipped behind the recovery point', async () => {
    const file = pick(segments, -1);
    const places = placesIn(file).filter(({ baseOffset }) => baseOffset >= recoveryPoint());
    const hit = pick(places, random.below(places.length));
    flip(file, hit.position + CHECKED_FROM + random.below(hit.bytes - CHECKED_FROM));
    await expectCut(
      { file, position: hit.position, bytes: statSync(file).size - hit.position },
      hit.baseOffset,
    );
  });

  it('says where a record before the recovery point is damaged, and the rest can be read', async () => {
    const file = pick(segments, 1);
    const places = placesIn(file);
    const hit = pick(places, 1 + random.below(places.length - 1));
    const inRecords = 61 + random.below(hit.bytes - 61);
    flip(file, hit.position + inRecords);

    broker = await BrokerProcess.start({ dataDirectory: folder });
    await vi.waitUntil(() => broker.lines(INVALID).length > 0, { timeout: 30_000 });
    expect(broker.lines(INVALID)).toMatchObject([
      { topic: TOPIC, partition: 0, file, position: hit.position },
    ]);
    expect(broker.lines(CUT)).toEqual([]);
    await expectReadableAround(hit);
  });

  it('says where the length of a batch before the recovery point is damaged, and the rest can be read', async () => {
    const file = pick(segments, 1);
    const places = placesIn(file);
    const hit = pick(places, 1 + random.below(places.length - 1));
    flip(file, hit.position + 8);

    broker = await BrokerProcess.start({ dataDirectory: folder });
    await vi.waitUntil(() => broker.lines(INVALID).length > 0, { timeout: 30_000 });
    expect(pick(broker.lines(INVALID), 0)).toMatchObject({ file, position: hit.position });
    expect(broker.lines(CUT)).toEqual([]);
    await expectReadableAround(hit);
  });

  /** A consumer reads up to the damage, is told of it, and goes on behind it. */
  async function expectReadableAround(hit: Place): Promise<void> {
    const client = new Client({ brokers: [broker.native] });
    const consumer = client.consumer({ topic: TOPIC, until: 'end' });
    const read: number[] = [];
    const readOn = async () => {
      for await (const { offset, value } of {
        [Symbol.asyncIterator]: () => consumer[Symbol.asyncIterator](),
      }) {
        expect(String(value)).toBe(valueAt(offset));
        read.push(offset);
      }
    };
    const failure: unknown = await readOn().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OdradekError);
    expect(failure).toMatchObject({ code: 'ODR_CORRUPT' });
    const before = Array.from({ length: hit.baseOffset }, (_, offset) => offset);
    expect(read).toEqual(before);

    consumer.seek(0, hit.baseOffset + RECORDS_OF_A_BATCH);
    await readOn();
    const behind = Array.from({ length: endOffset }, (_, offset) => offset).slice(
      hit.baseOffset + RECORDS_OF_A_BATCH,
    );
    expect(read).toEqual([...before, ...behind]);
    await client.close();
  }
});

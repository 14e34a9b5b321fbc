// Memory and service under clients that ask for too much. BOUNDS=full for the whole load. The clients of one test stay connected
// during the next ones: it gets worse and worse.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { encodeFrame } from '../../src/protocol/native/frame.js';
import { encodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BrokerProcess } from './broker-process.js';
import { Canary } from './canary.js';
import { NativeConnection } from './native-connection.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** The promise. */
const MEMORY_ABOVE_IDLE_BYTES = 256 * MIB;
const TOPIC = 'load';
const PARTITIONS = 4;
/** The least that a well-behaved client does during each test. */
const SONGS = 20;

const full = process.env['BOUNDS'] === 'full';
const LOAD = full
  ? {
      producers: 32,
      producedBytes: 3 * 1024 * MIB,
      consumers: 64,
      idle: 1000,
      halfFrames: 1000,
      tricklers: 200,
    }
  : { producers: 8, producedBytes: 192 * MIB, consumers: 50, idle: 200, halfFrames: 48, tricklers: 50 };

function largeBatch(bytes: number): Buffer {
  const random = seededRandom(1);
  const builder = new BatchBuilder();
  for (let i = 0; i < 10; i++) {
    const value = Buffer.from(random.bytes(bytes / 10 - 100));
    builder.add({ timestampMs: Date.now(), key: null, value, headers: [] });
  }
  return builder.build();
}

function produceFrame(partition: number, batch: Buffer): readonly Uint8Array[] {
  const partitions = [{ topic: TOPIC, partition, recordsBytes: batch.length }];
  const header = {
    correlationId: 1,
    timeoutMs: 0,
    body: { type: 'produce', acks: 'all', partitions } as const,
  };
  return encodeFrame(encodeRequestHeader(header), [batch]);
}

describe.runIf(process.platform === 'linux')('A broker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-bounds-'));
  const batch = largeBatch(900 * KIB);
  const crowd: NativeConnection[] = [];
  let broker: BrokerProcess;
  let canary: Canary;
  let idleBytes = 0;

  beforeAll(async () => {
    const settings = {
      'odradek.workers': 2,
      // The disk is not what is tested.
      'log.segment.bytes': 16 * MIB,
      'log.retention.bytes': 64 * MIB,
      'log.retention.check.interval.ms': 100,
      'log.segment.delete.delay.ms': 0,
    };
    broker = await BrokerProcess.start({ dataDirectory: folder, settings });
    const connection = await NativeConnection.open(broker.native);
    const topic = {
      name: TOPIC,
      partitions: PARTITIONS,
      replicationFactor: 1,
      configs: [],
      validateOnly: false,
    };
    await connection.must({ type: 'createTopic', ...topic });
    await connection.close();
    canary = await Canary.hatch(broker.native, 'canary');
    idleBytes = broker.memoryBytes();
  });

  afterAll(async () => {
    for (const connection of crowd) connection.socket.destroy();
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Prints the figures and checks what must hold after each test. */
  function report(what: string): void {
    const inMib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
    const mostBytes = broker.memoryBytes('VmHWM');
    console.log(
      [
        `${what}: ${inMib(broker.memoryBytes())} now`,
        `${inMib(mostBytes)} at most`,
        `${inMib(idleBytes)} when idle`,
        `a well-behaved client waited ${canary.takeSlowestMs()} ms at most for a record to go and come back`,
      ].join(', '),
    );
    expect(broker.hasEnded).toBe(false);
    expect(mostBytes).toBeLessThan(idleBytes + MEMORY_ABOVE_IDLE_BYTES);
  }

  async function enter(count: number): Promise<NativeConnection[]> {
    const joined: NativeConnection[] = [];
    while (joined.length < count) {
      const some = Array.from({ length: Math.min(50, count - joined.length) }, () =>
        NativeConnection.open(broker.native),
      );
      joined.push(...(await Promise.all(some)));
    }
    crowd.push(...joined);
    return joined;
  }

  it('takes what producers send no faster than it can write', async () => {
    const count = Math.ceil(LOAD.producedBytes / batch.length);
    const startMs = performance.now();
    let left = count;
    const produceOn = (connection: NativeConnection, partition: number) =>
      new Promise<void>((resolve, reject) => {
        let waiting = 0;
        const send = () => {
          if (left === 0) {
            if (waiting === 0) resolve();
            return;
          }
          left--;
          waiting++;
          const partitions = [{ topic: TOPIC, partition, recordsBytes: batch.length }];
          connection.ask({ type: 'produce', acks: 'all', partitions }, [batch], (answer) => {
            waiting--;
            if (answer?.body?.type === 'produce' && !answer.body.partitions[0]?.error) send();
            else reject(new Error(`a batch was refused: ${JSON.stringify(answer)}`));
          });
        };
        for (let i = 0; i < 16; i++) send();
      });
    const producers = await enter(LOAD.producers);
    const producing = Promise.all(producers.map((connection, i) => produceOn(connection, i % PARTITIONS)));
    await canary.singDuring('beside fast producers', SONGS, producing);
    const seconds = (performance.now() - startMs) / 1000;
    const rate = Math.round((count * batch.length) / MIB / seconds);
    report(`${LOAD.producers} producers sent ${Math.round((count * batch.length) / MIB)} MiB, ${rate} MiB/s`);
  });

  it('holds little for consumers that read nothing of what they asked for', async () => {
    const consumers = await enter(LOAD.consumers);
    for (const [i, connection] of consumers.entries()) {
      connection.socket.pause();
      const topic = { topic: TOPIC, partition: i % PARTITIONS, offset: 0, maxBytes: 0 };
      const start = { type: 'listOffsets', partitions: [{ ...topic, position: 'earliest' }] } as const;
      connection.tell({ correlationId: 1_000_000, timeoutMs: 0, body: start });
      for (let request = 0; request < 100; request++) {
        // Somewhere in what retention has left, which is the newest 64 MiB.
        const offset = Math.max(0, endOffset() - request * 10);
        const body = {
          type: 'fetch',
          minBytes: 1,
          maxWaitMs: 0,
          maxBytes: 64 * MIB,
          partitions: [{ ...topic, offset }],
        } as const;
        connection.tell({ correlationId: 1_000_001 + request, timeoutMs: 0, body });
      }
    }
    await canary.singDuring('beside consumers that read nothing', SONGS, Promise.resolve());
    report(`${LOAD.consumers} consumers asked for 100 times 64 MiB each`);
  });

  /** About: the partitions got the same number of batches, of 10 records. */
  function endOffset(): number {
    return Math.floor(LOAD.producedBytes / batch.length / PARTITIONS) * 10;
  }

  it('holds little for idle connections', async () => {
    await canary.singDuring('while idle connections come', SONGS, enter(LOAD.idle));
    report(`${LOAD.idle} idle connections`);
  });

  it('holds little for frames that come in part', async () => {
    const connections = await enter(LOAD.halfFrames);
    for (const [i, connection] of connections.entries()) {
      // Small frames of which a byte is missing, and large ones of which all is missing but the beginning.
      const declaredBytes = [100, 10 * KIB, 40 * KIB, 900 * KIB, 4 * MIB, 30 * MIB][i % 6] ?? 100;
      const frame = Buffer.alloc(Math.min(4 + declaredBytes - 1, 12 * KIB));
      frame.writeUInt32BE(declaredBytes);
      connection.raw([frame]);
    }
    await canary.singDuring('beside half frames', SONGS, Promise.resolve());
    report(`${LOAD.halfFrames} half frames`);
  });

  it('serves beside senders that trickle', async () => {
    const tricklers = await enter(LOAD.tricklers);
    const frame = Buffer.concat(produceFrame(0, batch));
    let position = 0;
    const trickling = setInterval(() => {
      position++;
      for (const { socket } of tricklers) socket.write(frame.subarray(position - 1, position));
    }, 1);
    try {
      await canary.singDuring('beside senders that trickle', SONGS * 5, Promise.resolve());
    } finally {
      clearInterval(trickling);
    }
    report(`${LOAD.tricklers} senders that trickle`);
  });

  // Half frames hold the memory for large ones until they have stood still for a while; those that wait get it in turn.
  it('takes large batches all the same, in their turn', { timeout: 5 * 60_000 }, async () => {
    const [connection] = await enter(1);
    if (!connection) throw new Error('no connection');
    const results: unknown[] = [];
    const startMs = performance.now();
    const producing = (async () => {
      for (let i = 0; i < 10; i++) {
        const [result] = await connection.produce([{ topic: TOPIC, partition: i % PARTITIONS, batch }]);
        results.push(result?.error);
      }
    })();
    await canary.singDuring('beside all of them', SONGS, producing);
    expect(results).toEqual(Array.from({ length: 10 }, () => null));
    report(
      `${results.length} large batches beside all of them took ${Math.round(performance.now() - startMs)} ms`,
    );
  });

  it('is well when they are gone', async () => {
    for (const connection of crowd) connection.socket.destroy();
    await Promise.all(crowd.map(({ closed }) => closed));
    await canary.singDuring('alone', SONGS, Promise.resolve());
    report('alone again');
    expect((await fetch(`http://${broker.http}/health/ready`)).status).toBe(200);
    await canary.close();
    await broker.stop();
  });
});

// Real data as a newcomer would send it: from a file by the command line, by the client library, and by the example.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'odradek';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerProcess } from '../chaos/broker-process.js';
import { run } from '../cli/executable.js';

const PARTITIONS = 6;
const fileOf = (name: string) =>
  fileURLToPath(new URL(`../../node_modules/vega-datasets/data/${name}`, import.meta.url));
const example = fileURLToPath(new URL('../../examples/flights.mjs', import.meta.url));

/** The documents of a file that is an array of flat objects, each as it stands there. */
const documentsIn = (file: string): string[] => readFileSync(file, 'utf8').match(/\{[^{}]*\}/g) ?? [];

/** Kafka's placement of a key, written down once more and in another way: 32-bit words in wide integers. */
function partitionFor(key: string): number {
  const word = (value: bigint) => value & 0xffffffffn;
  const bytes = Buffer.from(key);
  const m = 0x5bd1e995n;
  let h = 0x9747b28cn ^ BigInt(bytes.length);
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    let k = word(BigInt(bytes.readUInt32LE(at)) * m);
    k = word((k ^ (k >> 24n)) * m);
    h = word(h * m) ^ k;
  }
  if (at < bytes.length) {
    const rest = [...bytes.subarray(at)].reduce((sum, byte, i) => sum | (BigInt(byte) << BigInt(8 * i)), 0n);
    h = word((h ^ rest) * m);
  }
  h = word((h ^ (h >> 13n)) * m);
  h ^= h >> 15n;
  return Number((h & 0x7fffffffn) % BigInt(PARTITIONS));
}

interface Flight {
  readonly key: string;
  readonly document: string;
}

/** What each partition should hold, in order. */
function placed(flights: readonly Flight[]): Flight[][] {
  const partitions: Flight[][] = Array.from({ length: PARTITIONS }, () => []);
  for (const flight of flights) partitions[partitionFor(flight.key)]?.push(flight);
  return partitions;
}

describe('Flights', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-flights-'));
  const file = fileOf('flights-20k.json');
  const flights = documentsIn(file).map(
    (document): Flight => ({ key: JSON.parse(document).origin, document }),
  );
  let broker: BrokerProcess;
  let client: Client;
  let environment: Record<string, string>;

  beforeAll(async () => {
    broker = await BrokerProcess.start({ dataDirectory: folder, settings: { 'odradek.workers': 2 } });
    client = new Client({ brokers: [broker.native] });
    environment = { ODRADEK_BROKERS: broker.native };
  });

  afterAll(async () => {
    await client.close();
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const odradek = async (...args: string[]) => {
    const ended = await run(args, '', environment);
    expect(ended, args.join(' ')).toMatchObject({ code: 0 });
    return ended;
  };

  /** What the topic holds, by partition. Offsets are checked to be dense. */
  async function read(topic: string): Promise<Flight[][]> {
    const partitions: Flight[][] = Array.from({ length: PARTITIONS }, () => []);
    for await (const { partition, messages } of client.consumer({ topic, until: 'end' }).batches()) {
      for (const { offset, key, value } of messages) {
        expect(offset).toBe(partitions[partition]?.length);
        partitions[partition]?.push({ key: String(key), document: String(value) });
      }
    }
    return partitions;
  }

  it('are twenty thousand', () => {
    expect(flights).toHaveLength(20_000);
    expect(new Set(flights.map(({ key }) => partitionFor(key))).size).toBe(PARTITIONS);
  });

  it('go from a file through the command line and back, byte for byte', async () => {
    await odradek('topic', 'create', 'by-command', '--partitions', String(PARTITIONS));
    const options = ['--format', 'value-json', '--key-field', 'origin', '--compression', 'lz4'];
    const sent = await odradek('produce', 'by-command', file, ...options, '--json');
    expect(JSON.parse(sent.out)).toMatchObject({ topic: 'by-command', records: flights.length });
    expect(await read('by-command')).toEqual(placed(flights));

    const printed = await odradek('consume', 'by-command', '--json');
    const partitions: Flight[][] = Array.from({ length: PARTITIONS }, () => []);
    for (const line of printed.out.split('\n').slice(0, -1)) {
      const { partition, offset, key, value } = JSON.parse(line);
      expect(offset).toBe(partitions[partition]?.length);
      partitions[partition]?.push({ key, document: value });
    }
    expect(partitions).toEqual(placed(flights));
  });

  it.each(['none', 'zstd'] as const)(
    'go through the client library and back, compressed by %s',
    async (compression) => {
      const topic = `by-client-${compression}`;
      await client.admin().createTopic({ name: topic, partitions: PARTITIONS });
      const producer = client.producer({ compression });
      const sent = await Promise.all(
        flights.map(({ key, document }) => producer.send({ topic, key, value: document })),
      );
      await producer.close();
      expect(sent.map(({ partition }) => partition)).toEqual(flights.map(({ key }) => partitionFor(key)));
      expect(await read(topic)).toEqual(placed(flights));
    },
  );

  it('come in their thousands, by distance', async () => {
    const large = fileOf('flights-200k.json');
    const documents = documentsIn(large);
    const byDistance = documents.map(
      (document): Flight => ({ key: String(JSON.parse(document).distance), document }),
    );
    expect(byDistance).toHaveLength(200_000);
    await odradek('topic', 'create', 'by-distance', '--partitions', String(PARTITIONS));
    await odradek('produce', 'by-distance', large, '--format', 'value-json', '--key-field', 'distance');
    const partitions = await read('by-distance');
    const expected = placed(byDistance);
    expect(partitions.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
    for (const [partition, records] of partitions.entries()) {
      const wrong = records.findIndex(({ key, document }, offset) => {
        const flight = expected[partition]?.[offset];
        return flight?.key !== key || flight.document !== document;
      });
      expect({ partition, wrong }).toEqual({ partition, wrong: -1 });
    }
  });

  it('fly in the example', async () => {
    for (const _ of ['on a new topic', 'once more']) {
      const child = spawn(process.execPath, [example], { env: { ...process.env, ...environment } });
      const output: Buffer[] = [];
      child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
      child.stderr.on('data', (bytes: Buffer) => output.push(bytes));
      const [code] = await once(child, 'close');
      const lines = Buffer.concat(output).toString().split('\n');
      expect({ code, lines: lines.slice(0, 2) }).toEqual({
        code: 0,
        lines: [
          'sent 20000 flights to 6 partitions',
          `received 20000 flights from ${new Set(flights.map(({ key }) => key)).size} airports; the ten with the most:`,
        ],
      });
      expect(lines[2]).toMatch(/^ {2}[A-Z]{3} +\d+ flights, +-?\d+\.\d minutes late on average$/);
      expect(lines).toHaveLength(13);
    }
  });
});

// Each client writes 10,000 records, and each of the others reads them, byte for byte. Then the broker stops, and Kafka's
// own tool reads what lies on the disk.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseSeed } from '../chaos/seed.js';
import { folder, type StartedBroker, startBroker, stop } from '../cli/executable.js';
import { FOREIGN_CLIENTS, kafkaTools, runClient } from './clients.js';
import { dumpLogs } from './kafka-log-tool.js';
import { writeWithKafkajs } from './kafkajs-writer.js';
import { type Lot, lotsOf } from './lot.js';
import {
  type LotReport,
  readWithNativeClient,
  untilWritten,
  writeWithNativeClient,
} from './native-client.js';
import type { Tool } from './tool.js';

interface Addresses {
  readonly kafka: string;
  readonly native: string;
}

interface Client {
  readonly name: string;
  readonly tool: () => Promise<Tool>;
  readonly write: (at: Addresses, lots: readonly Lot[]) => Promise<readonly string[]>;
  readonly read: ((at: Addresses, lots: readonly Lot[]) => Promise<readonly LotReport[]>) | null;
}

const none: Tool = { command: [] };

const OWN: Client = {
  name: 'odradek',
  tool: async () => none,
  write: async ({ native }, lots) => {
    await writeWithNativeClient(native, lots);
    return [];
  },
  read: ({ native }, lots) => readWithNativeClient(native, lots),
};

const KAFKAJS: Client = {
  name: 'kafkajs',
  tool: async () => none,
  write: async ({ kafka }, lots) => {
    await writeWithKafkajs(kafka, lots);
    return [];
  },
  read: null,
};

const FOREIGN = FOREIGN_CLIENTS.map(({ name, toolchain, args }): Client => {
  const command = async () => {
    const tool = await toolchain();
    return 'missing' in tool ? [] : [...tool.command, ...args];
  };
  return {
    name,
    tool: toolchain,
    write: async ({ kafka }, lots) => {
      const reports = await runClient(await command(), 'write', { bootstrap: kafka, lots });
      return reports.flatMap(({ topic, problem }) => (problem === null ? [] : [`${topic}: ${problem}`]));
    },
    read: async ({ kafka }, lots) => runClient(await command(), 'read', { bootstrap: kafka, lots }),
  };
});

const CLIENTS = [OWN, KAFKAJS, ...FOREIGN];
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('Kafka clients', () => {
  const seed = chooseSeed('interop');
  const lots = new Map(
    CLIENTS.map(({ name }, index) => [name, lotsOf(name, seed + 100 * index, name !== KAFKAJS.name)]),
  );
  const lotsBy = (name: string) => lots.get(name) ?? [];
  const tools = new Map<string, Tool>();
  const written = new Set<string>();
  /** What each reader read of all writers. */
  const reports = new Map<string, Promise<readonly LotReport[]>>();
  /** The table's cells, by writer and reader. */
  const cells = new Map<string, string>();
  let broker: StartedBroker;
  let at: Addresses;

  beforeAll(async () => {
    broker = await startBroker('matrix', ['--set', `log.segment.bytes=${2 ** 20}`]);
    at = { kafka: broker.ready.kafka ?? '', native: broker.ready.native ?? '' };
    for (const { name, tool } of CLIENTS) tools.set(name, await tool());
  });

  afterAll(() => {
    const header = ['writes \\ reads', ...CLIENTS.filter(({ read }) => read).map(({ name }) => name)];
    const rows = CLIENTS.map(({ name }) => [
      name,
      ...header.slice(1).map((reader) => cells.get(`${name} ${reader}`) ?? ''),
    ]);
    console.log([header, ...rows].map((row) => row.map((cell) => cell.padEnd(16)).join('')).join('\n'));
  });

  const missing = (name: string) => {
    const tool = tools.get(name);
    return tool && 'missing' in tool ? `${name}: ${tool.missing}` : null;
  };

  for (const { name, write } of CLIENTS) {
    it(`${name} writes`, async ({ skip }) => {
      const reason = missing(name);
      if (reason !== null) skip(reason);
      expect(await write(at, lotsBy(name))).toEqual([]);
      await untilWritten(at.native, lotsBy(name));
      written.add(name);
    });
  }

  for (const reader of CLIENTS) {
    const { name, read } = reader;
    if (!read) continue;
    for (const writer of CLIENTS) {
      it(`${name} reads what ${writer.name} wrote`, async ({ skip }) => {
        const reason = missing(name) ?? missing(writer.name);
        const cell = `${writer.name} ${name}`;
        cells.set(cell, reason === null ? 'FAILED' : 'skipped');
        if (reason !== null) skip(reason);
        expect(written).toContain(writer.name);
        const all =
          reports.get(name) ??
          read(
            at,
            CLIENTS.filter((one) => written.has(one.name)).flatMap((one) => lotsBy(one.name)),
          );
        reports.set(name, all);
        const topics = new Set(lotsBy(writer.name).map(({ topic }) => topic));
        const own = (await all).filter(({ topic }) => topics.has(topic));
        expect(own).toEqual(
          lotsBy(writer.name).map(({ topic, records }) => ({ topic, records, problem: null })),
        );
        cells.set(cell, String(sum(own.map(({ records }) => records))));
      });
    }
  }

  it("Kafka's log tool finds nothing wrong with segments, indexes and producer snapshots", async ({
    skip,
  }) => {
    expect(await stop(broker)).toBe(0);
    const tool = await kafkaTools();
    if ('missing' in tool) {
      skip(`DumpLogSegments: ${tool.missing}`);
      return;
    }
    const dump = await dumpLogs(tool.command, join(folder, 'matrix'));
    console.log(`DumpLogSegments: ${JSON.stringify(dump)}`);
    expect(dump.complaints).toEqual([]);
    expect(dump.records).toBe(
      sum([...written].flatMap((name) => lotsBy(name).map(({ records }) => records))),
    );
    expect(dump.indexesThatPassed).toBe(dump.indexes);
    expect(dump.indexes).toBe(2 * dump.segments);
    expect(dump.producerSnapshots).toBeGreaterThan(0);
  });
});

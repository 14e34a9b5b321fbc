// Rounds of `kill -9` while librdkafka and kafkajs write, and the broker compacts and deletes what they write. Many kills come at the
// moment at which a compaction, or a deletion, writes or renames a file. After each restart a new consumer of each client reads
// everything, and cleaning-ledger.ts judges. ROUNDS=5, SEED= draws the same load and the same kinds of kills again.
import { type FSWatcher, mkdtempSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'odradek';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { stableAddress } from '../chaos/stable-address.js';
import {
  type CleaningLoad,
  type CleaningReader,
  KafkajsReader,
  LibrdkafkaReader,
  loadWithKafkajs,
  loadWithLibrdkafka,
  Marker,
  type OnRecord,
  type Place,
  placeOf,
} from './cleaning-clients.js';
import { type Departures, PartitionLedger } from './cleaning-ledger.js';
import { PARTITIONS, TOPICS } from './cleaning-records.js';
import { kafkaTools, python } from './clients.js';
import { dumpLogs } from './kafka-log-tool.js';
import type { Tool } from './tool.js';

/** A round's kill comes after so many more acknowledged records, and up to so many more than that. */
const ACKNOWLEDGED_MIN = 1000;
const ACKNOWLEDGED_MORE = 1500;
/** What each load may send while a reader reads: less than retention leaves, so that the reader is not overtaken for ever. */
const SENT_DURING_READING = 800;
const UNBOUNDED = 1_000_000_000;
const PATIENTLY = { timeout: 60_000, interval: 5 };

/** What a kill waits for: that a file with such a name appears in a partition of these topics. */
interface Aim {
  readonly name: string;
  readonly file: RegExp | null;
  readonly topics: readonly string[];
}

const COMPACTED = TOPICS.filter(({ isCompacted }) => isCompacted).map(({ name }) => name);
const DELETED = TOPICS.filter(({ isDeleted }) => isDeleted).map(({ name }) => name);
/** Of a file that is found after a kill, by the end of its name: what must have been under way. */
const KINDS = ['cleaned', 'swap', 'deleted'] as const;
const AIM_AT: Readonly<Record<(typeof KINDS)[number], Aim>> = {
  cleaned: { name: 'a compaction writes', file: /\.cleaned$/, topics: COMPACTED },
  swap: { name: 'a compaction replaces segments', file: /\.swap$/, topics: COMPACTED },
  deleted: { name: 'a segment goes', file: /\.deleted$/, topics: DELETED },
};
const AIMS: readonly Aim[] = [
  ...Object.values(AIM_AT),
  { name: 'a segment gets its name', file: /^\d+\.log$/, topics: COMPACTED },
  { name: 'whatever happens', file: null, topics: [] },
];
/** More rounds, if by chance too few kills hit what they were aimed at. */
const MORE_ROUNDS_MAX = 30;

const total = (numbers: Iterable<number>) => [...numbers].reduce((sum, number) => sum + number, 0);

describe('A broker that compacts and deletes under load and is killed', () => {
  const rounds = countFromEnvironment('ROUNDS', 5);
  const seed = chooseSeed('kill -9 with cleaning');
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'odradek-cleaning-'));
  const dataDirectory = join(folder, 'data');
  const ledgers = new Map<Place, PartitionLedger>(
    TOPICS.flatMap((topic) =>
      Array.from({ length: PARTITIONS }, (_, partition) => [
        placeOf(topic.name, partition),
        new PartitionLedger(topic, partition),
      ]),
    ),
  );
  /** Kills by what was found in the folders afterwards. */
  const found = { cleaned: 0, swap: 0, deleted: 0 };
  let tool: Tool = { missing: 'not looked for' };
  let address: string;
  let broker: BrokerProcess | null = null;
  let loads: CleaningLoad[] = [];
  let readers: CleaningReader[] = [];
  let marker: Marker | null = null;
  let acknowledged = 0;
  let tombstones = 0;
  let recordsRead = 0;
  /** A record that contradicts what is known. */
  let contradiction: unknown = null;

  const need = (skip: (reason: string) => never): readonly string[] =>
    'missing' in tool ? skip(`confluent-kafka: ${tool.missing}`) : tool.command;

  beforeAll(async () => {
    tool = await python();
    address = await stableAddress();
  });

  afterAll(async () => {
    for (const load of loads) load.kill();
    await broker?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const onRecord: OnRecord = (place, record) => {
    acknowledged++;
    if (record.isTombstone) tombstones++;
    try {
      ledgers.get(place)?.acknowledge(record);
    } catch (error) {
      contradiction ??= error;
    }
  };

  const startBroker = () =>
    BrokerProcess.start({
      dataDirectory,
      kafka: address,
      settings: {
        'odradek.workers': 2,
        'log.retention.check.interval.ms': 100,
        'log.cleaner.backoff.ms': 20,
        'log.flush.offset.checkpoint.interval.ms': 200,
        'group.initial.rebalance.delay.ms': 0,
        'offsets.topic.num.partitions': 1,
      },
    });

  async function begin(command: readonly string[]): Promise<BrokerProcess> {
    const first = await startBroker();
    const client = new Client({ brokers: [first.native] });
    for (const { name, configs } of TOPICS) {
      await client.admin().createTopic({ name, partitions: PARTITIONS, configs });
    }
    await client.close();
    loads = [
      loadWithLibrdkafka(command, address, seed, onRecord),
      await loadWithKafkajs(address, seededRandom(seed + 1), onRecord),
    ];
    marker = await Marker.connect(address, onRecord);
    readers = [new LibrdkafkaReader(command, address), new KafkajsReader(address)];
    return first;
  }

  /** Waits for something under the load, which must go on meanwhile. */
  async function under<Result>(what: Promise<Result>): Promise<Result> {
    const result = await Promise.race([what, ...loads.map(({ failed }) => failed)]);
    if (contradiction) throw contradiction;
    return result;
  }

  const filesOf = (topics: readonly string[]) =>
    topics.flatMap((topic) =>
      Array.from({ length: PARTITIONS }, (_, partition) =>
        readdirSync(join(dataDirectory, `${topic}-${partition}`)),
      ).flat(),
    );

  /** Kills the broker when the aim's file appears, within the same turn. */
  async function killAt(victim: BrokerProcess, { file, topics }: Aim): Promise<void> {
    const watchers: FSWatcher[] = [];
    if (file) {
      for (const topic of topics) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const watcher = watch(join(dataDirectory, `${topic}-${partition}`), (_, name) => {
            if (name !== null && file.test(name)) victim.signal('SIGKILL');
          });
          watchers.push(watcher);
        }
      }
    } else victim.signal('SIGKILL');
    try {
      await under(vi.waitUntil(() => victim.hasEnded, PATIENTLY));
      await victim.exited;
    } finally {
      for (const watcher of watchers) watcher.close();
    }
    const names = filesOf([...COMPACTED, ...DELETED]);
    for (const kind of KINDS) {
      if (names.some((name) => name.endsWith(`.${kind}`))) found[kind]++;
    }
  }

  /** Has each client read everything, from the start to a mark that comes behind all that is known now. */
  async function verify(): Promise<void> {
    for (const reader of readers) {
      if (!marker) throw new Error('there is no marker');
      for (const load of loads) load.allow(SENT_DURING_READING);
      // What is known by now lies before the marks; more becomes known while they are sent.
      const snapshots = new Map([...ledgers].map(([place, ledger]) => [place, ledger.begin()]));
      const ends = await under(marker.mark());
      const readings = await under(reader.read(ends));
      for (const [place, reading] of readings) {
        const snapshot = snapshots.get(place);
        if (!snapshot) throw new Error(`${reader.name} read ${place}`);
        recordsRead += reading.records.length;
        try {
          ledgers.get(place)?.judge(snapshot, reading);
        } catch (error) {
          throw new Error(`${reader.name} read what cannot be`, { cause: error });
        }
      }
      expect(readings.size).toBe(ledgers.size);
    }
  }

  let round = 0;

  async function run(command: readonly string[], aim: Aim): Promise<void> {
    round++;
    const victim = broker ?? (await begin(command));
    broker = victim;
    for (const load of loads) load.allow(UNBOUNDED);
    const wanted = acknowledged + ACKNOWLEDGED_MIN + random.below(ACKNOWLEDGED_MORE);
    await under(vi.waitUntil(() => acknowledged >= wanted, PATIENTLY));
    await killAt(victim, aim);
    broker = await startBroker();
    await verify();
    expect(broker.lines('invalid record batch')).toEqual([]);
    console.log(
      `round ${round}: ${acknowledged} records acknowledged, ${recordsRead} read, kills so far ${JSON.stringify(found)}, ` +
        `ready after ${broker.readyMs} ms`,
    );
  }

  for (const aim of Array.from({ length: rounds }, (_, index) => AIMS[index % AIMS.length])) {
    it(`has what it must and nothing that went, killed when ${aim?.name}`, async ({ skip }) => {
      if (aim) await run(need(skip), aim);
    });
  }

  it('was killed in the midst of compactions and deletions', { timeout: 600_000 }, async ({ skip }) => {
    const command = need(skip);
    const wanted = Math.ceil(rounds / 10);
    const missed = () => KINDS.find((kind) => found[kind] < wanted);
    for (let kind = missed(); kind && round < rounds + MORE_ROUNDS_MAX; kind = missed()) {
      await run(command, AIM_AT[kind]);
    }
    const departures = [...ledgers.values()].map((ledger) => ledger.departures);
    const sum = (which: keyof Departures) => total(departures.map((counts) => counts[which]));
    const went = () => ({
      superseded: sum('superseded'),
      tombstones: sum('tombstones'),
      belowLogStart: sum('belowLogStart'),
    });
    while (Object.values(went()).includes(0) && round < rounds + MORE_ROUNDS_MAX) {
      for (const load of loads) load.allow(UNBOUNDED);
      const more = acknowledged + ACKNOWLEDGED_MIN;
      await under(vi.waitUntil(() => acknowledged >= more, PATIENTLY));
      await verify();
      round++;
    }
    console.log(
      `${round} kills; files that were left: ${JSON.stringify(found)}; ${acknowledged} records acknowledged, of which ` +
        `${tombstones} tombstones; gone: ${JSON.stringify(went())}`,
    );
    for (const kind of KINDS) expect(found[kind]).toBeGreaterThanOrEqual(wanted);
    for (const count of Object.values(went())) expect(count).toBeGreaterThan(0);
  });

  it("leaves logs in which Kafka's tool finds nothing wrong", async ({ skip }) => {
    need(skip);
    const tools = await kafkaTools();
    for (const load of loads) await load.finish();
    loads = [];
    // Nothing comes any more, so that the second reader finds what the first one missed, or it is lost.
    await verify();
    await marker?.close();
    for (const reader of readers) await reader.close();
    await broker?.stop();
    const dump = await dumpLogs(
      'missing' in tools ? skip(`DumpLogSegments: ${tools.missing}`) : tools.command,
      dataDirectory,
      COMPACTED,
    );
    console.log(`DumpLogSegments: ${JSON.stringify(dump)}`);
    expect(dump.complaints).toEqual([]);
    expect(dump.indexesThatPassed).toBe(dump.indexes);
    expect(dump.compacted.holes).toBeGreaterThan(0);
    expect(dump.compacted.tombstones).toBeGreaterThan(0);
  });
});

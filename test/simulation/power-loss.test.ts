// What an acknowledgement is worth in each mode of durability, when the process is killed and when the machine loses its power:
// one test for each row of the table in docs/durability.md. A partition's actor and its log on a disk that keeps what was synced,
// and of the rest whatever it likes.
import { describe, expect, it } from 'vitest';
import { createViews, ViewReader, ViewWriter } from '../../src/actor/view.js';
import { errorName } from '../../src/base/errors.js';
import { toLeaderEpoch, toPartitionIndex } from '../../src/base/ids.js';
import { seededRandom } from '../../src/base/random.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import { DiskRoom } from '../../src/partition/disk-room.js';
import { logConfigOf } from '../../src/partition/log-config-of.js';
import { PartitionActor } from '../../src/partition/partition-actor.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { readLastOffset } from '../../src/record/batch-header.js';
import { from, LogMachine } from '../log/log-fixture.js';

const HISTORIES = 10;
/** So many may pass before the judge must have noticed what is planted; always the same ones. */
const PLANTED_HISTORIES = 60;
const STEPS_MAX = 60;
const PAUSE_MS_MAX = 40;
const BATCHES_MAX = 3;
const RECORDS_MAX = 20;
/** Rolls bring flushes of their own: in some histories many, in others none. */
const SEGMENT_BYTES = [4000, 100_000];
/** A flush does so many things after each other, each of which takes the simulated disk up to so long. */
const FLUSH_MS_MAX = 12 * 10;

type Loss = 'process' | 'power';
/** Breaks the machine on purpose. */
type Plant = (machine: LogMachine) => void;

interface Acknowledged {
  /** One behind its last offset. */
  readonly end: number;
  readonly atMs: number;
}

/** What was left of a history. */
interface Aftermath {
  readonly acknowledged: readonly Acknowledged[];
  /** Acknowledged, or shown to readers. */
  readonly promisedEnd: number;
  readonly recoveryPoint: number;
  readonly lostAtMs: number;
  /** Where the log ends after the recovery. */
  readonly end: number;
  /** Whether the log holds what was appended, up to that end. */
  readonly isPrefix: boolean;
}

function batchOf(records: number): Buffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < records; i++)
    builder.add({ timestampMs: 1, key: null, value: Buffer.from(`record ${i}`), headers: [] });
  return builder.build();
}

/** Producers append for a while; then it is over at any moment, and the log is recovered. */
function history(seed: number, settings: Settings, loss: Loss, plant?: Plant): Aftermath {
  const random = seededRandom(seed);
  const machine = new LogMachine(random.uint32());
  plant?.(machine);
  const segmentBytes = String(SEGMENT_BYTES[random.below(SEGMENT_BYTES.length)]);
  const entries = Object.entries({ 'segment.bytes': segmentBytes, ...settings });
  const { config } = resolveTopicConfig({ topicDefaults: {} }, entries);
  const log = machine.open({ config: logConfigOf(config) });
  const views = createViews(1);
  const sent: Buffer[] = [];
  const acknowledged: Acknowledged[] = [];
  const actor = new PartitionActor({
    topic: 'orders',
    partition: toPartitionIndex(0),
    log,
    generation: 1,
    leaderEpoch: toLeaderEpoch(0),
    config,
    view: new ViewWriter(views, 0),
    clock: machine.clock,
    logger: machine.logger,
    room: new DiskRoom({
      ...{ directory: '/data', owner: 'test', disk: machine.disk, clock: machine.clock },
      ended: () => {},
    }),
    complete: ({ token, error }) => {
      expect(errorName(error)).toBe('NONE');
      const bytes = sent[token];
      if (bytes) acknowledged.push({ end: readLastOffset(bytes, 0) + 1, atMs: machine.clock.monotonicMs() });
    },
    advanced: () => {},
  });
  for (let steps = 1 + random.below(STEPS_MAX); steps > 0; steps--) {
    for (let batches = 1 + random.below(BATCHES_MAX); batches > 0; batches--) {
      const bytes = batchOf(1 + random.below(RECORDS_MAX));
      actor.stage(sent.push(bytes) - 1, bytes);
    }
    actor.commit();
    machine.clock.advance(random.below(PAUSE_MS_MAX));
  }
  const shown = new ViewReader(views, 0, 1).read()?.highWatermark ?? 0;
  const { recoveryPoint } = log;
  const lostAtMs = machine.clock.monotonicMs();
  if (loss === 'power') machine.losePower();
  else machine.crash();
  const recovered = machine.open({ config: logConfigOf(config), recovery: from(0) });
  const left = machine.bytes();
  // Before the first flush nothing is promised, and names go one by one: that of the first segment may be gone, and the next be there.
  const first = recoveryPoint === 0 ? recovered.logStartOffset : 0;
  const expected = Buffer.concat(sent.filter((bytes) => readLastOffset(bytes, 0) >= first));
  return {
    acknowledged,
    promisedEnd: Math.max(shown, ...acknowledged.map(({ end }) => end)),
    recoveryPoint,
    lostAtMs,
    end: recovered.logEndOffset,
    isPrefix: expected.subarray(0, left.length).equals(left),
  };
}

const baseSeed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const single = process.env['SEED'] !== undefined;

type Judge = (aftermath: Aftermath) => string | null;
type Settings = Readonly<Record<string, string>>;

/** What is wrong in histories of a kind, one after the other. */
function* verdicts(
  seeds: readonly number[],
  ...[settings, loss, judge, plant]: readonly [Settings, Loss, Judge, Plant?]
): Generator<string> {
  for (const seed of seeds) {
    const aftermath = history(seed, settings, loss, plant);
    const { isPrefix, end, recoveryPoint } = aftermath;
    const wrong =
      judge(aftermath) ??
      (isPrefix ? null : 'the log holds what nobody sent') ??
      (end >= recoveryPoint ? null : `the recovery point was ${recoveryPoint}, ${end} records are left`);
    if (wrong !== null) yield `SEED=${seed}: ${wrong}`;
  }
}

const seedsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => first + index);
const failures = (settings: Settings, loss: Loss, judge: Judge): string[] => [
  ...verdicts(seedsFrom(baseSeed, single ? 1 : HISTORIES), settings, loss, judge),
];
const isNoticed = (settings: Settings, judge: Judge, plant?: Plant): boolean =>
  verdicts(seedsFrom(1, PLANTED_HISTORIES), settings, 'power', judge, plant).next().done !== true;

/** All that was acknowledged or shown is there, but for the given number of records. */
const keepsAllBut =
  (records: number) =>
  ({ end, promisedEnd }: Aftermath): string | null =>
    end >= promisedEnd - records ? null : `${promisedEnd} records were promised, ${end} are left`;

/** What was acknowledged so long before the end is there. */
const keepsOlderThan =
  (ageMs: number) =>
  ({ end, acknowledged, lostAtMs }: Aftermath): string | null => {
    const due = Math.max(
      0,
      ...acknowledged.filter(({ atMs }) => atMs < lostAtMs - ageMs).map((one) => one.end),
    );
    return end >= due ? null : `${due} records were acknowledged ${ageMs} ms before the end, ${end} are left`;
  };

const FLUSH_MS = 100;
const MODES = [
  { name: 'flush.acks', settings: { 'flush.acks': 'true' }, judge: keepsAllBut(0) },
  { name: 'flush.messages=1', settings: { 'flush.messages': '1' }, judge: keepsAllBut(0) },
  { name: 'flush.messages=50', settings: { 'flush.messages': '50' }, judge: keepsAllBut(49) },
  {
    name: `flush.ms=${FLUSH_MS}`,
    settings: { 'flush.ms': String(FLUSH_MS) },
    // A flush that began before the record came, the timer, and the flush that takes it.
    judge: keepsOlderThan(FLUSH_MS + 2 * FLUSH_MS_MAX),
  },
] as const;

describe('An acknowledgement', () => {
  it.each([
    ['without settings', {}],
    ...MODES.map(({ name, settings }) => [`with ${name}`, settings] as const),
  ] as const)('survives the death of the process %s', (_name, settings) => {
    expect(failures(settings, 'process', keepsAllBut(0))).toEqual([]);
  });

  it.each(MODES)('survives a loss of power as far as $name promises', ({ settings, judge }) => {
    expect(failures(settings, 'power', judge)).toEqual([]);
  });

  it('may go with the power without settings, but nothing that was flushed at a roll does', () => {
    expect(failures({}, 'power', () => null)).toEqual([]);
    expect(isNoticed({}, keepsAllBut(0))).toBe(true);
  });
});

describe.skipIf(single)('The judge of the tests above', () => {
  it.each(MODES)('notices with $name a disk whose sync does nothing', ({ settings, judge }) => {
    const plant: Plant = ({ disk, clock }) => {
      const sync = disk.sync.bind(disk);
      disk.sync = (file, done) => {
        if (file.path.endsWith('.log')) clock.schedule(1, () => done(null));
        else sync(file, done);
      };
    };
    expect(isNoticed(settings, judge, plant)).toBe(true);
  });

  it('notices acknowledgements that do not wait, and flushes that come too late', () => {
    const [acks, one, fifty, timed] = MODES;
    expect(isNoticed({}, acks.judge)).toBe(true);
    expect(isNoticed({ 'flush.messages': '30' }, one.judge)).toBe(true);
    expect(isNoticed({ 'flush.messages': '1000' }, fifty.judge)).toBe(true);
    expect(isNoticed({ 'flush.ms': '60000' }, timed.judge)).toBe(true);
  });
});

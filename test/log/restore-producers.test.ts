// What a log knows of its producers after stops and crashes of every kind.
import { describe, expect, it } from 'vitest';
import { type Offset, toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import type { AppendBatch, Log } from '../../src/log/log.js';
import { ProducerStates } from '../../src/log/producer-states.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { sequenceAfter } from '../../src/record/producer-identity.js';
import { CONFIG, DIRECTORY, from, LogMachine } from './log-fixture.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

interface Numbered {
  readonly producerId?: number;
  readonly epoch?: number;
  readonly sequence: number;
  readonly count?: number;
  readonly valueBytes?: number;
}

/** A batch for the end of the log, or for an offset. */
function numbered(
  at: Offset | Log,
  { producerId = 1, epoch = 0, sequence, count = 1, valueBytes = 8 }: Numbered,
): AppendBatch {
  const baseOffset = typeof at === 'number' ? at : at.logEndOffset;
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++)
    builder.add({ timestampMs: 5, key: null, value: Buffer.alloc(valueBytes), headers: [] });
  const leaderEpoch = toLeaderEpoch(0);
  const bytes = builder.build({
    baseOffset,
    leaderEpoch,
    producerId,
    producerEpoch: epoch,
    baseSequence: sequence,
  });
  return { bytes, baseOffset, lastOffset: toOffset(baseOffset + count - 1), maxTimestampMs: 5, leaderEpoch };
}

function append(log: Log, spec: Numbered): void {
  expect(log.append([numbered(log, spec)])).toEqual({ appended: 1, error: null });
}

/** Eight batches of one producer, over several segments. */
function machineWithEight(): { machine: LogMachine; log: Log } {
  const machine = new LogMachine();
  const log = machine.open({ config: { ...CONFIG, segmentBytes: 250 } });
  for (let sequence = 0; sequence < 8; sequence++) append(log, { sequence });
  return { machine, log };
}

const close = (machine: LogMachine, log: Log) => expect(machine.wait((done) => log.close(done))).toBeNull();
const known = (log: Log, producerId = 1) =>
  log.producers
    .get(producerId)
    ?.batches.map(({ firstSequence, baseOffset }) => `${firstSequence}@${baseOffset}`);
const snapshots = (machine: LogMachine) =>
  machine.names().flatMap((name) => (name.endsWith('.snapshot') ? [Number(name.slice(0, 20))] : []));
const path = (offset: number) => `${DIRECTORY}/${String(offset).padStart(20, '0')}.snapshot`;

function damage(machine: LogMachine, offset: number): void {
  const file = machine.disk.open(path(offset), 'write');
  machine.disk.write(file, 7, [Buffer.from([0x55])]);
  machine.disk.close(file);
}

describe("A log's producers", () => {
  it('are those of what was appended, with the last five batches after a clean stop', () => {
    const { machine, log } = machineWithEight();
    expect(known(log)).toEqual(['3@3', '4@4', '5@5', '6@6', '7@7']);
    close(machine, log);
    expect(snapshots(machine).at(-1)).toBe(8);
    const opened = machine.open();
    expect(known(opened)).toEqual(['3@3', '4@4', '5@5', '6@6', '7@7']);
    expect(opened.producers.check(numbered(toOffset(0), { sequence: 8 }).bytes, 0)).toBeNull();
  });

  it('are known after a crash', () => {
    const { machine } = machineWithEight();
    machine.crash();
    expect(known(machine.open({ recovery: from(0) }))).toEqual(['3@3', '4@4', '5@5', '6@6', '7@7']);
  });

  it('lose what a loss of power took from the log', () => {
    const { machine, log } = machineWithEight();
    expect(machine.wait((done) => log.flush(done))).toBeNull();
    append(log, { sequence: 8 });
    machine.losePower();
    const opened = machine.open({ recovery: from(8) });
    const lastSequence = opened.logEndOffset - 1;
    expect(known(opened)?.at(-1)).toBe(`${lastSequence}@${lastSequence}`);
  });

  it('do not tell of batches that could not be written', () => {
    const { machine, log } = machineWithEight();
    machine.disk.failNext({ operation: 'write', code: 'ENOSPC' });
    expect(log.append([numbered(log, { sequence: 8 })])).toMatchObject({ appended: 0 });
    expect(known(log)?.at(-1)).toBe('7@7');
  });

  it('survive the deletion of their batches', () => {
    const { machine, log } = machineWithEight();
    log.advanceLogStartOffset(toOffset(8));
    expect(log.applyRetention(machine.clock.wallMs())).toBeGreaterThan(0);
    machine.settle();
    expect(known(log)).toHaveLength(5);
    close(machine, log);
    expect(snapshots(machine).every((offset) => offset >= log.logStartOffset - 2)).toBe(true);
    const opened = machine.open({ logStartOffset: toOffset(8) });
    expect(known(opened)?.at(-1)).toBe('7@7');
  });

  it('survive the deletion of their batches, and a crash after it', () => {
    const { machine, log } = machineWithEight();
    append(log, { producerId: 2, sequence: 0, valueBytes: 300 });
    machine.settle();
    log.advanceLogStartOffset(toOffset(8));
    expect(log.applyRetention(machine.clock.wallMs())).toBeGreaterThan(0);
    machine.settle();
    machine.crash();
    const opened = machine.open({ logStartOffset: toOffset(8), recovery: from(log.recoveryPoint) });
    expect(known(opened)?.at(-1)).toBe('7@7');
    expect(known(opened, 2)).toEqual(['0@8']);
  });

  it('are forgotten when they are silent for producer.id.expiration.ms, also while the log is closed', () => {
    const { machine, log } = machineWithEight();
    log.expireProducers(machine.clock.wallMs() + 86_399_999);
    expect(log.producers.count).toBe(1);
    log.expireProducers(machine.clock.wallMs() + 86_400_000);
    expect(log.producers.count).toBe(0);
    append(log, { sequence: 8 });
    close(machine, log);
    machine.clock.advance(86_400_000);
    expect(machine.open().producers.count).toBe(0);
  });

  it('come from an older snapshot and all batches behind it when the newest is damaged', () => {
    const { machine, log } = machineWithEight();
    close(machine, log);
    const offsets = snapshots(machine);
    damage(machine, 8);
    expect(known(machine.open())).toEqual(['3@3', '4@4', '5@5', '6@6', '7@7']);
    expect(
      machine.logger.lines.filter(({ message }) => message.includes('damaged producer snapshot')),
    ).toHaveLength(1);
    machine.crash();
    for (const offset of offsets) damage(machine, offset);
    expect(known(machine.open({ recovery: from(8) }))).toEqual(['3@3', '4@4', '5@5', '6@6', '7@7']);
  });

  it('are those at the new end of a log that was cut', () => {
    const { machine, log } = machineWithEight();
    machine.settle();
    expect(machine.wait((done) => log.truncateTo(toOffset(5), done))).toBeNull();
    expect(known(log)).toEqual(['0@0', '1@1', '2@2', '3@3', '4@4']);
    expect(snapshots(machine).every((offset) => offset <= 5)).toBe(true);
    append(log, { sequence: 5 });
    close(machine, log);
    expect(known(machine.open())?.at(-1)).toBe('5@5');
  });

  it('know nothing of a log that begins anew', () => {
    const { machine, log } = machineWithEight();
    close(machine, log);
    const opened = machine.open({ logStartOffset: toOffset(20) });
    expect([opened.producers.count, snapshots(machine)]).toEqual([0, []]);
  });

  it('are not looked for after a clean stop of a log without snapshots', () => {
    const { machine, log } = machineWithEight();
    close(machine, log);
    for (const offset of snapshots(machine)) machine.disk.remove(path(offset), () => {});
    machine.settle();
    expect(machine.open().producers.count).toBe(0);
  });

  it('have a snapshot for each segment and two more, as long as those are there', () => {
    const { machine, log } = machineWithEight();
    machine.settle();
    for (let round = 0; round < 4; round++) {
      const opened = round === 0 ? log : machine.open({ config: { ...CONFIG, segmentBytes: 10_000 } });
      append(opened, { sequence: 8 + round });
      close(machine, opened);
    }
    machine.open();
    machine.settle();
    const bases = machine
      .names()
      .flatMap((name) => (name.endsWith('.log') ? [Number(name.slice(0, 20))] : []));
    const others = snapshots(machine).filter((offset) => !bases.includes(offset));
    expect(others).toEqual([11, 12]);
  });

  it('write no snapshot for a log that nobody wrote to', () => {
    const machine = new LogMachine();
    close(machine, machine.open());
    expect(snapshots(machine)).toEqual([]);
    const { machine: used, log } = machineWithEight();
    close(used, log);
    const before = snapshots(used);
    close(used, used.open());
    expect(snapshots(used)).toEqual(before);
  });

  it('tell when the last snapshot cannot be written: the stop is not clean', () => {
    const { machine, log } = machineWithEight();
    machine.settle();
    machine.disk.failNext({ operation: 'rename', code: 'EIO' });
    expect(machine.wait((done) => log.close(done))).toBeInstanceOf(Error);
    expect(known(machine.open({ recovery: from(0) }))?.at(-1)).toBe('7@7');
  });

  it('are read by a job when much is to be read, and right here when the job fails', () => {
    const machine = new LogMachine();
    const config = {
      ...CONFIG,
      segmentBytes: 10_000_000,
      segmentIndexBytes: 100_000,
      indexIntervalBytes: 4096,
    };
    const log = machine.open({ config });
    for (let sequence = 0; sequence < 20; sequence++) append(log, { sequence, valueBytes: 100_000 });
    machine.crash();
    const ran: string[] = [];
    const run = machine.jobs.run.bind(machine.jobs);
    machine.jobs.run = (name, input, done) => {
      ran.push(name);
      if (name === 'replay-producers')
        machine.clock.after(0, () => done(new Error('the queue is full'), undefined));
      else run(name, input, done);
    };
    const newest = ['15@15', '16@16', '17@17', '18@18', '19@19'];
    expect(known(machine.open({ config, recovery: from(0) }))).toEqual(newest);
    expect(ran).toContain('replay-producers');
    machine.crash();
    machine.jobs.run = run;
    expect(known(machine.open({ config, recovery: from(0) }))).toEqual(newest);
  });

  it('of a long log are complete as far as the last 16 MiB tell', () => {
    const machine = new LogMachine();
    const config = {
      ...CONFIG,
      segmentBytes: 30_000_000,
      segmentIndexBytes: 100_000,
      indexIntervalBytes: 4096,
    };
    const log = machine.open({ config });
    append(log, { producerId: 1, sequence: 0 });
    append(log, { producerId: 1, sequence: 1 });
    for (let sequence = 0; sequence < 20; sequence++)
      append(log, { producerId: 2, sequence, valueBytes: 1_000_000 });
    close(machine, log);
    const opened = machine.open({ config });
    expect(known(opened, 1)).toEqual(['1@1']);
    expect(known(opened, 2)).toHaveLength(5);
  });
});

/** What all headers of the log say. */
function fromHeaders(log: Log): ProducerStates {
  const states = new ProducerStates();
  log.forEachHeader(toOffset(0), (bytes) => states.apply(bytes, 0, 0));
  return states;
}

function expectAsLogged(log: Log, context: string): void {
  const windows = (states: ProducerStates) =>
    [...states.all]
      .map(({ producerId, epoch, batches }) => ({ producerId, epoch, batches }))
      .sort((a, b) => a.producerId - b.producerId);
  expect(windows(log.producers), context).toEqual(windows(fromHeaders(log)));
}

describe("A log's producers, at random", () => {
  it.each(Array.from({ length: 12 }, (_, run) => run))(
    'are what the log says after every restart, run %i',
    (run) => {
      const random = seededRandom(seed + run);
      const machine = new LogMachine(seed + run);
      const config = { ...CONFIG, segmentBytes: 400 + random.below(3000), flushMessages: pickFlush(random) };
      let log = machine.open({ config });
      const next = new Map<number, { epoch: number; sequence: number }>();
      let longest = 0;
      for (let step = 0; step < 60; step++) {
        const context = `SEED=${seed}, run ${run}, step ${step}`;
        appendSome(log, random, next);
        longest = Math.max(longest, log.logEndOffset);
        if (random.below(3) === 0) machine.clock.advance(random.below(50));
        const restart = random.below(10);
        if (restart > 3) continue;
        const { recoveryPoint } = log;
        if (restart === 0) {
          close(machine, log);
          log = machine.open({ config });
        } else if (restart === 1) {
          machine.crash();
          log = machine.open({ config, recovery: from(recoveryPoint) });
        } else if (restart === 2) {
          machine.losePower();
          log = machine.open({ config, recovery: from(recoveryPoint) });
        } else {
          machine.settle();
          expect(
            machine.wait((done) => log.truncateTo(toOffset(random.below(log.logEndOffset + 1)), done)),
          ).toBeNull();
        }
        expectAsLogged(log, context);
      }
      expect(longest).toBeGreaterThan(0);
    },
  );
});

const pickFlush = (random: Random) => [1, 20, Number.POSITIVE_INFINITY][random.below(3)] ?? 1;

function appendSome(log: Log, random: Random, next: Map<number, { epoch: number; sequence: number }>): void {
  const group: AppendBatch[] = [];
  let offset = log.logEndOffset;
  for (let i = random.below(6); i >= 0; i--) {
    const producerId = random.below(4) - 1;
    const state = next.get(producerId) ?? { epoch: 0, sequence: random.below(2) * (2 ** 31 - 5) };
    if (random.below(12) === 0) {
      state.epoch++;
      state.sequence = 0;
    }
    const count = 1 + random.below(3);
    const spec = producerId < 0 ? { epoch: -1, sequence: -1 } : state;
    const batch = numbered(offset, { producerId, ...spec, count });
    state.sequence = sequenceAfter(state.sequence, count);
    next.set(producerId, state);
    offset = toOffset(batch.lastOffset + 1);
    group.push(batch);
  }
  expect(log.append(group).error).toBeNull();
}

import { describe, expect, it } from 'vitest';
import { batches, CONFIG, DIRECTORY, from, LogMachine } from './log-fixture.js';

const config = { ...CONFIG, segmentBytes: 400, retentionMs: 0 };
const FIRST = `${DIRECTORY}/00000000000000000000`;

/** A log of four segments, flushed, whose process died. */
function crashed(): LogMachine {
  const machine = new LogMachine();
  const log = machine.open({ config });
  log.append(batches(0, 20));
  machine.wait((done) => log.flush(done));
  machine.settle();
  machine.crash();
  return machine;
}

const lines = (machine: LogMachine, level: string) =>
  machine.logger.lines.filter((line) => line.level === level);

describe('Maintenance', () => {
  it('runs one job at a time', () => {
    const machine = crashed();
    const run = machine.jobs.run.bind(machine.jobs);
    let running = 0;
    let most = 0;
    let count = 0;
    machine.jobs.run = (name, input, done) => {
      running++;
      count++;
      most = Math.max(most, running);
      run(name, input, (error, output) => {
        running--;
        done(error, output);
      });
    };
    machine.open({ config, recovery: from(20) });
    machine.settle();
    expect(most).toBe(1);
    // One recovers the active segment, four verify.
    expect(count).toBe(5);
  });

  it('tries again while the job queue is full, and gives up in the end', () => {
    const machine = crashed();
    const log = machine.open({ config, recovery: from(20) });
    let attempts = 0;
    machine.jobs.run = (name, _input, done) => {
      attempts++;
      machine.clock.after(1, () => done(new Error(`${name}: the queue is full`), undefined));
    };
    machine.clock.advance(60_000);
    expect(attempts).toBe(3 * 5);
    expect(lines(machine, 'warn')).toHaveLength(3);
    expect(log.logEndOffset).toBe(20);
  });

  it('does not mind that a segment was deleted meanwhile', () => {
    const machine = crashed();
    const log = machine.open({ config, recovery: from(20) });
    log.applyRetention(1_000_000);
    machine.clock.advance(200_000);
    expect(lines(machine, 'warn')).toEqual([]);
    expect(lines(machine, 'error')).toEqual([]);
  });

  it('stops when the log is closed', () => {
    const machine = crashed();
    machine.disk.corrupt(`${FIRST}.log`, 70);
    const log = machine.open({ config, recovery: from(20) });
    expect(machine.wait((done) => log.close(done))).toBeNull();
    machine.settle();
    expect(lines(machine, 'error')).toEqual([]);
  });

  it('has index files that it made anew on the disk at once: nobody else knows that they are not', () => {
    const machine = crashed();
    for (const suffix of ['index', 'timeindex'])
      machine.wait((done) => machine.disk.remove(`${FIRST}.${suffix}`, done));
    machine.wait((done) => machine.disk.syncDirectory(DIRECTORY, done));
    machine.open({ config, recovery: from(20) });
    machine.clock.advance(60_000);
    for (const suffix of ['index', 'timeindex']) {
      const path = `${FIRST}.${suffix}`;
      expect(machine.disk.contents(path).length, path).toBeGreaterThan(0);
      expect(machine.disk.durableContents(path), path).toEqual(machine.disk.contents(path));
    }
  });

  it('reports an error of the disk and leaves the log as it is', () => {
    const machine = crashed();
    machine.wait((done) => machine.disk.remove(`${FIRST}.index`, done));
    const log = machine.open({ config, recovery: from(20) });
    machine.disk.failNext({ operation: 'write', path: /index$/, times: 2 });
    machine.settle();
    expect(machine.disk.contents(`${FIRST}.index`).length).toBeGreaterThan(0);
    expect(log.offline).toBeNull();
  });
});

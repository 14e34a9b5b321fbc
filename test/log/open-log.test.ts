import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { toOffset, toTopicId } from '../../src/base/ids.js';
import type { Log } from '../../src/log/log.js';
import {
  batch,
  batches,
  CONFIG,
  concat,
  DIRECTORY,
  epoch,
  from,
  LogMachine,
  TOPIC_ID,
} from './log-fixture.js';

const FIRST = '00000000000000000000';
const file = (name: string) => `${DIRECTORY}/${name}`;

/** Overwrites a part of a file, or cuts it with null. */
function tamper(machine: LogMachine, name: string, position: number, bytes: Uint8Array | null): void {
  const handle = machine.disk.open(file(name), 'write');
  if (bytes) machine.disk.write(handle, position, [bytes]);
  else machine.disk.truncate(handle, position);
  machine.disk.close(handle);
}

function warnings(machine: LogMachine) {
  return machine.logger.lines.filter(({ level }) => level === 'warn');
}

function offsetsIn(log: Log): number[] {
  const offsets: number[] = [];
  log.forEachHeader(toOffset(0), (header) => offsets.push(header.readInt32BE(4)));
  return offsets;
}

/** A log of batches with one record each that was closed in good order. */
function closedLog(count: number, config = CONFIG): LogMachine {
  const machine = new LogMachine();
  const log = machine.open({ config });
  log.append(batches(0, count));
  machine.wait((done) => log.close(done));
  return machine;
}

describe('openLog', () => {
  it('makes the folder, and a segment at the log start', () => {
    const machine = new LogMachine();
    const log = machine.open({ logStartOffset: toOffset(7) });
    expect([log.logStartOffset, log.logEndOffset, log.recoveryPoint]).toEqual([7, 7, 7]);
    expect(machine.names()).toEqual(['00000000000000000007.log', 'partition.metadata']);
  });

  describe('of a folder that does not say whose it is', () => {
    /** A log of some batches, and what a crash left of the mark. */
    const unmarked = (mark: string | null): LogMachine => {
      const machine = new LogMachine();
      machine.open().append(batches(0, 3));
      machine.crash();
      const path = `${DIRECTORY}/partition.metadata`;
      if (mark === null) expect(machine.wait((done) => machine.disk.remove(path, done))).toBeNull();
      else {
        const file = machine.disk.open(path, 'write');
        machine.disk.truncate(file, 0);
        machine.disk.write(file, 0, [Buffer.from(mark)]);
        machine.disk.close(file);
      }
      return machine;
    };
    const never = { type: 'from', recoveryPoint: toOffset(0) } as const;
    const flushed = { type: 'from', recoveryPoint: toOffset(2) } as const;

    it.each([null, '', 'version: 0\ntopic_id: o_EPB'])(
      'marks it anew if nothing was ever flushed: %j',
      (mark) => {
        const machine = unmarked(mark);
        expect(machine.open({ recovery: never }).logEndOffset).toBe(3);
        expect(machine.disk.contents(`${DIRECTORY}/partition.metadata`).toString()).toContain(TOPIC_ID);
      },
    );

    it('refuses a torn mark of a log that was flushed or closed, which has one that was not torn', () => {
      for (const recovery of [flushed, { type: 'clean' } as const])
        expect(unmarked('').tryOpen({ recovery }), recovery.type).toBeInstanceOf(OdradekError);
    });

    it('refuses one of another topic in any case', () => {
      const mark = 'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ';
      for (const recovery of [never, flushed]) {
        const refused = unmarked(mark).tryOpen({ recovery });
        expect(String(refused)).toContain('belongs to topic id AAAAAAAAAAAAAAAAAAAAAQ');
      }
    });
  });

  it('opens after a crash on a full disk, reads all, and rebuilds the indexes when there is room', () => {
    const config = { ...CONFIG, segmentBytes: 5 * 76, indexIntervalBytes: 0 };
    const machine = new LogMachine();
    const log = machine.open({ config });
    log.append(batches(0, 23));
    machine.crash();
    machine.disk.capacityBytes = 0;
    const from = { type: 'from', recoveryPoint: toOffset(0) } as const;
    const opened = machine.open({ config, recovery: from });
    expect(opened.logEndOffset).toBe(23);
    const offsets: number[] = [];
    opened.forEachHeader(toOffset(0), (header) => offsets.push(Number(header.readBigInt64BE(0))));
    expect(offsets).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(opened.append(batches(23, 1)).error?.code).toBe('ENOSPC');
    machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    machine.clock.advance(120_000);
    expect(opened.append(batches(23, 1)).appended).toBe(1);
    expect(machine.wait((done) => opened.close(done))).toBeNull();
    const sizes = (suffix: string) =>
      machine
        .names()
        .flatMap((name) => (name.endsWith(suffix) ? [machine.disk.contents(file(name)).length] : []));
    // Of all segments but the one that was active: an entry for each batch but the first, and the greatest timestamp.
    expect(sizes('.index').slice(0, 4)).toEqual([32, 32, 32, 32]);
    expect(
      sizes('.timeindex')
        .slice(0, 4)
        .every((size) => size > 0),
    ).toBe(true);
    const again = machine.open({ config });
    expect(again.logEndOffset).toBe(24);
  });

  it('refuses a folder that belongs to another topic', () => {
    const machine = closedLog(1);
    const result = machine.tryOpen({ topicId: toTopicId('AAAAAAAAAAAAAAAAAAAAAQ') });
    expect(result).toBeInstanceOf(OdradekError);
    expect(result).toMatchObject({ code: 'ODR_CORRUPT', message: expect.stringContaining(DIRECTORY) });
  });

  it('reports a disk error', () => {
    const machine = closedLog(1);
    machine.disk.failNext({ operation: 'list', code: 'EACCES' });
    expect(machine.tryOpen()).toMatchObject({ code: 'EACCES' });
  });

  it('removes what a crash left half done, and indexes without a segment', () => {
    const machine = closedLog(1);
    const leftovers = [
      `${FIRST}.log.deleted`,
      `${FIRST}.log.cleaned`,
      `${FIRST}.index.swap`,
      'leader-epoch-checkpoint.tmp',
    ];
    for (const name of [...leftovers, '00000000000000000009.timeindex']) {
      machine.disk.close(machine.disk.open(file(name), 'write'));
    }
    machine.open();
    expect(machine.names()).toEqual([
      ...[`${FIRST}.index`, `${FIRST}.log`, `${FIRST}.timeindex`, '00000000000000000001.snapshot'],
      ...['leader-epoch-checkpoint', 'partition.metadata'],
    ]);
  });

  it('begins anew at a log start that lies behind the end', () => {
    const machine = closedLog(5);
    const log = machine.open({ logStartOffset: toOffset(9) });
    expect([log.logStartOffset, log.logEndOffset]).toEqual([9, 9]);
    expect(machine.names().filter((name) => name.endsWith('.log'))).toEqual(['00000000000000000009.log']);
    expect(warnings(machine)).toHaveLength(1);
  });

  it('begins where it was told to, in the midst of a segment, whatever the segment holds', () => {
    const machine = closedLog(6);
    for (const logStartOffset of [toOffset(4), toOffset(6)]) {
      const log = machine.open({ logStartOffset });
      expect([log.logStartOffset, log.logEndOffset]).toEqual([logStartOffset, 6]);
      machine.wait((done) => log.close(done));
    }
  });

  describe('after a clean stop', () => {
    it('finds the end without scanning, and goes on appending', () => {
      const machine = closedLog(100, { ...CONFIG, segmentBytes: 2000 });
      const before = machine.disk.operations;
      const log = machine.open();
      expect(log.logEndOffset).toBe(100);
      expect(log.recoveryPoint).toBe(100);
      expect(machine.disk.operations - before).toBeLessThan(30 + log.segmentCount * 10);
      log.append(batches(100, 1));
      expect(machine.bytes()).toEqual(concat(batches(0, 101)));
      expect(warnings(machine)).toEqual([]);
    });

    it('keeps no file open that is not used', () => {
      const machine = closedLog(50);
      const opened = new Set<unknown>();
      const { disk } = machine;
      const [open, close] = [disk.open.bind(disk), disk.close.bind(disk)];
      disk.open = (path, mode) => {
        const handle = open(path, mode);
        opened.add(handle);
        return handle;
      };
      disk.close = (handle) => {
        opened.delete(handle);
        close(handle);
      };
      machine.open();
      machine.settle();
      expect(opened.size).toBe(0);
    });

    it('knows the greatest timestamps of sealed segments', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 152, retentionMs: 100 };
      const first = machine.open({ config });
      first.append(
        [0, 1, 2, 3].map((baseOffset) =>
          batch({ baseOffset, timestampMs: baseOffset < 2 ? 1000 - baseOffset : 1500 - baseOffset }),
        ),
      );
      machine.wait((done) => first.close(done));
      const again = machine.open({ config });
      expect(again.applyRetention(1100)).toBe(0);
      expect(again.applyRetention(1101)).toBe(1);
    });

    it('verifies and cuts the end if it is not what it should be', () => {
      const machine = closedLog(5);
      tamper(machine, `${FIRST}.log`, 5 * 76 - 1, null);
      const log = machine.open();
      expect(log.logEndOffset).toBe(4);
      expect(warnings(machine).map(({ fields }) => fields['position'])).toEqual([undefined, 4 * 76]);
      expect(machine.bytes()).toEqual(concat(batches(0, 4)));
    });
  });

  describe('after a crash', () => {
    const all = [
      batch({ baseOffset: 0, count: 2 }),
      batch({ baseOffset: 2 }),
      batch({ baseOffset: 3, valueBytes: 20 }),
    ];
    const total = concat(all).length;
    const starts = all.map((_, i) => concat(all.slice(0, i)).length);

    /** A log with these batches of which nothing is known to be durable. */
    function crashed(): LogMachine {
      const machine = new LogMachine();
      machine.open().append(all);
      machine.settle();
      machine.crash();
      return machine;
    }

    it('cuts a torn tail at every length', () => {
      for (let length = 0; length <= total; length++) {
        const machine = crashed();
        tamper(machine, `${FIRST}.log`, length, null);
        const whole = all.filter((_, i) => concat(all.slice(0, i + 1)).length <= length);
        const log = machine.open({ recovery: from(0) });
        expect(machine.bytes(), `cut to ${length}`).toEqual(concat(whole));
        expect(log.logEndOffset).toBe(whole.length === 0 ? 0 : (whole.at(-1)?.lastOffset ?? 0) + 1);
        const torn = concat(whole).length < length;
        expect(
          warnings(machine).map(({ fields }) => [fields['file'], fields['position'], fields['bytes']]),
        ).toEqual(torn ? [[file(`${FIRST}.log`), concat(whole).length, length - concat(whole).length]] : []);
      }
    });

    it('cuts at a corrupt batch whichever byte is wrong, but for those that no checksum covers', () => {
      for (let position = 0; position < total; position++) {
        const machine = crashed();
        machine.disk.corrupt(file(`${FIRST}.log`), position);
        const index = starts.findLastIndex((start) => start <= position);
        const inBatch = position - (starts[index] ?? 0);
        machine.open({ recovery: from(0) });
        const kept = machine.bytes().length;
        if (inBatch >= 12 && inBatch < 16) expect(kept).toBe(total);
        else if (inBatch < 8) expect([total, starts[index], starts[index + 1]]).toContain(kept);
        else expect(kept, `byte ${position}`).toBe(starts[index]);
      }
    });

    it('cuts nothing before the recovery point and reports what is corrupt there', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 400 };
      const log = machine.open({ config });
      log.append(batches(0, 20));
      machine.wait((done) => log.flush(done));
      machine.losePower();
      machine.disk.corrupt(file(`${FIRST}.log`), 76 + 70);
      machine.disk.corrupt(file(`${FIRST}.log`), 3 * 76 + 16);
      machine.disk.corrupt(file('00000000000000000015.log'), 30);
      const again = machine.open({ config, recovery: from(18) });
      machine.settle();
      expect(again.logEndOffset).toBe(20);
      expect(warnings(machine)).toEqual([]);
      const errors = machine.logger.lines.filter(({ level }) => level === 'error');
      expect(errors.map(({ fields }) => [fields['file'], fields['position']])).toEqual([
        [file(`${FIRST}.log`), 76],
        [file(`${FIRST}.log`), 3 * 76],
        [file('00000000000000000015.log'), 0],
      ]);
      expect(again.sizeBytes).toBe(20 * 76);
    });

    it('cuts all later segments too, and says so once', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 400 };
      machine.open({ config }).append(batches(0, 20));
      machine.settle();
      machine.crash();
      machine.disk.corrupt(file('00000000000000000005.log'), 2 * 76 + 65);
      const log = machine.open({ config, recovery: from(0) });
      expect(log.logEndOffset).toBe(7);
      expect(offsetsIn(log)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(warnings(machine)).toHaveLength(1);
      expect(warnings(machine)[0]?.fields).toMatchObject({
        file: file('00000000000000000005.log'),
        position: 152,
        bytes: 13 * 76,
        reason: expect.stringContaining('checksum'),
      });
      expect(machine.names().filter((name) => name.endsWith('.log'))).toHaveLength(2);
      log.append(batches(7, 10));
      machine.wait((done) => log.close(done));
      expect(offsetsIn(machine.open({ config }))).toHaveLength(17);
    });

    it('does not leave a hole where a sealed segment lost its tail', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 400 };
      machine.open({ config }).append(batches(0, 12));
      machine.settle();
      machine.crash();
      tamper(machine, '00000000000000000005.log', 3 * 76, null);
      const log = machine.open({ config, recovery: from(2) });
      expect(log.logEndOffset).toBe(8);
      expect(warnings(machine)[0]?.fields['reason']).toContain('begins at 10');
    });

    it('scans from the index entry before the recovery point only', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 1_000_000, segmentIndexBytes: 100_000 };
      const log = machine.open({ config });
      log.append(batches(0, 1000));
      machine.wait((done) => log.flush(done));
      log.append(batches(1000, 3));
      machine.crash();
      const scans: unknown[] = [];
      const { jobs } = machine;
      const run = jobs.run.bind(jobs);
      jobs.run = (name, input, done) => {
        scans.push(input);
        run(name, input, done);
      };
      expect(machine.open({ config, recovery: from(1000) }).logEndOffset).toBe(1003);
      expect((scans[0] as { fromPosition: number }).fromPosition).toBeGreaterThan(500 * 76);
    });

    it('scans an end that is short without a job', () => {
      for (const byJob of [true, false]) {
        const machine = new LogMachine();
        const log = machine.open();
        log.append(batches(0, 3));
        const bytes = log.activeSegmentBytes;
        machine.crash();
        const { jobs } = machine;
        const run = jobs.run.bind(jobs);
        const names: string[] = [];
        jobs.run = (name, input, done) => {
          names.push(name);
          run(name, input, done);
        };
        const scanHereBytes = byJob ? bytes - 1 : bytes;
        expect(machine.open({ recovery: from(0), scanHereBytes }).logEndOffset).toBe(3);
        expect(names.includes('scan-segment')).toBe(byJob);
      }
    });

    it('does not begin at an index entry that points at no batch', () => {
      for (const [offset, position] of [
        [40, 40 * 76 + 8],
        [41, 40 * 76],
      ] as const) {
        const machine = new LogMachine();
        const config = { ...CONFIG, segmentBytes: 100_000 };
        const log = machine.open({ config });
        log.append(batches(0, 50));
        machine.wait((done) => log.close(done));
        const entry = Buffer.alloc(8);
        entry.writeInt32BE(offset, 0);
        entry.writeInt32BE(position, 4);
        tamper(machine, `${FIRST}.index`, 0, null);
        tamper(machine, `${FIRST}.index`, 0, entry);
        machine.crash();
        const again = machine.open({ config, recovery: from(45) });
        expect([again.logEndOffset, warnings(machine)]).toEqual([50, []]);
        expect(offsetsIn(again)).toHaveLength(50);
      }
    });

    it('rebuilds indexes as they would have been written', () => {
      const config = { ...CONFIG, segmentBytes: 100_000, segmentIndexBytes: 100_000 };
      const closed = closedLog(300, config);
      const machine = new LogMachine();
      machine.open({ config }).append(batches(0, 300));
      machine.settle();
      machine.crash();
      machine.wait((done) => machine.open({ config, recovery: from(0) }).close(done));
      for (const suffix of ['index', 'timeindex']) {
        expect(machine.disk.contents(file(`${FIRST}.${suffix}`))).toEqual(
          closed.disk.contents(file(`${FIRST}.${suffix}`)),
        );
      }
    });

    it('takes leader epochs from the batches, and never forgets an epoch that was in use', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append([...batches(0, 3, { leaderEpoch: 1 }), ...batches(3, 3, { leaderEpoch: 2 })]);
      machine.settle();
      machine.crash();
      tamper(machine, `${FIRST}.log`, 2 * 76, null);
      const again = machine.open({ recovery: from(0) });
      expect([again.logEndOffset, again.latestLeaderEpoch]).toEqual([2, 2]);
      expect(again.endOffsetForEpoch(again.epochAt(toOffset(1)))).toEqual({ epoch: 1, endOffset: 2 });
    });
  });

  describe('after its thread died', () => {
    it('keeps what was published without verifying it, and verifies what follows', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 400 };
      machine.open({ config }).append(batches(0, 13));
      machine.settle();
      machine.crash();
      machine.disk.corrupt(file('00000000000000000010.log'), 70);
      machine.disk.corrupt(file('00000000000000000010.log'), 2 * 76 + 70);
      const recovery = { type: 'worker-died', segmentBaseOffset: toOffset(10), bytes: 2 * 76 } as const;
      const log = machine.open({ config, recovery });
      expect(log.logEndOffset).toBe(12);
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(log.recoveryPoint).toBe(12);
    });

    it('takes over segments that were rolled but not published', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentBytes: 400 };
      machine.open({ config }).append(batches(0, 13));
      machine.settle();
      machine.crash();
      const recovery = { type: 'worker-died', segmentBaseOffset: toOffset(5), bytes: 76 } as const;
      expect(machine.open({ config, recovery }).logEndOffset).toBe(13);
    });
  });

  describe('never trusts indexes', () => {
    const config = { ...CONFIG, segmentBytes: 4000 };
    const garbage = Buffer.alloc(400, 0x5a);
    const damages: Record<string, (machine: LogMachine, name: string) => void> = {
      missing: (machine, name) => {
        machine.wait((done) => machine.disk.remove(file(name), done));
      },
      torn: (machine, name) => tamper(machine, name, 13, null),
      'full of garbage': (machine, name) => tamper(machine, name, 0, garbage),
      'preallocated with zeroes': (machine, name) => tamper(machine, name, 0, Buffer.alloc(4096)),
      'larger than the log': (machine, name) => tamper(machine, name, 0, Buffer.alloc(100_000, 1)),
      'pointing behind the file': (machine, name) => {
        tamper(machine, name, 0, null);
        tamper(
          machine,
          name,
          0,
          Buffer.from('000000010010000000100000', 'hex').subarray(0, name.endsWith('timeindex') ? 12 : 8),
        );
      },
    };
    for (const [damage, inflict] of Object.entries(damages)) {
      for (const suffix of ['index', 'timeindex']) {
        for (const segment of [FIRST, '00000000000000000052']) {
          it(`rebuilds ${segment}.${suffix} that is ${damage}`, () => {
            const sound = closedLog(80, config);
            const machine = closedLog(80, config);
            inflict(machine, `${segment}.${suffix}`);
            const log = machine.open({ config });
            machine.settle();
            expect(log.logEndOffset).toBe(80);
            expect(offsetsIn(log)).toEqual(Array.from({ length: 80 }, (_, i) => i));
            const rebuilt = () => machine.disk.contents(file(`${segment}.${suffix}`));
            expect(rebuilt()).toEqual(sound.disk.contents(file(`${segment}.${suffix}`)));
          });
        }
      }
    }
  });

  it('passes over a leader epoch that is still to come: the checksum of a batch does not cover it', () => {
    const machine = new LogMachine();
    const first = machine.open();
    first.append([...batches(0, 2, { leaderEpoch: 3 }), ...batches(2, 2, { leaderEpoch: 4 })]);
    const { sizeBytes } = first;
    machine.settle();
    machine.crash();
    tamper(machine, `${FIRST}.log`, sizeBytes / 4 + 12, Buffer.from([0x10]));
    machine.wait((done) => machine.disk.remove(file('leader-epoch-checkpoint'), done));
    const log = machine.open({ recovery: from(0), leaderEpoch: epoch(5) });
    expect(log.leaderEpochs).toEqual([
      { epoch: 3, startOffset: 0 },
      { epoch: 4, startOffset: 2 },
    ]);
    expect(offsetsIn(log)).toEqual([0, 1, 2, 3]);
    expect(warnings(machine)).toMatchObject([{ fields: { epoch: 0x10000003, offset: 1 } }]);
    log.assignLeaderEpoch(epoch(5));
    expect(log.latestLeaderEpoch).toBe(5);
  });

  describe('leader epoch checkpoint', () => {
    for (const [what, content] of [
      ['missing', null],
      ['malformed', '0\n1\nfive 0\n'],
      ['out of order', '0\n2\n5 0\n4 3\n'],
      ['ahead of the leader', '0\n1\n700 0\n'],
    ] as const) {
      it(`is read from the batches when it is ${what}`, () => {
        const machine = new LogMachine();
        const first = machine.open({ config: { ...CONFIG, segmentBytes: 200 } });
        first.append([...batches(0, 4, { leaderEpoch: 3 }), ...batches(4, 4, { leaderEpoch: 6 })]);
        machine.wait((done) => first.close(done));
        const name = 'leader-epoch-checkpoint';
        tamper(machine, name, 0, null);
        if (content) tamper(machine, name, 0, Buffer.from(content));
        else machine.wait((done) => machine.disk.remove(file(name), done));
        const log = machine.open({ leaderEpoch: epoch(7) });
        machine.wait((done) => log.close(done));
        expect(machine.disk.contents(file(name)).toString()).toBe('0\n2\n3 0\n6 4\n');
      });
    }
  });

  it('opens all the same when jobs cannot be run', () => {
    const machine = new LogMachine();
    machine.open().append(batches(0, 3));
    machine.settle();
    machine.crash();
    machine.jobs.run = (name, _input, done) => {
      machine.clock.after(1, () => done(new Error(`${name}: the queue is full`), undefined));
    };
    expect(machine.open({ recovery: from(0) }).logEndOffset).toBe(3);
  });
});

import { describe, expect, it } from 'vitest';
import { PartitionLedger, type PlacedRecord } from './cleaning-ledger.js';

const topic = (policy: { isCompacted: boolean; isDeleted: boolean }) => ({
  ...{ name: 't', configs: {} },
  ...policy,
});
const COMPACTED = topic({ isCompacted: true, isDeleted: false });
const DELETED = topic({ isCompacted: false, isDeleted: true });
const BOTH = topic({ isCompacted: true, isDeleted: true });

const value = (offset: number, key: string, sequence: number): PlacedRecord => ({
  ...{ offset, key, sequence, isTombstone: false },
});
const tombstone = (offset: number, key: string, sequence: number): PlacedRecord => ({
  ...{ offset, key, sequence, isTombstone: true },
});

/** Four records: a, b, a again, and b's tombstone. */
const RECORDS = [value(0, 'a', 0), value(1, 'b', 0), value(2, 'a', 1), tombstone(3, 'b', 1)];
const [A0, B0, A1, B1] = RECORDS as [PlacedRecord, PlacedRecord, PlacedRecord, PlacedRecord];

function ledgerOf(kind = COMPACTED, records: readonly PlacedRecord[] = RECORDS): PartitionLedger {
  const ledger = new PartitionLedger(kind, 0);
  for (const record of records) ledger.acknowledge(record);
  return ledger;
}

/** Reads these records from a log that begins there. */
function read(ledger: PartitionLedger, records: readonly PlacedRecord[], logStart = 0): void {
  ledger.judge(ledger.begin(), { logStartBefore: logStart, logStartAfter: logStart, records });
}

describe('PartitionLedger', () => {
  it('takes what was acknowledged, before and after compaction', () => {
    const ledger = ledgerOf();
    for (const records of [RECORDS, [B0, A1, B1], [A1, B1], [A1], [A1]]) read(ledger, records);
    expect(ledger.departures).toEqual({ superseded: 2, tombstones: 1, belowLogStart: 0 });
  });

  it('takes records that were never acknowledged, and holds the log to them from then on', () => {
    const ledger = ledgerOf();
    const more = value(4, 'c', 0);
    read(ledger, [A1, B1, more]);
    read(ledger, [A1, B1]);
    expect(() => read(ledger, [A1, B1])).toThrow('t-0: c/0 at offset 4 is lost: there is nothing');
  });

  it('takes a newer record for the newest that was known', () => {
    const ledger = ledgerOf();
    const snapshot = ledger.begin();
    const records = [value(5, 'a', 2)];
    ledger.judge(snapshot, { logStartBefore: 0, logStartAfter: 0, records });
  });

  it.each<[string, () => void, string]>([
    [
      'a lost value, at the second sight',
      () => {
        const ledger = ledgerOf();
        read(ledger, [A0, B1]);
        read(ledger, [A0, B1]);
      },
      'a/1 at offset 2 is lost: there is only a/0',
    ],
    [
      'a lost value that comes back',
      () => {
        const ledger = ledgerOf();
        read(ledger, [A0, B1]);
        read(ledger, [A1, B1]);
      },
      'a/1 at offset 2 was gone, and came back',
    ],
    [
      'a lost value where nothing is compacted',
      () => read(ledgerOf(DELETED), [A0, B0]),
      'a/1 at offset 2 is lost: there is only a/0',
    ],
    [
      'what was gone and is back',
      () => {
        const ledger = ledgerOf();
        read(ledger, [A1, B1]);
        read(ledger, [A0, A1, B1]);
      },
      'a/0 at offset 0 was gone, and came back',
    ],
    [
      'an old value without its tombstone, at the second sight',
      () => {
        const ledger = ledgerOf();
        read(ledger, [B0, A1]);
        read(ledger, [B0, A1]);
      },
      'b/0 is there without its tombstone, b/1 (tombstone)',
    ],
    [
      'an old value that comes back after its tombstone went',
      () => {
        const ledger = ledgerOf();
        for (const records of [[A1, B1], [A1], [B0, A1]]) read(ledger, records);
      },
      'b/0 at offset 1 was gone, and came back',
    ],
    ['offsets that do not ascend', () => read(ledgerOf(), [A1, B0]), 'offset 1 comes after 2'],
    [
      'another record at an offset',
      () => read(ledgerOf(), [A0, value(1, 'c', 0), A1, B1]),
      'c/0 is at offset 1, where b/0 was',
    ],
    [
      'a value where a tombstone was sent',
      () => read(ledgerOf(), [A1, value(3, 'b', 1)]),
      'b/1 (tombstone) is at offset 3 as b/1',
    ],
    ['a record twice', () => read(ledgerOf(), [A1, B1, value(4, 'a', 1)]), 'a/1 comes after a/1'],
    [
      'a record that is acknowledged at a second offset',
      () => ledgerOf().acknowledge(value(7, 'a', 1)),
      'a/1 is at offsets 2 and 7',
    ],
    [
      'records of a key in another order',
      () => ledgerOf(COMPACTED, [value(0, 'a', 1), value(1, 'a', 0)]),
      'a/0 is at offset 1, and a/1 at 0',
    ],
    [
      'a log start where nothing deletes',
      () => read(ledgerOf(), [A1, B1], 2),
      'it begins at 2, and nothing deletes from it',
    ],
    [
      'a log start that goes back',
      () => {
        const ledger = ledgerOf(BOTH);
        read(ledger, [A1, B1], 2);
        read(ledger, [A1, B1], 1);
      },
      'the log start went back from 2 to 1',
    ],
    ['records below the log start', () => read(ledgerOf(BOTH), [B0, A1, B1], 2), 'offset 1 comes after 1'],
    ['a gap where nothing is compacted', () => read(ledgerOf(DELETED), [A0, A1, B1]), 'nothing at offset 1'],
    ['a late beginning', () => read(ledgerOf(DELETED), [A1, B1], 1), 'it begins at 2, and the log at 1'],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it('lets go what lies below the log start, the newest of a key too', () => {
    const ledger = ledgerOf(BOTH);
    read(ledger, [B1], 3);
    read(ledger, [B1], 3);
    expect(ledger.departures).toEqual({ superseded: 0, tombstones: 0, belowLogStart: 3 });
    expect(() => read(ledger, [A1, B1], 3)).toThrow('offset 2 comes after 2');
  });

  it('forgives a reading that it missed what a record behind its end superseded', () => {
    const ledger = ledgerOf();
    const snapshot = ledger.begin();
    ledger.judge(snapshot, { logStartBefore: 0, logStartAfter: 0, records: [B1] });
    const newer = value(9, 'a', 2);
    ledger.acknowledge(newer);
    read(ledger, [B1, newer]);
  });

  it('forgives a reading what compaction does meanwhile', () => {
    const ledger = ledgerOf();
    const first = ledger.begin();
    const second = ledger.begin();
    ledger.judge(second, { logStartBefore: 0, logStartAfter: 0, records: [A1] });
    // It began before the tombstone was missed, and may have met b before it was compacted away.
    ledger.judge(first, { logStartBefore: 0, logStartAfter: 0, records: [B0, A1] });
  });
});

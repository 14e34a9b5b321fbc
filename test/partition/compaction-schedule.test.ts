// Compaction as the host of a worker sees to it: the logs are real ones, on a simulated disk.
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/base/errors.js';
import type { CompactionSettings } from '../../src/partition/compaction-settings.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { HostScene } from './host-scene.js';

const SETTINGS: CompactionSettings = {
  isEnabled: true,
  backoffMs: 1000,
  keysBytesMax: 1024 * 1024,
  bytesPerSecondMax: Number.POSITIVE_INFINITY,
};
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.bytes': '2000',
  'file.delete.delay.ms': '0',
  'message.timestamp.after.max.ms': '9223372036854775807',
};

class Scene extends HostScene {
  /** One batch of one record for each key; a null value with `deleted`. */
  produce(slot: number, keys: readonly (string | null)[], value: string | null = 'some value'): number[] {
    const before = this.completed.length;
    for (const key of keys) {
      const builder = new BatchBuilder();
      const record = {
        timestampMs: this.machine.clock.wallMs(),
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: [],
      };
      builder.add(record);
      this.submit(slot, builder.build());
      this.publish();
      this.settle(0.5);
    }
    return this.completed.slice(before).map(({ error }) => error);
  }

  /** Keys `a` to `e` again and again. */
  fill(slot: number, count: number): void {
    this.produce(
      slot,
      Array.from({ length: count }, (_, i) => 'abcde'.charAt(i % 5)),
    );
  }

  /** The log's records, `key@offset`, from its segment files. */
  records(slot: number): string[] {
    const folder = `/data/orders-${slot}/`;
    const { disk } = this.machine;
    const segments = disk.files().filter((path) => path.startsWith(folder) && path.endsWith('.log'));
    return segments
      .sort()
      .flatMap((path) =>
        [...new BatchReader(disk.contents(path))].flatMap((batch) =>
          [...batch.records()].map(({ key, offset }) => `${key}@${offset}`),
        ),
      );
  }

  get compacted(): (number | undefined)[] {
    return this.machine.logger.lines
      .filter(({ message }) => message === 'log compacted')
      .map(({ fields }) => Number(fields['partition']));
  }
}

function scene(settings: Partial<CompactionSettings> = {}): Scene {
  return new Scene({ compaction: { ...SETTINGS, ...settings } });
}

describe('CompactionSchedule', () => {
  it('compacts what is dirty enough, and leaves the newest record of each key and the newest segment', () => {
    const host = scene();
    host.ask(host.open(0, COMPACTED));
    host.ask(host.open(1, { 'segment.bytes': '2000' }));
    for (const slot of [0, 1]) host.fill(slot, 100);
    expect(host.records(0).length).toBe(100);
    host.settle(3000);
    expect(host.compacted).toEqual([0]);
    expect(host.records(1).length).toBe(100);
    const left = host.records(0);
    expect(left.slice(-5)).toEqual(['a@95', 'b@96', 'c@97', 'd@98', 'e@99']);
    expect(left.length).toBeLessThan(40);
    for (const key of 'abcde') {
      const offsets = left.filter((record) => record.startsWith(key));
      expect(new Set(offsets).size).toBe(offsets.length);
    }
    host.settle(10_000);
    expect(host.compacted).toEqual([0]);
  });

  it('tells what it did, and what is to be done', () => {
    const host = scene();
    host.ask(host.open(0, COMPACTED));
    host.fill(0, 100);
    host.settle(100);
    expect(host.inspect('partitions')).toMatchObject({ 'odradek_partition_dirty_ratio orders 0': 1 });
    host.settle(3000);
    const totals = host.inspect('partitions');
    expect(totals).toMatchObject({
      'odradek_compactions_total worker': 1,
      'odradek_compaction_failures_total worker': 0,
      'odradek_compaction_removed_records_total worker': 100 - host.records(0).length,
      'odradek_uncleanable_partitions worker': 0,
      'odradek_partition_dirty_ratio orders 0': 0,
    });
    expect(totals['odradek_compaction_read_bytes_total worker']).toBeGreaterThan(2000);
    expect(totals['odradek_compaction_written_bytes_total worker']).toBeGreaterThan(0);
    const reported = host.events.flatMap((event) => (event.type === 'checkpoint' ? [event.checkpoint] : []));
    expect(reported.at(-1)?.firstDirtyOffset).toBeGreaterThan(50);
  });

  it('takes the partition that has most to gain first, one at a time', () => {
    const host = scene();
    for (const slot of [0, 1, 2]) host.ask(host.open(slot, COMPACTED));
    host.fill(1, 100);
    host.settle(3000);
    expect(host.compacted).toEqual([1]);
    // Of the first one a part is clean already.
    host.fill(1, 100);
    for (const slot of [0, 2]) host.fill(slot, 60);
    host.settle(3000);
    expect(host.compacted.at(-1)).toBe(1);
    expect([...host.compacted].sort()).toEqual([0, 1, 1, 2]);
  });

  it('takes one whose records have waited for too long first, whatever the ratio', () => {
    const host = scene();
    host.ask(host.open(0, { ...COMPACTED, 'min.cleanable.dirty.ratio': '1' }));
    host.fill(0, 100);
    host.settle(3000);
    host.fill(0, 30);
    host.settle(5000);
    const before = host.compacted.length;
    const forced = { ...COMPACTED, 'min.cleanable.dirty.ratio': '1', 'max.compaction.lag.ms': '2000' };
    host.ask({ type: 'configure', slot: 0, config: host.open(0, forced).config });
    host.settle(5000);
    expect(host.compacted.length).toBeGreaterThan(before);
    expect(host.records(0)).toEqual(['a@125', 'b@126', 'c@127', 'd@128', 'e@129']);
  });

  it('rests after a log that was late, though each new record is late as it comes', () => {
    const host = scene();
    host.ask(host.open(0, { ...COMPACTED, 'max.compaction.lag.ms': '60000' }));
    const { clock } = host.machine;
    const produceOld = (): void => {
      const builder = new BatchBuilder();
      builder.add({ timestampMs: 1, key: Buffer.from('k'), value: Buffer.alloc(1), headers: [] });
      host.submit(0, builder.build());
      host.publish();
      clock.advance(20);
      host.collect();
    };
    for (const beganMs = clock.monotonicMs(); clock.monotonicMs() < beganMs + 5000; ) produceOld();
    expect(host.compacted.length).toBeGreaterThan(1);
    expect(host.compacted.length).toBeLessThanOrEqual(5000 / SETTINGS.backoffMs);
  });

  it('begins and ends with the policy of the topic', () => {
    const host = scene();
    host.ask(host.open(0, { ...COMPACTED, 'cleanup.policy': 'delete' }));
    expect(host.produce(0, ['a', null])).toEqual([0, 0]);
    host.fill(0, 100);
    host.settle(3000);
    expect(host.compacted).toEqual([]);
    host.ask({ type: 'configure', slot: 0, config: host.open(0, COMPACTED).config });
    host.settle(3000);
    expect(host.compacted).toEqual([0]);
    expect(host.produce(0, [null])).toEqual([ERRORS.INVALID_RECORD.code]);
    const left = host.records(0);
    expect(left.some((record) => record.startsWith('null'))).toBe(false);
    host.ask({ type: 'configure', slot: 0, config: host.open(0).config });
    expect(host.produce(0, [null])).toEqual([0]);
    host.fill(0, 100);
    host.settle(5000);
    expect(host.compacted).toEqual([0]);
  });

  it('does nothing where it is switched off', () => {
    const host = scene({ isEnabled: false });
    host.ask(host.open(0, COMPACTED));
    host.fill(0, 100);
    host.settle(60_000);
    expect(host.records(0).length).toBe(100);
  });

  it('keeps to the rate that is allowed', () => {
    const bytesPerSecondMax = 1000;
    const host = scene({ bytesPerSecondMax });
    host.ask(host.open(0, COMPACTED));
    host.fill(0, 200);
    const startMs = host.machine.clock.monotonicMs();
    host.machine.clock.runUntil(() => host.compacted.length > 0, 600_000);
    const elapsedMs = host.machine.clock.monotonicMs() - startMs;
    const totals = host.inspect('totals');
    const bytes =
      Number(totals['odradek_compaction_read_bytes_total worker']) +
      Number(totals['odradek_compaction_written_bytes_total worker']);
    expect(bytes).toBeGreaterThan(4000);
    // The last slice is paid for afterwards.
    expect(elapsedMs).toBeGreaterThan(((bytes - 4000) * 1000) / bytesPerSecondMax);
  });

  it('tries again later what failed, and compacts others meanwhile', () => {
    const host = scene();
    for (const slot of [0, 1]) host.ask(host.open(slot, COMPACTED));
    for (const slot of [0, 1]) host.fill(slot, 100);
    const { disk } = host.machine;
    disk.failNext({ operation: 'open', path: /orders-0\/.*\.cleaned/, times: 1 });
    host.settle(5000);
    expect(host.compacted).toEqual([1]);
    expect(host.produce(0, ['z'])).toEqual([0]);
    host.settle(60_000);
    expect(host.compacted).toEqual([1, 0]);
    expect(host.inspect('totals')).toMatchObject({ 'odradek_compaction_failures_total worker': 1 });
  });

  it('counts logs that it cannot compact, because a batch cannot be read', () => {
    const host = scene();
    host.ask(host.open(0, COMPACTED));
    host.fill(0, 100);
    const first = '/data/orders-0/00000000000000000000.log';
    const { disk } = host.machine;
    const file = disk.open(first, 'write');
    disk.write(file, 300, [Buffer.from('damage')]);
    host.settle(60_000);
    expect(host.compacted).toEqual([]);
    expect(host.inspect('totals')).toMatchObject({
      'odradek_uncleanable_partitions worker': 1,
      'odradek_compaction_failures_total worker': 1,
    });
    expect(host.produce(0, ['z'])).toEqual([0]);
  });

  it.each(['close', 'delete', 'drain'] as const)('leaves a log in order that ends meanwhile: %s', (type) => {
    const host = scene({ bytesPerSecondMax: 100 });
    host.ask(host.open(0, COMPACTED));
    host.fill(0, 100);
    host.settle(2000);
    expect(host.compacted).toEqual([]);
    const reply = host.ask(type === 'drain' ? { type } : { type, slot: 0 });
    expect(reply).toMatchObject(type === 'drain' ? { type: 'drained', clean: true } : { type: 'done' });
    const files = host.machine.disk.files().filter((path) => path.startsWith('/data/orders-0/'));
    expect(files.filter((path) => /\.(cleaned|swap)$/.test(path))).toEqual([]);
    if (type !== 'delete') {
      const left = host.records(0);
      for (const key of 'abcde') expect(left).toContain(`${key}@${95 + 'abcde'.indexOf(key)}`);
    }
    host.settle(60_000);
    expect(host.compacted).toEqual([]);
    if (type === 'drain') return;
    // The next partition is not held up.
    host.ask(host.open(1, { ...COMPACTED }));
    host.fill(1, 100);
    host.settle(600_000);
    expect(host.compacted).toEqual([1]);
  });
});

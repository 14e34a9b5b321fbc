// Look-ups by time in logs that compaction was in. What ListOffsets does otherwise is tested through the doors.
import { describe, expect, it } from 'vitest';
import { type ListedOffset, ListOffsets, type ListOffsetsTarget } from '../../src/broker/list-offsets.js';
import type { Jobs } from '../../src/io/jobs.js';
import { CODEC_NAMES, type CodecName } from '../../src/record/compression/codec.js';
import { COMPACTED, compact, seal } from '../log/compaction/log-scene.js';
import { appendLeft } from './append-left.js';
import { PartitionScene } from './partition-scene.js';

function scene(codec: CodecName) {
  const scene = new PartitionScene();
  const partition = scene.partition();
  const { log } = partition;
  appendLeft(log, { timestamps: { 1: 10 }, lastOffsetDelta: 2, codec }); // 0 to 2
  for (let i = 0; i < 20; i++)
    appendLeft(log, { timestamps: {}, lastOffsetDelta: 0, maxTimestampMs: 1000, codec }); // 3 to 22
  appendLeft(log, { timestamps: { 3: 50, 4: 20 }, lastOffsetDelta: 9, codec }); // 23 to 32
  appendLeft(log, { timestamps: {}, lastOffsetDelta: 1, maxTimestampMs: 2000, codec }); // 33, 34
  partition.publish();
  const { disk, jobs, logger, clock } = scene.machine;
  return (position: ListOffsetsTarget['position']): ListedOffset => {
    const listed: (readonly ListedOffset[])[] = [];
    const targets = [{ entry: partition.entry, position }];
    new ListOffsets(targets, { disk, jobs, logger }, (offsets) => listed.push(offsets)).next();
    clock.runUntil(() => listed.length > 0, 10_000);
    const [found] = listed[0] ?? [];
    if (!found) throw new Error('a look-up is answered');
    return found;
  };
}

describe('ListOffsets', () => {
  it.each(CODEC_NAMES)('finds records by time behind batches without any, with codec %s', (codec) => {
    const list = scene(codec);
    expect(list({ timestampMs: 0 })).toEqual({ error: 'NONE', offset: 1, timestampMs: 10 });
    expect(list({ timestampMs: 11 })).toEqual({ error: 'NONE', offset: 26, timestampMs: 50 });
    expect(list({ timestampMs: 51 })).toEqual({ error: 'NONE', offset: -1, timestampMs: -1 });
    expect(list('max-timestamp')).toEqual({ error: 'NONE', offset: 26, timestampMs: 50 });
    expect(list('earliest').offset).toBe(0);
    expect(list('latest').offset).toBe(35);
  });

  it('goes on in what compaction made of the log while a job looked into a batch', () => {
    const scene = new PartitionScene();
    const partition = scene.partition();
    const { log } = partition;
    log.updateConfig(COMPACTED);
    // The record that had the timestamp is gone.
    appendLeft(log, { timestamps: { 0: 10 }, lastOffsetDelta: 0, maxTimestampMs: 1000, codec: 'gzip' });
    appendLeft(log, { timestamps: { 0: 20 }, lastOffsetDelta: 0 });
    appendLeft(log, { timestamps: { 0: 500 }, lastOffsetDelta: 0 });
    partition.publish();
    expect(log.segmentCount).toBe(1);

    const { disk, jobs: machineJobs, logger, clock } = scene.machine;
    const held: (() => void)[] = [];
    const jobs: Jobs = {
      run: (name, input, done) => held.push(() => machineJobs.run(name, input, done)),
    };
    const listed: (readonly ListedOffset[])[] = [];
    const targets = [{ entry: partition.entry, position: { timestampMs: 600 } }];
    new ListOffsets(targets, { disk, jobs, logger }, (offsets) => listed.push(offsets)).next();
    expect(held).toHaveLength(1);
    seal(scene.machine, log);
    compact(scene.machine, log, { replaced: () => partition.publish() });
    expect(log.replacements).toBe(1);
    held[0]?.();
    clock.runUntil(() => listed.length > 0, 10_000);
    expect(listed).toEqual([[{ error: 'NONE', offset: -1, timestampMs: -1 }]]);
    expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('answers, and opens no file, if the partition went away while a job looked into a batch', () => {
    const scene = new PartitionScene();
    const partition = scene.partition();
    appendLeft(partition.log, {
      ...{ timestamps: { 0: 10 }, lastOffsetDelta: 0, maxTimestampMs: 1000, codec: 'gzip' },
    });
    partition.publish();
    const { disk, jobs, logger, clock } = scene.machine;
    const listed: (readonly ListedOffset[])[] = [];
    const targets = [{ entry: partition.entry, position: { timestampMs: 400 } }];
    new ListOffsets(targets, { disk, jobs, logger }, (offsets) => listed.push(offsets)).next();
    partition.retire();
    partition.unroute();
    clock.runUntil(() => listed.length > 0, 10_000);
    expect(listed).toEqual([[{ error: 'NOT_LEADER_OR_FOLLOWER', offset: -1, timestampMs: -1 }]]);
  });
});

import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { lagSamples } from '../../../src/coordinator/group/group-metric-rows.js';
import { GroupMetrics } from '../../../src/coordinator/group/group-metrics.js';
import type { ShardPorts } from '../../../src/coordinator/shard.js';
import { CONFIG, topicIdOf } from './scene.js';

const PORTS: ShardPorts = {
  clock: new SimulatedClock(),
  random: seededRandom(1),
  logger: silentLogger,
  topic: () => ({ topicId: topicIdOf(1), partitions: 4 }),
  fits: () => true,
  append: (_records, done) => done(null),
  afterAppends: (done) => done(null),
};

/** A shard of the coordinator that is loaded, and has one group with committed offsets. */
function load(metrics: GroupMetrics, partition: number, group: string, offsets: readonly number[]) {
  const shard = metrics.makeShard(partition, PORTS);
  shard.start();
  const replies: string[] = [];
  shard.handle(
    {
      ...{ type: 'commit-offsets', groupId: group, generation: -1, memberId: '', instanceId: null },
      retentionMs: null,
      topics: [
        {
          name: 't',
          topicId: topicIdOf(1),
          partitions: offsets.map((offset, index) => ({
            partition: index,
            offset,
            leaderEpoch: -1,
            metadata: '',
          })),
        },
      ],
    },
    ({ type }) => replies.push(type),
  );
  expect(replies).toEqual(['offsets-committed']);
}

const valuesOf = (metrics: GroupMetrics) =>
  Object.fromEntries(
    metrics.samples().map(({ metric, labels, value }) => [[metric, ...labels].join(' '), value]),
  );

describe('GroupMetrics', () => {
  it('adds the shards up', () => {
    const metrics = new GroupMetrics(CONFIG, 10);
    load(metrics, 0, 'a', [5, 6]);
    load(metrics, 3, 'b', [7]);
    expect(valuesOf(metrics)).toMatchObject({
      'odradek_groups Empty': 2,
      'odradek_groups Stable': 0,
      odradek_group_members: 0,
      odradek_group_offsets: 3,
      odradek_group_commits_total: 3,
      'odradek_group_committed_offset a t 0': 5,
      'odradek_group_committed_offset a t 1': 6,
      'odradek_group_committed_offset b t 0': 7,
    });
  });

  it('keeps the counts of a shard that is loaded anew', () => {
    const metrics = new GroupMetrics(CONFIG, 10);
    load(metrics, 0, 'a', [5, 6]);
    load(metrics, 0, 'a', [8]);
    expect(valuesOf(metrics)).toMatchObject({ odradek_group_commits_total: 3, odradek_group_offsets: 1 });
  });

  it('has totals only if there are too many offsets', () => {
    const metrics = new GroupMetrics(CONFIG, 1);
    load(metrics, 0, 'a', [5, 6]);
    const values = valuesOf(metrics);
    expect(values).toMatchObject({ odradek_group_offsets: 2 });
    expect(Object.keys(values).filter((name) => name.includes('committed_offset'))).toEqual([]);
  });
});

describe('lagSamples', () => {
  it('is what lies between the committed offset and the high watermark, never below 0', () => {
    const metrics = new GroupMetrics(CONFIG, 10);
    load(metrics, 0, 'a', [5, 6, 7]);
    const ends = [15, 2, null];
    const lags = lagSamples(metrics.samples(), (topic, partition) =>
      topic === 't' ? (ends[partition] ?? null) : 0,
    );
    expect(lags).toEqual([
      { metric: 'odradek_group_lag', labels: ['a', 't', '0'], value: 10 },
      { metric: 'odradek_group_lag', labels: ['a', 't', '1'], value: 0 },
    ]);
  });
});

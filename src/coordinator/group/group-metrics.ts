import { type MetricsSource, type Sample, sample } from '../../base/metric.js';
import type { MakeShard } from '../shard.js';
import type { GroupConfig } from './group-config.js';
import type { GroupCommand, GroupReply } from './group-messages.js';
import { GROUP_METRICS } from './group-metric-rows.js';
import { GroupShard } from './group-shard.js';

const STATES = ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead'] as const;

/** Makes the shards of the group coordinator and tells what they count. */
export class GroupMetrics implements MetricsSource {
  readonly makeShard: MakeShard<GroupCommand, GroupReply>;
  readonly #shards = new Map<number, GroupShard>();
  readonly #offsetsMax: number;
  /** Of shards that were loaded anew since. */
  readonly #before = { rebalances: 0, expiredMembers: 0, expiredOffsets: 0, committedOffsets: 0 };

  /** With more committed offsets than `offsetsMax` there are only totals. */
  constructor(config: GroupConfig, offsetsMax: number) {
    this.#offsetsMax = offsetsMax;
    this.makeShard = (partition, ports) => {
      const shard = new GroupShard(config, ports);
      const former = this.#shards.get(partition);
      if (former) add(this.#before, former.stats);
      this.#shards.set(partition, shard);
      return shard;
    };
  }

  /** O(groups), and O(committed offsets) if there are not too many. */
  samples(): readonly Sample[] {
    const groups = { Empty: 0, PreparingRebalance: 0, CompletingRebalance: 0, Stable: 0, Dead: 0 };
    const events = { ...this.#before };
    let members = 0;
    let offsets = 0;
    for (const { stats } of this.#shards.values()) {
      for (const state of STATES) groups[state] += stats.groups[state];
      members += stats.members;
      offsets += stats.offsets;
      add(events, stats);
    }
    return [
      ...STATES.map((state) => sample(GROUP_METRICS.groups, [state], groups[state])),
      sample(GROUP_METRICS.members, [], members),
      sample(GROUP_METRICS.offsets, [], offsets),
      sample(GROUP_METRICS.rebalances, [], events.rebalances),
      sample(GROUP_METRICS.expiredMembers, [], events.expiredMembers),
      sample(GROUP_METRICS.commits, [], events.committedOffsets),
      sample(GROUP_METRICS.expiredOffsets, [], events.expiredOffsets),
      ...(offsets <= this.#offsetsMax ? this.#committed() : []),
    ];
  }

  #committed(): Sample[] {
    const samples: Sample[] = [];
    for (const shard of this.#shards.values()) {
      for (const { group, topic, partition, offset } of shard.committedOffsets()) {
        samples.push(sample(GROUP_METRICS.committed, [group, topic, String(partition)], offset));
      }
    }
    return samples;
  }
}

type Events = Pick<
  GroupShard['stats'],
  'rebalances' | 'expiredMembers' | 'expiredOffsets' | 'committedOffsets'
>;

function add(sum: { -readonly [Name in keyof Events]: number }, more: Events): void {
  sum.rebalances += more.rebalances;
  sum.expiredMembers += more.expiredMembers;
  sum.expiredOffsets += more.expiredOffsets;
  sum.committedOffsets += more.committedOffsets;
}

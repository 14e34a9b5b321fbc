import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { silentLogger } from '../../src/base/log.js';
import { seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { CoordinatorLog, CoordinatorPartition } from '../../src/coordinator/coordinator-log.js';
import { CoordinatorRuntime } from '../../src/coordinator/coordinator-runtime.js';
import type { GroupCommand, GroupReply } from '../../src/coordinator/group/group-messages.js';
import { GroupShard } from '../../src/coordinator/group/group-shard.js';
import { GroupService } from '../../src/coordinator/group-service.js';
import { CONFIG, topicIdOf } from './group/scene.js';

const START = toOffset(0);
/** Takes everything, and is empty when it is read. */
const EMPTY_PARTITION: CoordinatorPartition = {
  batchBytesMax: 1024 * 1024,
  extent: () => ({ startOffset: START, committedOffset: START, endOffset: START }),
  read: () => {},
  append: (_batches, done) => done(null),
  close: () => {},
};
const LOG: CoordinatorLog = {
  partitions: 2,
  existing: [0, 1],
  create: (done) => done(null),
  open: (_partition, done) => done(EMPTY_PARTITION),
};

const commit = (groupId: string): GroupCommand => ({
  type: 'commit-offsets',
  groupId,
  generation: -1,
  memberId: '',
  instanceId: null,
  retentionMs: null,
  topics: [
    {
      name: 't',
      topicId: topicIdOf(1),
      partitions: [{ partition: 0, offset: 1, leaderEpoch: -1, metadata: '' }],
    },
  ],
});
const list = (...states: string[]): GroupCommand => ({ type: 'list', states, types: [] });

/** The real runtime and shards, which count the lists that they make. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly service: GroupService;
  lists = 0;

  constructor() {
    const later = (run: () => void) => this.clock.after(0, run);
    const runtime = new CoordinatorRuntime<GroupCommand, GroupReply>({
      name: 'group',
      log: LOG,
      makeShard: (_partition, ports) => {
        const shard = new GroupShard(CONFIG, ports);
        const handle = shard.handle.bind(shard);
        shard.handle = (command, reply) => {
          if (command.type === 'list') this.lists++;
          handle(command, reply);
        };
        return shard;
      },
      refuse: (error) => ({ type: 'refused', error }),
      topic: () => undefined,
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
      later,
    });
    this.service = new GroupService(runtime, later);
  }

  ask(command: GroupCommand): GroupReply[] {
    const replies: GroupReply[] = [];
    this.service.handle(command, (reply) => replies.push(reply));
    return replies;
  }

  /** The ids of the one list that was replied. */
  static ids(replies: readonly GroupReply[]): readonly string[] {
    expect(replies).toHaveLength(1);
    const [reply] = replies;
    if (reply?.type !== 'listed') throw new Error(`${reply?.type} is no list`);
    return reply.groups.map(({ groupId }) => groupId).sort();
  }
}

describe('GroupService', () => {
  it('lists the groups of all shards', () => {
    const scene = new Scene();
    for (const groupId of ['a', 'b', 'c']) scene.ask(commit(groupId));
    scene.clock.advance(10);
    const replies = scene.ask(list());
    scene.clock.advance(10);
    expect(Scene.ids(replies)).toEqual(['a', 'b', 'c']);
  });

  it('makes one list for all who ask for the same in a turn, and another for who asks later', () => {
    const scene = new Scene();
    scene.ask(commit('a'));
    scene.clock.advance(10);
    const together = Array.from({ length: 40 }, () => scene.ask(list()));
    const stable = scene.ask(list('Stable'));
    scene.clock.advance(10);
    for (const replies of together) expect(Scene.ids(replies)).toEqual(['a']);
    expect(Scene.ids(stable)).toEqual([]);
    // Two lists of two shards.
    expect(scene.lists).toBe(4);
    scene.ask(commit('b'));
    const later = scene.ask(list());
    scene.clock.advance(10);
    expect(Scene.ids(later)).toEqual(['a', 'b']);
    expect(scene.lists).toBe(6);
  });
});

// The judge of the histories must be able to condemn: here the coordinator is broken on purpose, at its ports or in what it hears and
// says, and within some histories each must be noticed.
import { describe, expect, it } from 'vitest';
import type { GroupConfig } from '../../../src/coordinator/group/group-config.js';
import type { GroupCommand, GroupReply, JoinedGroup } from '../../../src/coordinator/group/group-messages.js';
import { GroupShard } from '../../../src/coordinator/group/group-shard.js';
import { decodeRecord } from '../../../src/coordinator/group/records.js';
import type { CoordinatorRecord, ShardPorts } from '../../../src/coordinator/shard.js';
import { runHistories } from './history/run-histories.js';
import type { GroupShardLike } from './memory-host.js';

const HISTORIES_MAX = 60;

type Reply = (reply: GroupReply) => void;
type Break = (config: GroupConfig, ports: ShardPorts) => GroupShardLike;

/** A shard of which some calls go another way. */
function changed(shard: GroupShardLike, changes: Partial<GroupShardLike>): GroupShardLike {
  return {
    replay: (record, timestampMs) => shard.replay(record, timestampMs),
    start: () => shard.start(),
    handle: (command, reply) => shard.handle(command, reply),
    topicsDeleted: (names) => shard.topicsDeleted(names),
    close: (error) => shard.close(error),
    ...changes,
  };
}

/** A shard whose answers go through `say`. */
const saying =
  (makeSay: () => (command: GroupCommand, answer: GroupReply, reply: Reply) => void): Break =>
  (config, ports) => {
    const shard = new GroupShard(config, ports);
    const say = makeSay();
    return changed(shard, {
      handle: (command, reply) => shard.handle(command, (answer) => say(command, answer, reply)),
    });
  };

/** A shard that does not remember some of the records. */
const forgetting =
  (isForgotten: (record: CoordinatorRecord) => boolean): Break =>
  (config, ports) => {
    const shard = new GroupShard(config, ports);
    return changed(shard, {
      replay: (record, timestampMs) => {
        if (!isForgotten(record)) shard.replay(record, timestampMs);
      },
    });
  };

/** A shard of which some of the records are not written. */
const notWriting =
  (makeFilter: () => (record: CoordinatorRecord) => boolean): Break =>
  (config, ports) => {
    const isWritten = makeFilter();
    return new GroupShard(config, {
      ...ports,
      append: (records, done) => {
        const written = records.filter(isWritten);
        if (written.length > 0) ports.append(written, done);
        else ports.afterAppends(done);
      },
    });
  };

function everyNth(n: number): () => boolean {
  let count = 0;
  return () => ++count % n === 0;
}

/** Offsets count in whosever name they are committed. */
const trusting: Break = (config, ports) => {
  const shard = new GroupShard(config, ports);
  let latest: JoinedGroup | null = null;
  return changed(shard, {
    handle: (command, reply) => {
      if (command.type === 'commit-offsets' && latest !== null) {
        const { generation, memberId } = latest;
        shard.handle({ ...command, generation, memberId, instanceId: null }, reply);
        return;
      }
      shard.handle(command, (answer) => {
        if (answer.type === 'joined' && answer.error === 'NONE') latest = answer;
        reply(answer);
      });
    },
  });
};

const BUGS: Readonly<Record<string, Break>> = {
  'answers that do not wait for the log': (config, ports) =>
    new GroupShard(config, {
      ...ports,
      append: (records, done) => {
        ports.append(records, () => {});
        done(null);
      },
      afterAppends: (done) => done(null),
    }),
  'commits of whoever comes': trusting,
  'offsets that are forgotten by a restart': forgetting((record) => {
    const decoded = decodeRecord(record);
    return decoded.type === 'offset' && decoded.place.partition === 1;
  }),
  'groups that are forgotten by a restart': forgetting((record) => decodeRecord(record).type === 'group'),
  'offsets of which some are not written': notWriting(() => {
    const isLost = everyNth(10);
    return (record) => decodeRecord(record).type !== 'offset' || !isLost();
  }),
  'static members whose new id is not written': notWriting(() => {
    let generation = -1;
    return (record) => {
      const decoded = decodeRecord(record);
      if (decoded.type !== 'group' || decoded.value === null) return true;
      const isNew = decoded.value.generation !== generation;
      generation = decoded.value.generation;
      return isNew;
    };
  }),
  'an assignment that was meant for another': saying(() => {
    const isSwapped = everyNth(12);
    let last: Uint8Array | null = null;
    return (_command, answer, reply) => {
      if (answer.type !== 'synced' || answer.error !== 'NONE') {
        reply(answer);
        return;
      }
      const assignment = last !== null && isSwapped() ? last : answer.assignment;
      last = answer.assignment;
      reply({ ...answer, assignment });
    };
  }),
  'heartbeats that do not tell of a rebalance': saying(() => (_command, answer, reply) => {
    reply(answer.type === 'heartbeat' ? { ...answer, error: 'NONE' } : answer);
  }),
  'answers that are lost': saying(() => {
    const isLost = everyNth(300);
    return (_command, answer, reply) => {
      if (!isLost()) reply(answer);
    };
  }),
  'answers that come twice': saying(() => {
    const isRepeated = everyNth(300);
    return (_command, answer, reply) => {
      reply(answer);
      if (isRepeated()) reply(answer);
    };
  }),
  'sessions that never end': (config, ports) =>
    new GroupShard(config, {
      ...ports,
      clock: {
        wallMs: () => ports.clock.wallMs(),
        monotonicMs: () => ports.clock.monotonicMs(),
        after: (delayMs, fire) =>
          ports.clock.after(delayMs, delayMs < config.sessionTimeoutMinMs ? fire : () => {}),
        cancel: (timer) => ports.clock.cancel(timer),
      },
    }),
};

describe('the judge of histories', () => {
  it.each(Object.entries(BUGS))('notices %s', (_name, makeShard) => {
    const seeds = Array.from({ length: HISTORIES_MAX }, (_, index) => index + 1);
    const { failures, histories } = runHistories(seeds, { makeShard });
    console.log(`noticed in history ${histories}: ${failures[0]?.error.message}`);
    expect(failures.map(({ error }) => error.name)).toEqual(['Verdict']);
  });
});

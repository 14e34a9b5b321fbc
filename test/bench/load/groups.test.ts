import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupCommits } from '../../../bench/load/group-commits.js';
import { groupHeartbeats } from '../../../bench/load/group-heartbeats.js';
import { checkOffsets, groupOffsets, offsetsLoaded } from '../../../bench/load/group-offsets.js';

describe('load generators for groups', () => {
  let broker: TestBroker;
  let port = 0;
  beforeAll(async () => {
    broker = await startBroker({ config: { 'group.initial.rebalance.delay.ms': 500 } });
    port = Number(broker.kafka.slice(broker.kafka.lastIndexOf(':') + 1));
  });
  afterAll(() => broker.close());

  it('commit for many groups, and find what they committed', async () => {
    const job = { type: 'group-offsets', port, topic: 'offsets', partitions: 4, groups: 150 } as const;
    expect(await groupOffsets(job)).toMatchObject({ records: 600 });
    await offsetsLoaded(job);
    expect(await checkOffsets(job)).toBe(600);
    await expect(checkOffsets({ ...job, groups: 151 })).rejects.toThrow('600 offsets of 604');
  });

  it('let members commit until it is enough', async () => {
    const job = { type: 'group-commits', port, topic: 'offsets', partitions: 3, groups: 5 } as const;
    expect(await groupCommits({ ...job, commits: 40, brokerPid: null })).toMatchObject({ records: 40 });
    const unknown = { ...job, topic: 'unknown', commits: 40, brokerPid: null };
    await expect(groupCommits(unknown)).rejects.toThrow('OffsetCommit failed with error 3');
  });

  it('let members tell that they live', async () => {
    const job = {
      type: 'group-heartbeats',
      port,
      topic: '',
      groups: 3,
      members: 4,
      intervalMs: 100,
    } as const;
    const brokerPid = process.platform === 'linux' ? process.pid : null;
    const result = await groupHeartbeats({ ...job, seconds: 0.5, brokerPid });
    expect(result).toMatchObject({ records: 60 });
    expect(result.broker === undefined).toBe(brokerPid === null);
  });
});

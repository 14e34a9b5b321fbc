import { beforeAll, describe, expect, it } from 'vitest';
import { run, startBroker } from './executable.js';

describe('The commands that change topics and show settings', () => {
  let environment: Record<string, string>;
  const odradek = (args: readonly string[], input?: string) => run(args, input, environment);
  const json = async (args: readonly string[]) => {
    const { code, out, err } = await odradek([...args, '--json']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return JSON.parse(out) as unknown;
  };

  beforeAll(async () => {
    const broker = await startBroker('topic-changes', ['--set', 'log.retention.hours=24']);
    environment = { ODRADEK_BROKERS: broker.ready.native ?? '' };
  });

  it('alter settings and partitions', async () => {
    await odradek(['topic', 'create', 'altered', '--config', 'flush.ms=5']);
    const first = ['topic', 'alter', 'altered', '--set', 'retention.ms=1000', '--delete', 'flush.ms'];
    expect(await odradek([...first, '--partitions', '3'])).toEqual({
      code: 0,
      out: 'altered topic altered\n  flush.ms=9223372036854775807 (from default)\n  retention.ms=1000 (from topic)\n  3 partitions\n',
      err: '',
    });
    expect(await json(['topic', 'alter', 'altered', '--delete', 'retention.ms', '--dry-run'])).toEqual({
      name: 'altered',
      dryRun: true,
      configs: { 'retention.ms': '86400000' },
    });
    const set = ['config', 'describe', 'topic', 'altered', '--set-only'];
    const rows = (await odradek(set)).out.split('\n').map((line) => line.split('\t').slice(0, 3));
    expect(rows).toEqual([['retention.ms', '1000', 'topic'], ['']]);
    expect(await json(['topic', 'alter', 'altered', '--append', 'cleanup.policy=delete'])).toMatchObject({
      configs: { 'cleanup.policy': 'delete' },
    });
  });

  it('change nothing where something is wrong, and end with 1', async () => {
    await odradek(['topic', 'create', 'kept', '--partitions', '2']);
    const refusals: [args: string[], reason: string][] = [
      [['kept', '--set', 'retention.ms=1', '--set', 'segment.bytes=x'], 'INVALID_CONFIG'],
      [['kept', '--set', 'retention.ms=1', '--partitions', '2'], 'INVALID_PARTITIONS'],
      [['missing', '--set', 'retention.ms=1'], 'UNKNOWN_TOPIC_OR_PARTITION'],
    ];
    for (const [args, reason] of refusals) {
      const { code, out, err } = await odradek(['topic', 'alter', ...args]);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toContain(reason);
    }
    expect(await json(['config', 'describe', 'topic', 'kept', '--set-only'])).toMatchObject([
      { name: 'retention.ms', source: 'BROKER', value: '86400000' },
    ]);
  });

  it('delete records by offset, by time, and all', async () => {
    await odradek(['topic', 'create', 'shrunk', '--partitions', '2']);
    const record = (partition: number, timestamp: number) =>
      JSON.stringify({ partition, timestamp, value: `${timestamp}` });
    const nowMs = Date.now();
    const input = [0, 0, 0, 1].map((partition, index) => record(partition, nowMs - 60_000 + 1000 * index));
    expect((await odradek(['produce', 'shrunk', '--format', 'json'], input.join('\n'))).code).toBe(0);
    const remove = ['topic', 'delete-records', 'shrunk', '--before'];
    expect(await odradek([...remove, '1', '--partition', '0'])).toEqual({
      code: 0,
      out: '0\t1\t3\n',
      err: '',
    });
    const time = new Date(nowMs - 60_000 + 1500).toISOString();
    expect(await json([...remove, time])).toEqual({
      topic: 'shrunk',
      partitions: [
        { partition: 0, logStartOffset: 2, logEndOffset: 3 },
        { partition: 1, logStartOffset: 0, logEndOffset: 1 },
      ],
    });
    expect((await odradek([...remove, 'latest'])).out).toBe('0\t3\t3\n1\t1\t1\n');
    expect((await odradek(['consume', 'shrunk'])).out).toBe('');
    const { code, err } = await odradek([...remove, '9', '--partition', '1']);
    expect(code).toBe(1);
    expect(err).toContain('OFFSET_OUT_OF_RANGE');
  });

  it('show the settings of the broker, and list all that there are', async () => {
    const described = (await odradek(['config', 'describe', 'broker'])).out.split('\n');
    const row = described.map((line) => line.split('\t')).find(([name]) => name === 'log.retention.ms');
    expect(row?.slice(0, 3)).toEqual(['log.retention.ms', '86400000', 'broker']);
    expect(row?.[3]).toMatch(/^A segment is deleted/);
    const listed = (await run(['config', 'list'])).out.split('\n').map((line) => line.split('\t'));
    expect(listed).toContainEqual(['flush.acks', 'topic', 'false', 'true or false', expect.any(String)]);
    expect(listed).toContainEqual(['node.id', 'broker', '1', expect.any(String), expect.any(String)]);
    const ofTopics = JSON.parse((await run(['config', 'list', '--of', 'topic', '--json'])).out) as {
      of: string;
    }[];
    expect(new Set(ofTopics.map(({ of }) => of))).toEqual(new Set(['topic']));
  });
});

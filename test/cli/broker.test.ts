import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder, run, startBroker, stop } from './executable.js';

describe('odradek broker', () => {
  it('ends with 2 for a setting that is wrong', async () => {
    const { code, out, err } = await run(['broker', '--workers', 'many'], '', { ODRADEK_NODE_ID: 'one' });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('odradek.workers=many is not valid');
    expect(err).toContain('(--workers)');
    expect(err).toContain('node.id=one is not valid');
    expect(err).toContain('(ODRADEK_NODE_ID)');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says where its doors are, and stops cleanly at %s',
    async (signal) => {
      const broker = await startBroker(`stop-${signal}`);
      expect(broker.ready.native).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
      expect(broker.ready.http).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
      expect(broker.ready.kafka).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
      const response = await fetch(`http://${broker.ready.http}/health/ready`);
      expect(response.status).toBe(200);
      expect(await stop(broker, signal)).toBe(0);
    },
  );

  it('leaves a closed door out of the line', async () => {
    const broker = await startBroker('closed', ['--http-listen', 'off']);
    expect(broker.ready).not.toHaveProperty('http');
    expect(await stop(broker)).toBe(0);
  });

  it('ends with 1, the reason and what to do, if it cannot start', async () => {
    const broker = await startBroker('first');
    const { native = '' } = broker.ready;
    const taken = await run([
      'broker',
      '--data-dir',
      join(folder, 'second'),
      '--native-listen',
      native,
      '--kafka-listen',
      'off',
      '--http-listen',
      'off',
    ]);
    expect(taken.code).toBe(1);
    expect(taken.err).toContain(native);
    expect(taken.err).toContain('Another process listens at that address');
    const locked = await run([
      'broker',
      '--data-dir',
      join(folder, 'first'),
      '--native-listen',
      '127.0.0.1:0',
      '--kafka-listen',
      'off',
      '--http-listen',
      'off',
    ]);
    expect(locked.code).toBe(1);
    expect(locked.err).toContain(join(folder, 'first'));
    expect(await stop(broker)).toBe(0);
  });

  it('takes its settings from the command line, variables and a file', async () => {
    const config = join(folder, 'broker.properties');
    writeFileSync(config, '# partitions\nnum.partitions=7\nlog.retention.hours=1\n');
    const broker = await startBroker('settings', ['--config', config, '--set', 'num.partitions=4']);
    const environment = { ODRADEK_BROKERS: broker.ready.native ?? '' };
    await run(['topic', 'create', 'a'], '', environment);
    const { out } = await run(['topic', 'describe', 'a', '--json'], '', environment);
    const topic = JSON.parse(out) as {
      partitions: unknown[];
      configs: { name: string; value: string; source: string }[];
    };
    expect(topic.partitions).toHaveLength(4);
    const retention = topic.configs.find(({ name }) => name === 'retention.ms');
    expect(retention).toMatchObject({ value: '3600000', source: 'BROKER' });
    expect(await stop(broker)).toBe(0);
  });
});

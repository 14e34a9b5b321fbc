import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { folder, run, start, startBroker } from './executable.js';

const flightsFile = fileURLToPath(
  new URL('../../node_modules/vega-datasets/data/flights-2k.json', import.meta.url),
);

const lines = (text: string): string[] => text.split('\n').slice(0, -1);

describe('The client commands', () => {
  let environment: Record<string, string>;
  const odradek = (args: readonly string[], input?: string) => run(args, input, environment);
  const create = (name: string, ...options: string[]) => odradek(['topic', 'create', name, ...options]);

  beforeAll(async () => {
    const broker = await startBroker('client');
    environment = { ODRADEK_BROKERS: broker.ready.native ?? '' };
  });

  it('end with 1 and advice if no broker is there', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const brokers = `127.0.0.1:${address.port}`;
    server.close();
    await once(server, 'close');
    const commands = [
      ['topic', 'list'],
      ['produce', 't'],
      ['consume', 't'],
    ];
    const ended = commands.map((command) => run([...command, '--brokers', brokers], 'x\n'));
    for (const { code, out, err } of await Promise.all(ended)) {
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toContain('Start a broker with "odradek broker"');
      expect(err).not.toContain('    at ');
    }
  });

  it.skipIf(!existsSync('/dev/full'))('say that their output cannot be written, and end with 1', async () => {
    const executable = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [executable, 'topic', 'list', '--json'], {
      stdio: ['ignore', full, 'pipe'],
      env: { ...process.env, ...environment },
    });
    closeSync(full);
    const [err, [code]] = await Promise.all([text(child.stderr ?? Readable.from([])), once(child, 'close')]);
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/^odradek: The output cannot be written: ENOSPC.*\n$/),
    });
  });

  it('create, list, describe and delete topics', async () => {
    const created = await create('admin-a', '--partitions', '3', '--config', 'retention.ms=60000');
    expect(created).toEqual({ code: 0, out: 'created topic admin-a with 3 partitions\n', err: '' });
    const listed = lines((await odradek(['topic', 'list'])).out).map((line) => line.split('\t'));
    expect(listed).toContainEqual(['admin-a', '3', '1', expect.stringMatching(/^[\w-]{22}$/)]);
    const described = (await odradek(['topic', 'describe', 'admin-a'])).out;
    expect(described).toMatch(/^admin-a: 3 partitions, 1 replica, id [\w-]{22}\n/);
    expect(described).toMatch(/\nretention\.ms +60000 +topic\n/);
    expect(described).toMatch(/\nsegment\.bytes +1073741824 +default\n/);
    expect(await odradek(['topic', 'delete', 'admin-a'])).toEqual({
      code: 0,
      out: 'deleted topic admin-a\n',
      err: '',
    });
    expect((await odradek(['topic', 'list', '--json'])).out).not.toContain('admin-a');
  });

  it('end with 1 if the broker refuses', async () => {
    await create('refused');
    const refusals: [args: string[], reason: string][] = [
      [['topic', 'create', 'refused'], 'TOPIC_ALREADY_EXISTS'],
      [['topic', 'create', 'a/b'], 'INVALID_TOPIC_EXCEPTION'],
      [['topic', 'create', 'x', '--config', 'cleanup.policy=shrink'], 'cleanup.policy=shrink is not valid'],
      [['topic', 'create', 'x', '--config', 'retention.hours=1'], 'retention.hours is not a topic setting'],
      [['topic', 'describe', 'missing'], 'UNKNOWN_TOPIC_OR_PARTITION'],
      [['topic', 'delete', 'missing'], 'UNKNOWN_TOPIC_OR_PARTITION'],
      [['consume', 'missing'], 'UNKNOWN_TOPIC_OR_PARTITION'],
      [['consume', 'refused', '--from', '7', '--follow'], 'OFFSET_OUT_OF_RANGE'],
      [['produce', 'refused', '--partition', '7'], 'has no partition 7'],
      [['produce', 'refused', join(folder, 'missing')], 'There is no such file'],
    ];
    const ended = refusals.map(async ([args, reason]) => ({ args, reason, ...(await odradek(args, 'x\n')) }));
    for (const { args, reason, code, out, err } of await Promise.all(ended)) {
      expect({ args, code, out }).toEqual({ args, code: 1, out: '' });
      expect(err).toContain(reason);
    }
    expect(await create('refused', '--if-not-exists')).toMatchObject({ code: 0 });
    expect(await odradek(['topic', 'delete', 'missing', '--if-exists'])).toMatchObject({ code: 0 });
  });

  it('send lines and print them', async () => {
    await create('words');
    const sent = await odradek(['produce', 'words', '--key-separator', ':'], 'a:1\nb:2\r\nc:x:y');
    expect(sent).toMatchObject({ code: 0, out: '' });
    expect(sent.err).toMatch(/^words: 3 records sent \(14 B read\)/);
    const printed: [options: string[], out: string][] = [
      [[], '1\n2\nx:y\n'],
      [['--format', 'key-value'], 'a\t1\nb\t2\nc\tx:y\n'],
      [['--format', 'raw', '--count', '2'], '12'],
      [['--from', '1', '--count', '1'], '2\n'],
      [['--from', 'latest'], ''],
      [['--from', '2000-01-01'], '1\n2\nx:y\n'],
      [['--from', '2200-01-01'], ''],
      [['--count', '0'], ''],
    ];
    const ended = printed.map(async ([options, out]) => ({
      options,
      out,
      ended: await odradek(['consume', 'words', ...options]),
    }));
    for (const { options, out, ended: result } of await Promise.all(ended)) {
      expect({ options, ...result }).toEqual({ options, code: 0, out, err: '' });
    }
  });

  it('send an array of documents by a field of them, one partition a key', async () => {
    await create('flights', '--partitions', '3');
    const flights = JSON.parse(readFileSync(flightsFile, 'utf8')) as { origin: string }[];
    const args = [
      'produce',
      'flights',
      flightsFile,
      '--format',
      'value-json',
      '--key-field',
      'origin',
      '--json',
    ];
    const sent = await odradek([...args, '--compression', 'gzip', '--header', 'source=vega']);
    expect(sent.code).toBe(0);
    const summary = JSON.parse(sent.out) as {
      records: number;
      partitions: { records: number; firstOffset: number }[];
    };
    expect(summary.records).toBe(flights.length);
    expect(summary.partitions.every(({ firstOffset }) => firstOffset === 0)).toBe(true);

    const consumed = await odradek(['consume', 'flights', '--json']);
    const records = lines(consumed.out).map(
      (line) => JSON.parse(line) as { key: string; value: string; partition: number; headers: unknown },
    );
    const values = records.map(({ value }) => value).sort();
    expect(values).toEqual(flights.map((flight) => JSON.stringify(flight)).sort());
    const partitionOf = new Map<string, number>();
    for (const { key, value, partition, headers } of records) {
      expect((JSON.parse(value) as { origin: string }).origin).toBe(key);
      expect(partitionOf.get(key) ?? partition).toBe(partition);
      expect(headers).toEqual({ source: 'vega' });
      partitionOf.set(key, partition);
    }
    const first = await odradek(['consume', 'flights', '--partition', '0', '--json']);
    expect(lines(first.out)).toHaveLength(records.filter(({ partition }) => partition === 0).length);
  });

  it('copy records from topic to topic', async () => {
    await Promise.all([create('copy-from'), create('copy-to')]);
    const records = [
      { key: 'k', value: 'v', headers: { h: '1' }, timestamp: 1_700_000_000_000 },
      { value: null, timestamp: 1_700_000_000_001 },
      { keyBase64: '/w==', value: { a: [1] }, timestamp: 1_700_000_000_002 },
    ];
    await odradek(
      ['produce', 'copy-from', '--format', 'json'],
      records.map((record) => JSON.stringify(record)).join('\n'),
    );
    const from = (await odradek(['consume', 'copy-from', '--format', 'json'])).out;
    expect(lines(from)).toHaveLength(3);
    expect((await odradek(['produce', 'copy-to', '--format', 'json'], from)).code).toBe(0);
    const to = (await odradek(['consume', 'copy-to', '--format', 'json'])).out;
    expect(to).toBe(from.replaceAll('copy-from', 'copy-to'));
  });

  it('send what comes before a record that is wrong, and end with 1', async () => {
    await create('wrong');
    const sent = await odradek(['produce', 'wrong', '--format', 'value-json'], '1\n2\n{\n4\n');
    expect(sent).toMatchObject({ code: 1, out: '' });
    expect(sent.err).toContain('wrong: 2 records sent');
    expect(sent.err).toContain('Input record 3: it is not JSON');
    expect((await odradek(['consume', 'wrong'])).out).toBe('1\n2\n');
    const tooLarge = await odradek(['produce', 'wrong'], 'x'.repeat(2_000_000));
    expect(tooLarge).toMatchObject({ code: 1, err: expect.stringContaining('MESSAGE_TOO_LARGE') });
  });

  it('follow a topic until Ctrl-C', async () => {
    await create('followed');
    await odradek(['produce', 'followed'], 'old\n');
    const consumer = start(['consume', 'followed', '--follow'], environment);
    if (consumer.stdout === null) throw new Error('pipes');
    const seen: string[] = [];
    const ended = once(consumer, 'exit');
    for await (const line of createInterface(consumer.stdout)) {
      seen.push(line);
      if (line === 'old') await odradek(['produce', 'followed'], 'new\n');
      else consumer.kill('SIGINT');
    }
    expect(seen).toEqual(['old', 'new']);
    expect((await ended)[0]).toBe(0);
  });

  it('end with 0 when nobody reads on', async () => {
    await create('long');
    await odradek(['produce', 'long'], 'x'.repeat(99).concat('\n').repeat(30_000));
    const consumer = start(['consume', 'long'], environment);
    const ended = once(consumer, 'exit');
    const errors: Buffer[] = [];
    consumer.stderr?.on('data', (bytes: Buffer) => errors.push(bytes));
    consumer.stdout?.once('data', () => consumer.stdout?.destroy());
    expect((await ended)[0]).toBe(0);
    expect(Buffer.concat(errors).toString()).toBe('');
  });
});

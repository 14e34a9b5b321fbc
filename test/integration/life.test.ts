// The life of a broker in this process: start, use, stop, start again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, OdradekError } from 'odradek';
import { startBroker } from 'odradek/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../src/base/log.js';

const script = fileURLToPath(new URL('./uses-and-exits.mjs', import.meta.url));

/** A logger that keeps what it is told. */
function keepingLogger(): {
  readonly logger: Logger;
  readonly lines: { message: string; fields: LogFields }[];
} {
  const lines: { message: string; fields: LogFields }[] = [];
  const keep = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  return { logger: { debug: keep, info: keep, warn: keep, error: keep }, lines };
}

async function sendAll(native: string, topic: string, values: readonly string[]): Promise<void> {
  const client = new Client({ brokers: [native] });
  await client.producer().send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
  await client.close();
}

async function readAll(native: string, topic: string): Promise<string[]> {
  const client = new Client({ brokers: [native] });
  const values: string[] = [];
  for await (const { value } of client.consumer({ topic, until: 'end' })) values.push(String(value));
  await client.close();
  return values;
}

describe('A broker in this process', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-life-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('leaves nothing behind: no handle, no file, no memory', async () => {
    const child = spawn(process.execPath, ['--expose-gc', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const output: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    const { uses, left, first, last } = JSON.parse(Buffer.concat(output).toString());
    expect(uses).toEqual(uses.map(() => ({ received: 100, firstOffset: 0, health: 200 })));
    expect(left).toEqual([]);
    expect(last.openFiles).toBeLessThanOrEqual(first.openFiles + 2);
    // Three more brokers take 160 MiB each; the last one may not have been let go yet.
    expect(last.mebibytes).toBeLessThanOrEqual(first.mebibytes + 200);
  });

  it('stands beside another one', async () => {
    const brokers = await Promise.all([startBroker({ workers: 1 }), startBroker({ workers: 1 })]);
    await Promise.all(brokers.map(({ native }, i) => sendAll(native, 't', [`to ${i}`])));
    expect(await Promise.all(brokers.map(({ native }) => readAll(native, 't')))).toEqual([
      ['to 0'],
      ['to 1'],
    ]);
    await Promise.all(brokers.map((broker) => broker.close()));
    for (const { dataDirectory } of brokers) expect(existsSync(dataDirectory)).toBe(false);
  });

  it('has its data after a restart, and looks at nothing that a clean stop left', async () => {
    const values = Array.from({ length: 50 }, (_, i) => `value ${i}`);
    const mark = join(folder, '.kafka_cleanshutdown');
    const first = await startBroker({ dataDirectory: folder });
    expect(existsSync(mark)).toBe(false);
    await sendAll(first.native, 't', values);
    await first.close();
    await first.close();
    expect(existsSync(mark)).toBe(true);
    // A scan would find this, and cut the log here.
    const file = join(folder, 't-0', '00000000000000000000.log');
    const bytes = readFileSync(file);
    const at = bytes.indexOf('value 7');
    bytes.write('VALUE 7', at);
    writeFileSync(file, bytes);

    const { logger, lines } = keepingLogger();
    const second = await startBroker({ dataDirectory: folder, logger });
    expect(existsSync(mark)).toBe(false);
    await sendAll(second.native, 't', ['one more']);
    const client = new Client({ brokers: [second.native] });
    const [end] = await client.admin().listOffsets('t', 'latest');
    expect(end?.offset).toBe(values.length + 1);
    await client.close();
    const told = lines.map(({ message }) => message);
    expect(told).not.toContain('the last stop was not clean: logs are recovered');
    expect(told).not.toContain('the log was cut at the first invalid batch');
    expect(told).not.toContain('invalid record batch');

    bytes.write('value 7', at);
    writeFileSync(file, Buffer.concat([bytes, readFileSync(file).subarray(bytes.length)]));
    expect(await readAll(second.native, 't')).toEqual([...values, 'one more']);
    await second.close();
  });

  it('keeps its data directory for itself', async () => {
    const first = await startBroker({ dataDirectory: folder });
    const refusal: unknown = await startBroker({ dataDirectory: folder }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(OdradekError);
    expect(refusal).toMatchObject({ code: 'ODR_START', message: expect.stringContaining(folder) });
    expect(refusal).toMatchObject({ message: expect.stringContaining(String(process.pid)) });
    await sendAll(first.native, 't', ['goes on']);
    expect(await readAll(first.native, 't')).toEqual(['goes on']);
    await first.close();
    const second = await startBroker({ dataDirectory: folder });
    expect(await readAll(second.native, 't')).toEqual(['goes on']);
    await second.close();
  });

  it('refuses the data directory of another node', async () => {
    const first = await startBroker({ dataDirectory: folder });
    await first.close();
    const start = startBroker({ dataDirectory: folder, config: { 'node.id': 2 } });
    await expect(start).rejects.toMatchObject({
      code: 'ODR_START',
      message: expect.stringMatching(/node 1.*node 2/),
    });
  });

  it('refuses settings that it does not know or that are out of range', async () => {
    const start = startBroker({ config: { 'log.retention.hour': 1, 'num.partitions': 0 } });
    await expect(start).rejects.toMatchObject({
      code: 'ODR_CONFIG',
      message: expect.stringMatching(/log\.retention\.hour.*num\.partitions/s),
    });
  });

  it('says how it is', async () => {
    const broker = await startBroker();
    const get = async (path: string, method = 'GET') => {
      const response = await fetch(`http://${broker.http}${path}`, {
        method,
        headers: { connection: 'close' },
      });
      return { status: response.status, body: await response.text() };
    };
    expect(await get('/health/live')).toEqual({ status: 200, body: '{"live":true}\n' });
    expect(await get('/health/ready')).toMatchObject({ status: 200, body: '{"ready":true}\n' });
    expect(await get('/health/ready', 'HEAD')).toEqual({ status: 200, body: '' });
    expect(await get('/health')).toMatchObject({
      status: 404,
      body: expect.stringContaining('/health/live'),
    });
    expect(await get('/health/live', 'POST')).toMatchObject({ status: 405 });
    await broker.close();
    await expect(get('/health/live')).rejects.toThrow();
  });
});

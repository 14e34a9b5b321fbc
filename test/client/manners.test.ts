// How clients behave in a process: whole programs, run as users run them, against a broker in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client } from 'odradek';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerProcess } from '../chaos/broker-process.js';

const MIB = 1024 * 1024;
const CONNECTS = 10_000;
/** At a time. */
const CLIENTS = 100;
/** A connection that is not let go takes several KiB. */
const GROWTH_BYTES_MAX = 64 * MIB;

describe('A program with clients', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-manners-'));
  let broker: BrokerProcess;

  beforeAll(async () => {
    broker = await BrokerProcess.start({
      dataDirectory: folder,
      settings: { 'odradek.workers': 1 },
      // Where there is memory, newer versions of Node let young garbage lie for long: it is not to be taken for a leak.
      environment: { NODE_OPTIONS: '--max-semi-space-size=2' },
    });
  });

  afterAll(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a program of `programs/` to its end; it must end by itself, with 0. */
  async function run(name: string, ...more: string[]): Promise<unknown> {
    const program = fileURLToPath(new URL(`programs/${name}`, import.meta.url));
    const child = spawn(process.execPath, [program, broker.native, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    expect({
      code,
      errors: errors.replace(/.*(ExperimentalWarning|node --trace-warnings).*\n/g, ''),
    }).toEqual({
      code: 0,
      errors: '',
    });
    return JSON.parse(output);
  }

  it('leaves no handle of a hundred clients', async () => {
    expect(await run('hundred-clients.mjs')).toEqual({
      received: 100,
      wereOpen: true,
      socketsLeft: 0,
      handlesLeft: 0,
    });
  });

  it('ends by itself when nothing is under way, though nobody closed the client', async () => {
    expect(await run('forgets-to-close.mjs')).toEqual({ offset: 0 });
  });

  it('is kept alive by a consumer that waits', async () => {
    const program = fileURLToPath(new URL('programs/waits.mjs', import.meta.url));
    const client = new Client({ brokers: [broker.native] });
    const producer = client.producer({ lingerMs: 0 });
    await producer.send({ topic: 'awaited', value: 'first' });
    const child = spawn(process.execPath, [program, broker.native], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [ended, output] = [once(child, 'close'), text(child.stdout)];
    await once(child.stdout, 'data');
    await producer.send({ topic: 'awaited', value: 'second' });
    expect([await ended, (await output).trim()]).toEqual([[0, null], '["first","second"]']);
    await client.close();
  });

  it('may be CommonJS', async () => {
    const how = process.features.require_module ? 'require' : 'import';
    expect(await run('common-js.cjs')).toEqual({ offset: 0, how });
  });

  it('has no rejection that nobody handles', async () => {
    expect(await run('rejections.mjs', '127.0.0.1:1')).toEqual({
      ...{ unhandled: [], listeners: 0, settled: 16 },
    });
  });

  it.runIf(process.platform === 'linux')('may connect and disconnect ten thousand times', async () => {
    const connect = async (times: number) => {
      for (let done = 0; done < times; done += CLIENTS) {
        const clients = Array.from({ length: CLIENTS }, () => new Client({ brokers: [broker.native] }));
        await Promise.all(clients.map((client) => client.connect()));
        await Promise.all(clients.map((client) => client.close()));
      }
    };
    await connect(CONNECTS / 2);
    const beforeBytes = broker.memoryBytes();
    await connect(CONNECTS);
    const grownBytes = broker.memoryBytes() - beforeBytes;
    console.log(`${CONNECTS} connects: the broker grew by ${(grownBytes / MIB).toFixed(1)} MiB`);
    expect(grownBytes).toBeLessThan(GROWTH_BYTES_MAX);
  });
});

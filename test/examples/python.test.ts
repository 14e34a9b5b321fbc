// The example in Python: a client written from proto/odradek.proto and docs/protocol.md, without a Kafka library. What it
// needs, protobuf's generator, comes from PyPI at the first run; without Python, or without a network, it is left out and says why.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchReader } from '../../src/record/batch-reader.js';
import { installed } from '../interop/tool.js';

const execute = promisify(execFile);
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const INSTALL_MS_MAX = 120_000;

/** A Python that has the generator, or why there is none. */
async function python(): Promise<{ readonly command: string } | { readonly missing: string }> {
  try {
    const requirements = path('examples/python/requirements.txt');
    const folder = await installed('python-example', [requirements], async (target) => {
      await execute('python3', ['-m', 'venv', target]);
      const pip = [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--retries',
        '1',
        '--timeout',
        '10',
        '-r',
        requirements,
      ];
      await execute(join(target, 'bin/python'), pip, { timeout: INSTALL_MS_MAX });
    });
    return { command: join(folder, 'bin/python') };
  } catch (error) {
    return { missing: `no Python with grpcio-tools: ${String(error).split('\n')[0]}` };
  }
}

const found = await python();
if ('missing' in found) console.log(`The client in Python is left out: ${found.missing}`);

describe.skipIf('missing' in found)('The client in Python', () => {
  const generated = mkdtempSync(join(tmpdir(), 'odradek-python-'));
  let broker: TestBroker;

  beforeAll(async () => {
    const [folder, out] = ['-I', '--python_out='];
    const generator = ['-m', 'grpc_tools.protoc', folder, path('proto'), out + generated, 'odradek.proto'];
    await run(generator);
    broker = await startBroker({ workers: 1 });
  });

  afterAll(async () => {
    await broker.close();
    rmSync(generated, { recursive: true, force: true });
  });

  async function run(args: readonly string[]): Promise<string> {
    if ('missing' in found) throw new Error(found.missing);
    const environment = {
      PYTHONPATH: `${generated}:${path('examples/python')}`,
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const { stdout } = await execute(found.command, args, {
      env: { ...process.env, ...environment },
      timeout: 30_000,
    });
    return stdout;
  }

  it('produces, fetches and subscribes with credits', async () => {
    const output = await run([path('examples/python/example.py'), broker.native]);
    const lines: { what: string }[] = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, 1)).toEqual([{ what: 'hello', broker: 1, version: 1 }]);
    expect(lines.slice(2)).toEqual([
      { what: 'refused', error: 'TOPIC_ALREADY_EXISTS', retriable: false },
      { what: 'produced', first: 0, second: 100, offsets: [0, 200] },
      { what: 'fetched', records: 160, same: true },
      { what: 'waited', records: 0 },
      { what: 'subscribed', records: 200, same: true },
    ]);
  });

  it('writes batches that others read, and reads theirs', async () => {
    const program = [
      'import sys',
      'from odradek_client import Client',
      'from record_batch import Record',
      "host, port = sys.argv[1].split(':')",
      'with Client(host, int(port)) as client:',
      "    client.produce('both', 0, [Record(0, 1700000000000, b'k', 'grüße'.encode(), (('h', b'x'), ('n', None)))])",
      "    print([(r.offset, r.key, r.value.decode(), r.headers) for r in client.fetch('both', 0, 0)])",
    ].join('\n');
    const client = new Client({ brokers: [broker.native] });
    await client.producer({ compression: 'gzip' }).send({ topic: 'both', value: 'from Node '.repeat(30) });
    const output = await run(['-c', program, broker.native]);
    expect(output).toContain(`(0, None, '${'from Node '.repeat(30)}', ())`);
    expect(output).toContain("(1, b'k', 'grüße', (('h', b'x'), ('n', None)))");
    const received: unknown[] = [];
    for await (const { key, value, headers, timestampMs } of client.consumer({
      topic: 'both',
      from: { offset: 1 },
      until: 'end',
    })) {
      received.push([
        String(key),
        String(value),
        headers.map(({ key: name, value: of }) => [name, of && String(of)]),
        timestampMs,
      ]);
    }
    expect(received).toEqual([
      [
        'k',
        'grüße',
        [
          ['h', 'x'],
          ['n', null],
        ],
        1_700_000_000_000,
      ],
    ]);
    await client.close();
  });

  it('encodes as docs/protocol.md says', async () => {
    const program = [
      'import odradek_pb2 as pb',
      'from record_batch import Record, crc32c, encode_batch',
      'print(pb.RequestHeader(correlation_id=7, ping=pb.PingRequest()).SerializeToString().hex())',
      "print(format(crc32c(b'123456789'), '08x'))",
      "print(encode_batch([Record(0, 5, None, b'a'), Record(0, 4, b'', None, (('h', None),))]).hex())",
    ].join('\n');
    const [ping, crc, batch = ''] = (await run(['-c', program])).trim().split('\n');
    expect([ping, crc]).toEqual(['08075a00', 'e3069283']);
    const records = [...new BatchReader(Buffer.from(batch, 'hex'))].flatMap((each) => [...each.records()]);
    expect(
      records.map(({ timestampMs, key, value, headers }) => [
        timestampMs,
        key && String(key),
        value && String(value),
        headers,
      ]),
    ).toEqual([
      [5, null, 'a', []],
      [4, '', null, [{ key: 'h', value: null }]],
    ]);
  });
});

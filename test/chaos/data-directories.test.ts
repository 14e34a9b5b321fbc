// Brokers with several data directories: what lies where, what becomes of a directory that dies or does not come, and which ones are
// refused. A directory dies as its file system does, where one can be mounted, or is taken away under the broker.
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, OdradekError } from 'odradek';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerProcess } from './broker-process.js';
import { FILE_SYSTEMS, SmallDisk } from './small-disk.js';

const TOPIC = 'load';
const SETTINGS = {
  'odradek.workers': 2,
  'log.segment.bytes': 1024 * 1024,
  'log.segment.delete.delay.ms': 0,
};
const wait = { timeout: 30_000, interval: 20 };

let folder: string;
let broker: BrokerProcess | null = null;
let client: Client | null = null;
let disk: SmallDisk | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'odradek-directories-'));
});

afterEach(async () => {
  await client?.close({ timeoutMs: 0 });
  await broker?.kill();
  disk?.unmount();
  client = null;
  broker = null;
  disk = null;
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);

/** Starts a broker on these directories, in the place of the one before. */
async function start([first = '', ...others]: readonly string[]): Promise<{
  broker: BrokerProcess;
  client: Client;
}> {
  await client?.close({ timeoutMs: 0 });
  broker = await BrokerProcess.start({ dataDirectory: first, moreDirectories: others, settings: SETTINGS });
  client = new Client({ brokers: [broker.native], requestTimeoutMs: 5000 });
  return { broker, client };
}

/** Starts a broker that does not start; returns what it said. */
async function refusal([first = '', ...others]: readonly string[], nodeId = 1): Promise<string> {
  const refused = BrokerProcess.spawn({
    dataDirectory: first,
    moreDirectories: others,
    settings: { ...SETTINGS, 'node.id': nodeId },
  });
  expect(await refused.exited).toEqual({ code: 1, signal: null });
  return refused.output;
}

/** Partitions of the topic that lie in the directory. */
const partitionsIn = (path: string, topic = TOPIC): number[] =>
  readdirSync(path).flatMap((name) => {
    const [, index] = new RegExp(`^${topic}-(\\d+)$`).exec(name) ?? [];
    return index === undefined ? [] : [Number(index)];
  });

const metaOf = (path: string): Record<string, string> =>
  Object.fromEntries(
    readFileSync(join(path, 'meta.properties'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.includes('=') ? [line.split('=', 2)] : [])),
  );

async function send(to: Client, partition: number, value: string): Promise<void> {
  const producer = to.producer({ deliveryTimeoutMs: 2000 });
  try {
    await producer.send({ topic: TOPIC, partition, value });
  } finally {
    await producer.close({ timeoutMs: 0 });
  }
}

/** The values of a partition. */
async function read(from: Client, partition: number): Promise<string[]> {
  const values: string[] = [];
  const where = { topic: TOPIC, partitions: [partition], until: 'end' } as const;
  for await (const { value } of from.consumer({ ...where })) values.push(String(value));
  return values;
}

/** What a reader of the partition is told; null if it can be read. */
async function readError(partition: number): Promise<string | null> {
  await using hasty = new Client({ brokers: [broker?.native ?? ''], requestTimeoutMs: 500 });
  return await storageError(read(hasty, partition));
}

/** What a request is told of a partition whose disk has failed, or null. */
async function storageError(request: Promise<unknown>): Promise<string | null> {
  try {
    await request;
    return null;
  } catch (error) {
    if (!(error instanceof OdradekError)) throw error;
    const errors = [error, error.cause].filter((one): one is OdradekError => one instanceof OdradekError);
    return errors.find(({ errorName }) => errorName === 'KAFKA_STORAGE_ERROR')?.message ?? null;
  }
}

describe('Several data directories', () => {
  it('share the partitions, and each is found wherever its directory is named', async () => {
    const [a, b, c] = [at('a'), at('b'), at('c')];
    let { broker: running, client: used } = await start([a, b, c]);
    await used.admin().createTopic({ name: TOPIC, partitions: 9 });
    for (let partition = 0; partition < 9; partition++) await send(used, partition, `value ${partition}`);
    for (const path of [a, b, c]) expect(partitionsIn(path)).toHaveLength(3);
    const before = partitionsIn(b);
    const metas = [a, b, c].map(metaOf);
    expect(new Set(metas.map((meta) => meta['cluster.id'])).size).toBe(1);
    expect(new Set(metas.map((meta) => meta['directory.id'])).size).toBe(3);
    await running.stop();
    for (const path of [a, b, c]) {
      expect(existsSync(join(path, '.kafka_cleanshutdown'))).toBe(true);
      expect(readFileSync(join(path, 'recovery-point-offset-checkpoint'), 'utf8')).toMatch(/^0\n3\n/);
    }
    // Partitions may be moved while the broker is stopped.
    renameSync(join(b, `${TOPIC}-${before[0]}`), join(c, `${TOPIC}-${before[0]}`));
    ({ broker: running, client: used } = await start([a, c, b]));
    for (let partition = 0; partition < 9; partition++)
      expect(await read(used, partition)).toEqual([`value ${partition}`]);
    expect(partitionsIn(b)).toEqual(before.slice(1));
    const page = await (await fetch(`http://${running.http}/metrics`)).text();
    expect(page).toContain(`odradek_data_directory_partitions{directory="${c}"} 4`);
    await used.admin().deleteTopic(TOPIC);
    for (const path of [a, b, c]) expect(partitionsIn(path)).toEqual([]);
    await running.stop();
  });

  it('do not bring back deleted records when a partition is moved', async () => {
    const [a, b] = [at('a'), at('b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    for (const value of ['deleted', 'kept']) await send(used, 0, value);
    await used.admin().deleteRecords(TOPIC, [{ partition: 0, before: 1 }]);
    await running.stop();
    const [from, to] = partitionsIn(a).includes(0) ? [a, b] : [b, a];
    renameSync(join(from, `${TOPIC}-0`), join(to, `${TOPIC}-0`));
    ({ broker: running, client: used } = await start([a, b]));
    expect(await read(used, 0)).toEqual(['kept']);
    await running.stop();
  });

  it('are refused if they belong to others, or are named in the wrong order, twice or as a copy', async () => {
    const [a, b, c, d] = [at('a'), at('b'), at('c'), at('d')];
    await (await start([a, b])).broker.stop();
    await (await start([c])).broker.stop();
    expect(await refusal([a, c])).toMatch(
      /data directory .*c belongs to cluster .*name only directories of one broker/,
    );
    expect(await refusal([a, b], 2)).toMatch(/belongs to node 1, but this is node 2/);
    expect(await refusal([b, a])).toMatch(
      /metadata of the broker lie in .*a, not in .*b: name that directory first/,
    );
    expect(await refusal([d, b])).toMatch(/d is new, but .*b belongs to a broker already/);
    symlinkSync(b, at('link'));
    expect(await refusal([a, b, at('link')])).toMatch(/are the same: name it once/);
    expect(await refusal([a, b, join(at('link'), 'orders-0')])).toMatch(/lie one within the other/);
    rmSync(join(b, 'orders-0'), { recursive: true });
    cpSync(b, at('copy'), { recursive: true });
    expect(await refusal([a, b, at('copy')])).toMatch(/have the same directory.id/);
    expect(existsSync(join(d, 'meta.properties'))).toBe(false);
    await (await start([a, b])).broker.stop();
  });

  it('are served without one that cannot be used, whose partitions wait for it', async () => {
    const [a, b] = [at('a'), at('b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 4 });
    for (let partition = 0; partition < 4; partition++) await send(used, partition, 'before');
    const [away = -1] = partitionsIn(b);
    const [here = -1] = partitionsIn(a);
    await running.stop();
    renameSync(b, at('elsewhere'));
    writeFileSync(b, 'in the way');
    ({ broker: running, client: used } = await start([a, b]));
    expect(running.lines('a data directory cannot be used, its partitions are offline')).toMatchObject([
      { directory: b },
    ]);
    await send(used, here, 'after');
    expect(await read(used, here)).toEqual(['before', 'after']);
    expect(await storageError(send(used, away, 'lost'))).toContain(`The data directory ${b} is offline`);
    const { partitions } = await used.admin().describeTopic(TOPIC);
    expect(partitions[away]?.error?.message).toContain(`The data directory ${b} is offline`);
    expect(partitions[here]?.error).toBeNull();
    expect(partitionsIn(a)).toHaveLength(2);
    await used.admin().createTopic({ name: 'new', partitions: 2 });
    await vi.waitUntil(() => partitionsIn(a, 'new').length === 2, wait);
    expect((await fetch(`http://${running.http}/health/ready`)).status).toBe(503);
    await running.stop();
    // Not even named any more: it is not made anew, and empty, elsewhere.
    ({ broker: running, client: used } = await start([a]));
    expect(await storageError(send(used, away, 'lost'))).toMatch(/is not among those of this broker/);
    expect((await fetch(`http://${running.http}/health/ready`)).status).toBe(503);
    await running.stop();
    rmSync(b);
    renameSync(at('elsewhere'), b);
    ({ broker: running, client: used } = await start([a, b]));
    expect(await read(used, away)).toEqual(['before']);
    await running.stop();
  });

  it('do not hold a partition twice: it is not served until one of its folders is gone', async () => {
    const [a, b] = [at('a'), at('b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    for (const partition of [0, 1]) await send(used, partition, 'one');
    const [twice = -1] = partitionsIn(a);
    await running.stop();
    const copy = join(b, `${TOPIC}-${twice}`);
    cpSync(join(a, `${TOPIC}-${twice}`), copy, { recursive: true });
    ({ broker: running, client: used } = await start([a, b]));
    expect(await storageError(send(used, twice, 'two'))).toMatch(
      /several data directories, .*a and .*b: stop the broker/,
    );
    expect(await read(used, 1 - twice)).toEqual(['one']);
    await running.stop();
    rmSync(copy, { recursive: true });
    ({ broker: running, client: used } = await start([a, b]));
    expect(await read(used, twice)).toEqual(['one']);
    await running.stop();
  });

  it('bring nothing of a deleted topic into the next one of its name, though a loss of power took the id away', async () => {
    const [a, b] = [at('a'), at('b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    for (const partition of [0, 1]) await send(used, partition, 'old');
    const [away = -1] = partitionsIn(b);
    await running.kill();
    truncateSync(join(b, `${TOPIC}-${away}`, 'partition.metadata'), 0);
    ({ broker: running, client: used } = await start([a]));
    await used.admin().deleteTopic(TOPIC);
    await running.stop();
    ({ broker: running, client: used } = await start([a, b]));
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    for (const partition of [0, 1]) await send(used, partition, 'new');
    for (const partition of [0, 1]) expect(await read(used, partition)).toEqual(['new']);
    const stray = `${TOPIC}-${away}.${'0'.repeat(32)}-stray`;
    await vi.waitUntil(() => existsSync(join(b, stray)), wait);
    expect(readFileSync(join(b, stray, '00000000000000000000.log')).includes('old')).toBe(true);
    expect(running.lines('a folder was set aside: it is not of the topic whose name it bears')).toMatchObject(
      [{ topic: TOPIC, partition: away, directory: b, folder: stray }],
    );
    await running.stop();
    // Neither is it found again, nor does it go with the topic.
    ({ broker: running, client: used } = await start([a, b]));
    for (const partition of [0, 1]) expect(await read(used, partition)).toEqual(['new']);
    await used.admin().deleteTopic(TOPIC);
    expect(readdirSync(b)).toContain(stray);
    await running.stop();
  });

  it('go offline one by one: what is left serves on', async () => {
    const [a, b] = [at('a'), at('b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 4 });
    for (let partition = 0; partition < 4; partition++) await send(used, partition, 'before');
    const [away = -1, other = -1] = partitionsIn(b);
    const [here = -1] = partitionsIn(a);
    renameSync(b, at('gone'));
    // The next segment cannot be made: the partition is offline, and its directory when that has been tried.
    const large = 'x'.repeat(600 * 1024);
    await send(used, away, large);
    expect(await storageError(send(used, away, large))).not.toBeNull();
    await vi.waitUntil(
      () => running.lines('a data directory is offline: it cannot be written').length > 0,
      wait,
    );
    for (const partition of [away, other]) {
      expect(await storageError(send(used, partition, 'lost'))).not.toBeNull();
      expect(await readError(partition)).not.toBeNull();
    }
    await send(used, here, 'after');
    expect(await read(used, here)).toEqual(['before', 'after']);
    const ready = await fetch(`http://${running.http}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { reason: expect.stringContaining(b) }]);
    await running.kill();
    renameSync(at('gone'), b);
    ({ broker: running, client: used } = await start([a, b]));
    expect(await read(used, away)).toEqual(['before', large]);
    expect(await read(used, other)).toEqual(['before']);
    await running.stop();
  });

  it('take the broker with them if it is the first', async () => {
    const [a, b] = [at('a'), at('b')];
    const { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    renameSync(a, at('gone'));
    used
      .admin()
      .createTopic({ name: 'more', partitions: 2 })
      .catch(() => {});
    expect(await running.exited).toEqual({ code: 1, signal: null });
    expect(running.output).toContain('mend the disk, then start the broker again');
  });
});

// Mounting needs root, which CI has.
describe.skipIf(!FILE_SYSTEMS.includes('ext4'))('A disk that fails', () => {
  it('takes its partitions offline, and nothing acknowledged is lost', async () => {
    disk = SmallDisk.mount('ext4', 64);
    if (!disk) throw new Error('ext4 cannot be mounted any more');
    const [a, b] = [at('a'), join(disk.path, 'b')];
    let { broker: running, client: used } = await start([a, b]);
    await used.admin().createTopic({ name: TOPIC, partitions: 4 });
    for (let partition = 0; partition < 4; partition++) await send(used, partition, 'before');
    const [away = -1, other = -1] = partitionsIn(b);
    const [here = -1] = partitionsIn(a);
    expect(disk.fail()).toBe(true);
    expect(await storageError(send(used, away, 'lost'))).toContain(
      'stays closed until the broker is restarted',
    );
    await vi.waitUntil(
      () => running.lines('a data directory is offline: it cannot be written').length > 0,
      wait,
    );
    expect(await readError(away)).not.toBeNull();
    expect(await storageError(send(used, other, 'lost'))).toContain(`The data directory ${b} is offline`);
    await send(used, here, 'after');
    expect(running.lines('the log is offline: its files are in doubt')).toHaveLength(1);
    running.signal('SIGTERM');
    expect(await running.exited, running.output).toEqual({ code: 0, signal: null });
    expect(existsSync(join(a, '.kafka_cleanshutdown'))).toBe(true);
    expect(disk.repair()).toBe(true);
    expect(existsSync(join(b, '.kafka_cleanshutdown'))).toBe(false);
    ({ broker: running, client: used } = await start([a, b]));
    expect(await read(used, here)).toEqual(['before', 'after']);
    for (const partition of [away, other]) expect(await read(used, partition)).toEqual(['before']);
    await running.stop();
  });

  it('ends the broker with the reason if it holds the metadata', async () => {
    disk = SmallDisk.mount('ext4', 64);
    if (!disk) throw new Error('ext4 cannot be mounted any more');
    const { broker: running, client: used } = await start([join(disk.path, 'a'), at('b')]);
    await used.admin().createTopic({ name: TOPIC, partitions: 2 });
    expect(disk.fail()).toBe(true);
    await used
      .admin()
      .createTopic({ name: 'more', partitions: 2 })
      .catch(() => {});
    expect(await running.exited).toEqual({ code: 1, signal: null });
    expect(running.output).toMatch(/The metadata log is offline|The first data directory cannot be written/);
  });
});

import { describe, expect, it } from 'vitest';
import { type BrokerConfig, parseBrokerConfig } from '../../src/config/broker-config.js';
import { brokerOptions } from '../../src/config/broker-options.js';

function parse(entries: Record<string, string>, cores = 8): BrokerConfig {
  const parsed = parseBrokerConfig(Object.entries(entries), cores);
  if ('failures' in parsed) throw new Error(parsed.failures.map(({ message }) => message).join('\n'));
  return parsed.config;
}

function failures(entries: Record<string, string>): readonly { name: string; message: string }[] {
  const parsed = parseBrokerConfig(Object.entries(entries), 8);
  return 'failures' in parsed ? parsed.failures : [];
}

describe('parseBrokerConfig', () => {
  it('has a default for everything', () => {
    expect(parse({})).toMatchObject({
      nodeId: 1,
      dataDirectories: ['./data'],
      nativeListen: '127.0.0.1:9091',
      kafkaListen: '127.0.0.1:9092',
      httpListen: '127.0.0.1:9080',
      advertise: null,
      numPartitions: 1,
      autoCreateTopicsEnable: true,
      socketRequestMaxBytes: 32 * 1024 * 1024,
      topicDefaults: {},
    });
  });

  it('takes the one data directory of log.dir, unless log.dirs names some', () => {
    expect(parse({ 'log.dir': '/a,b' }).dataDirectories).toEqual(['/a,b']);
    expect(parse({ 'log.dir': '/a', 'log.dirs': '/b,/c' }).dataDirectories).toEqual(['/b', '/c']);
    expect(parse({}).dataDirectories).toEqual(['./data']);
  });

  it('parses what is set', () => {
    const config = parse({
      'node.id': '7',
      'log.dirs': '/a, /b',
      'odradek.http.listen': 'off',
      'max.connections': '5',
    });
    expect(config).toMatchObject({
      nodeId: 7,
      dataDirectories: ['/a', '/b'],
      httpListen: null,
      maxConnections: 5,
    });
    expect(brokerOptions(config)).toMatchObject({ dataDirectories: ['/a', '/b'], httpListen: null, config });
  });

  it('leaves a core to the main thread, and takes the others for workers, at most four, unless told', () => {
    expect(parse({}, 1).workers).toBe(1);
    expect(parse({}, 2).workers).toBe(1);
    expect(parse({}, 4).workers).toBe(3);
    expect(parse({}, 64).workers).toBe(4);
    expect(parse({ 'odradek.workers': '9' }, 2).workers).toBe(9);
  });

  it.each([
    [{ 'log.retention.hours': '2' }, '7200000'],
    [{ 'log.retention.minutes': '3', 'log.retention.hours': '2' }, '180000'],
    [{ 'log.retention.hours': '2', 'log.retention.ms': '5', 'log.retention.minutes': '3' }, '5'],
    [{ 'log.retention.hours': '-1' }, '-1'],
    [{ 'log.retention.ms': ' 6 ' }, '6'],
  ])('takes the retention of %j in the finest unit given', (entries, retentionMs) => {
    expect(parse(entries).topicDefaults).toEqual({ 'retention.ms': retentionMs });
  });

  it('checks a default in its own unit', () => {
    expect(failures({ 'log.roll.hours': '0' })).toEqual([
      {
        name: 'log.roll.hours',
        message: 'log.roll.hours=0 is not valid: it must be a whole number of hours, from 1 to 2147483647.',
      },
    ]);
  });

  it('checks a default that a finer unit hides', () => {
    expect(failures({ 'log.retention.ms': '5', 'log.retention.hours': 'x' }).map(({ name }) => name)).toEqual(
      ['log.retention.hours'],
    );
  });

  it('returns all failures, with the name that was probably meant', () => {
    const found = failures({ 'node.id': '-1', 'num.partition': '3', 'log.cleanup.policy': 'shrink' });
    expect(found.map(({ name }) => name).sort()).toEqual(['log.cleanup.policy', 'node.id', 'num.partition']);
    expect(found.find(({ name }) => name === 'num.partition')?.message).toContain(
      'did you mean num.partitions?',
    );
    expect(found.find(({ name }) => name === 'log.cleanup.policy')?.message).toContain(
      'a comma-separated list of delete or compact',
    );
  });

  it('refuses a request size that the largest batch does not fit in', () => {
    const [failure] = failures({ 'socket.request.max.bytes': '1048576' });
    expect(failure?.message).toContain(
      'socket.request.max.bytes=1048576 is too small for message.max.bytes=1048588',
    );
    expect(failures({ 'socket.request.max.bytes': '1048576', 'message.max.bytes': '500000' })).toEqual([]);
  });

  it('refuses lags of compaction that contradict each other', () => {
    const lags = { 'log.cleaner.min.compaction.lag.ms': '2', 'log.cleaner.max.compaction.lag.ms': '1' };
    expect(failures(lags)).toEqual([
      {
        name: 'log.cleaner.min.compaction.lag.ms',
        message: 'log.cleaner.min.compaction.lag.ms must not be above log.cleaner.max.compaction.lag.ms.',
      },
    ]);
  });

  it('is plain data', () => {
    const config = parse({ 'log.retention.hours': '2' });
    expect(structuredClone(config)).toEqual(config);
  });
});

import { describe, expect, it } from 'vitest';
import { BROKER_FLAGS } from '../../../src/cli/commands/broker-flags.js';
import {
  gatherSettings,
  loadBrokerConfig,
  type SettingSources,
} from '../../../src/cli/commands/broker-settings.js';
import { buildProgram } from '../../../src/cli/commands/program.js';
import { UsageError } from '../../../src/cli/commands/usage-error.js';

function sources(given: Partial<SettingSources> & { file?: string } = {}): SettingSources {
  const { file, ...rest } = given;
  const readFile = (path: string) => {
    if (path !== 'broker.properties' || file === undefined) throw new Error(`no such file: ${path}`);
    return file;
  };
  return { options: {}, environment: {}, readFile, ...rest };
}

const setting = (name: string, given: Parameters<typeof sources>[0]) =>
  gatherSettings(sources(given)).get(name)?.text;

describe('loadBrokerConfig', () => {
  it('prefers the command line to variables, those to the file, and that to the defaults', () => {
    const file = 'node.id=2\nnum.partitions=2\nodradek.workers=2\nodradek.http.listen=off';
    const environment = { ODRADEK_CONFIG: 'broker.properties', ODRADEK_NODE_ID: '3', ODRADEK_WORKERS: '3' };
    const config = loadBrokerConfig(sources({ file, environment, options: { nodeId: '4' } }));
    expect(config).toMatchObject({
      nodeId: 4,
      workers: 3,
      numPartitions: 2,
      httpListen: null,
      nativeListen: '127.0.0.1:9091',
    });
  });

  it('prefers an option of its own to --set, and --set to variables', () => {
    const environment = {
      ODRADEK_NODE_ID: '1',
      ODRADEK_WORKERS: '1',
      ODRADEK_SET: 'num.partitions=5; log.roll.hours=2',
    };
    const options = { set: ['node.id=2', 'odradek.workers=2'], nodeId: '3' };
    const config = loadBrokerConfig(sources({ environment, options }));
    expect(config).toMatchObject({
      nodeId: 3,
      workers: 2,
      numPartitions: 5,
      topicDefaults: { 'segment.ms': '7200000' },
    });
  });

  it('prefers the --config option to its variable', () => {
    const given = {
      environment: { ODRADEK_CONFIG: 'other' },
      options: { config: 'broker.properties' },
      file: 'node.id=9',
    };
    expect(setting('node.id', given)).toBe('9');
  });

  it('takes an empty variable as not set', () => {
    expect(
      loadBrokerConfig(sources({ environment: { ODRADEK_NODE_ID: '', ODRADEK_CONFIG: '', ODRADEK_SET: '' } }))
        .nodeId,
    ).toBe(1);
  });

  it('takes a value that contains "="', () => {
    expect(setting('a', { options: { set: ['a=b=c'] } })).toBe('b=c');
  });

  it.each(BROKER_FLAGS.map((flag) => [flag.environment, flag] as const))('reads %s', (name, flag) => {
    expect(setting(flag.setting.name, { environment: { [name]: 'x' } })).toBe('x');
  });

  it('takes several folders, none with a comma', () => {
    expect(loadBrokerConfig(sources({ options: { dataDir: ['/a', '/b'] } })).dataDirectories).toEqual([
      '/a',
      '/b',
    ]);
    expect(() => loadBrokerConfig(sources({ options: { dataDir: ['/a,b'] } }))).toThrow(
      'cannot contain a comma',
    );
  });

  it('says what is wrong and where it was given', () => {
    const given = sources({
      file: 'num.partitions=0',
      environment: { ODRADEK_WORKERS: 'many' },
      options: { config: 'broker.properties', nodeId: 'x', set: ['log.dis=/a'] },
    });
    const load = () => loadBrokerConfig(given);
    expect(load).toThrow(UsageError);
    expect(load).toThrow(
      'node.id=x is not valid: it must be a whole number, from 0 to 2147483647. (--node-id)',
    );
    expect(load).toThrow(/odradek.workers=many is not valid: .* \(ODRADEK_WORKERS\)/);
    expect(load).toThrow(/num.partitions=0 is not valid: .* \(broker.properties, line 1\)/);
    expect(load).toThrow('log.dis is not a broker setting of Odradek; did you mean log.dirs? (--set)');
  });

  it.each([
    [{ options: { set: ['x'] } }, '--set x: it must be of the form name=value'],
    [{ options: { set: ['=x'] } }, '--set =x: it must be of the form name=value'],
    [{ environment: { ODRADEK_SET: 'x' } }, 'ODRADEK_SET x: it must be of the form name=value'],
    [{ options: { config: 'missing' } }, 'The configuration file missing cannot be read'],
    [{ options: { config: 'broker.properties' }, file: 'x' }, 'line 1: "x" is not of the form name=value'],
  ])('refuses %j', (given, message) => {
    expect(() => loadBrokerConfig(sources(given))).toThrow(message);
  });
});

describe('odradek broker', () => {
  it('passes its options on under the names that the table of flags says', async () => {
    const program = await buildProgram(['broker']);
    const broker = program.commands.find((command) => command.name() === 'broker');
    for (const { option, flags } of BROKER_FLAGS) {
      const declared = broker?.options.find((candidate) => candidate.flags === flags);
      expect(declared?.attributeName(), flags).toBe(option);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from '../../src/config/broker-config.js';
import { brokerConfigEntries } from '../../src/config/broker-config-entries.js';
import { BROKER_PROPERTIES } from '../../src/config/broker-properties.js';
import { TOPIC_PROPERTIES } from '../../src/config/topic-properties.js';

function entriesOf(settings: Readonly<Record<string, string>>) {
  const parsed = parseBrokerConfig(Object.entries(settings), 2);
  if ('failures' in parsed) throw new Error(parsed.failures[0].message);
  return brokerConfigEntries(parsed.config);
}

describe('brokerConfigEntries', () => {
  it('has every setting once, by the name that comes first', () => {
    const names = entriesOf({}).map(({ name }) => name);
    expect(names).toEqual([
      ...Object.values(BROKER_PROPERTIES).map(({ name }) => name),
      ...Object.values(TOPIC_PROPERTIES).map(({ brokerNames }) => brokerNames[0].name),
    ]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('tells what was set from what is a default, in the units of the name', () => {
    const settings = { 'log.retention.hours': '2', 'num.partitions': '7', 'log.dirs': '/a,/b' };
    const byName = new Map(entriesOf(settings).map((entry) => [entry.name, entry]));
    expect(byName.get('log.retention.ms')).toMatchObject({ value: '7200000', source: 'BROKER' });
    expect(byName.get('num.partitions')).toMatchObject({ value: '7', source: 'BROKER' });
    expect(byName.get('log.dirs')).toMatchObject({ value: '/a,/b', source: 'BROKER' });
    expect(byName.get('log.segment.bytes')).toMatchObject({ value: '1073741824', source: 'DEFAULT' });
    expect(byName.get('node.id')).toMatchObject({ value: '1', source: 'DEFAULT' });
  });
});

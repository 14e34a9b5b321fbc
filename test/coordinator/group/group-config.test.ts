import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from '../../../src/config/broker-config.js';
import { groupConfigOf } from '../../../src/coordinator/group/group-config.js';
import { CONFIG } from './scene.js';

describe('groupConfigOf', () => {
  it("has Kafka's defaults", () => {
    const parsed = parseBrokerConfig([]);
    expect('config' in parsed && groupConfigOf(parsed.config)).toEqual(CONFIG);
  });

  it('takes the settings of groups', () => {
    const parsed = parseBrokerConfig([
      ['group.min.session.timeout.ms', '1'],
      ['group.max.session.timeout.ms', '2'],
      ['group.initial.rebalance.delay.ms', '0'],
      ['group.max.size', '4'],
      ['offset.metadata.max.bytes', '5'],
      ['offsets.retention.minutes', '6'],
      ['offsets.retention.check.interval.ms', '7'],
    ]);
    expect('config' in parsed && groupConfigOf(parsed.config)).toEqual({
      sessionTimeoutMinMs: 1,
      sessionTimeoutMaxMs: 2,
      initialRebalanceDelayMs: 0,
      sizeMax: 4,
      offsetMetadataBytesMax: 5,
      offsetsRetentionMs: 360_000,
      offsetsRetentionCheckIntervalMs: 7,
    });
  });

  it('refuses a range of session timeouts with nothing in it', () => {
    const parsed = parseBrokerConfig([['group.max.session.timeout.ms', '5999']]);
    expect('failures' in parsed && parsed.failures.map(({ name }) => name)).toEqual([
      'group.min.session.timeout.ms',
    ]);
  });
});

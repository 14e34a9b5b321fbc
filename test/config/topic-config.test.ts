import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from '../../src/config/broker-config.js';
import { resolveTopicConfig, validateTopicOverrides } from '../../src/config/topic-config.js';

const entries = (texts: Record<string, string>) => Object.entries(texts);

describe('validateTopicOverrides', () => {
  it('accepts what is valid', () => {
    expect(validateTopicOverrides([])).toBeNull();
    const texts = {
      'retention.ms': '-1',
      'segment.bytes': '1048576',
      'cleanup.policy': 'delete',
      'flush.acks': 'true',
    };
    expect(validateTopicOverrides(entries(texts))).toBeNull();
  });

  it('names each thing that is wrong', () => {
    const texts = {
      'retention.ms': 'soon',
      'cleanup.policy': 'compact',
      'compression.type': 'zstd',
      'retention.byte': '1',
    };
    const failure = validateTopicOverrides(entries(texts));
    expect(failure?.error).toBe('INVALID_CONFIG');
    expect(failure?.detail).toContain(
      'retention.ms=soon is not valid: it must be a whole number of milliseconds, from -1 to',
    );
    expect(failure?.detail).toContain('Compacted topics are not supported yet.');
    expect(failure?.detail).toContain('compression.type=zstd is not valid: it must be producer.');
    expect(failure?.detail).toContain('did you mean retention.bytes?');
  });

  it('lets only the broker itself ask for compaction', () => {
    const compact = entries({ 'cleanup.policy': 'compact' });
    expect(validateTopicOverrides(compact)?.error).toBe('INVALID_CONFIG');
    expect(validateTopicOverrides(compact, { internal: true })).toBeNull();
    expect(validateTopicOverrides(entries({ 'cleanup.policy': 'shrink' }), { internal: true })?.error).toBe(
      'INVALID_CONFIG',
    );
    const { config, entries: rows } = resolveTopicConfig({ topicDefaults: {} }, compact);
    expect(config.cleanupPolicy).toEqual(['compact']);
    expect(rows.find(({ name }) => name === 'cleanup.policy')).toMatchObject({
      value: 'compact',
      source: 'TOPIC',
    });
  });

  it('refuses a name that is given twice, and a name of a broker setting', () => {
    expect(
      validateTopicOverrides([
        ['retention.ms', '1'],
        ['retention.ms', '2'],
      ])?.detail,
    ).toBe('retention.ms is set twice.');
    expect(validateTopicOverrides([['log.dirs', '/']])?.detail).toBe(
      'log.dirs is not a topic setting of Odradek.',
    );
  });
});

describe('resolveTopicConfig', () => {
  const parsed = parseBrokerConfig(entries({ 'log.retention.hours': '1', 'log.segment.bytes': '2048' }), 1);
  if ('failures' in parsed) throw new Error('valid settings');
  const broker = parsed.config;

  it("prefers the topic's value to the broker's, and that to the default", () => {
    const { config, entries: rows } = resolveTopicConfig(broker, entries({ 'segment.bytes': ' 4096 ' }));
    expect(config).toMatchObject({
      segmentBytes: 4096,
      retentionMs: 3_600_000,
      retentionBytes: -1,
      flushMs: Infinity,
    });
    const row = (name: string) => rows.find((candidate) => candidate.name === name);
    expect(row('segment.bytes')).toMatchObject({ value: '4096', source: 'TOPIC' });
    expect(row('retention.ms')).toMatchObject({ value: '3600000', source: 'BROKER' });
    expect(row('flush.ms')).toMatchObject({ value: '9223372036854775807', source: 'DEFAULT' });
    expect(row('flush.ms')?.documentation).not.toBe('');
  });

  it('types every setting', () => {
    const { config } = resolveTopicConfig({ topicDefaults: {} }, []);
    expect(config).toEqual({
      cleanupPolicy: ['delete'],
      compressionType: 'producer',
      fileDeleteDelayMs: 60_000,
      flushAcks: false,
      flushMessages: Infinity,
      flushMs: Infinity,
      indexIntervalBytes: 4096,
      maxMessageBytes: 1_048_588,
      messageTimestampAfterMaxMs: 3_600_000,
      messageTimestampBeforeMaxMs: Infinity,
      messageTimestampType: 'CreateTime',
      minInsyncReplicas: 1,
      retentionBytes: -1,
      retentionMs: 604_800_000,
      segmentBytes: 1_073_741_824,
      segmentIndexBytes: 10_485_760,
      segmentJitterMs: 0,
      segmentMs: 604_800_000,
    });
    expect(structuredClone(config)).toEqual(config);
  });

  it('throws on overrides that were not checked', () => {
    expect(() => resolveTopicConfig(broker, entries({ 'segment.bytes': 'x' }))).toThrow(
      /segment.bytes=x is not valid/,
    );
  });
});

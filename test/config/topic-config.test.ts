import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from '../../src/config/broker-config.js';
import { resolveTopicConfig, validateTopicOverrides } from '../../src/config/topic-config.js';

const BROKER = { topicDefaults: {} };
const entries = (texts: Record<string, string>) => Object.entries(texts);

describe('validateTopicOverrides', () => {
  it('accepts what is valid', () => {
    expect(validateTopicOverrides(BROKER, [])).toBeNull();
    const texts = {
      'retention.ms': '-1',
      'segment.bytes': '1048576',
      'cleanup.policy': 'delete',
      'flush.acks': 'true',
    };
    expect(validateTopicOverrides(BROKER, entries(texts))).toBeNull();
  });

  it('names each thing that is wrong', () => {
    const texts = {
      'retention.ms': 'soon',
      'cleanup.policy': 'shrink',
      'min.cleanable.dirty.ratio': '1.5',
      'compression.type': 'zstd',
      'retention.byte': '1',
    };
    const failure = validateTopicOverrides(BROKER, entries(texts));
    expect(failure?.error).toBe('INVALID_CONFIG');
    expect(failure?.detail).toContain(
      'retention.ms=soon is not valid: it must be a whole number of milliseconds, from -1 to',
    );
    expect(failure?.detail).toContain(
      'cleanup.policy=shrink is not valid: it must be a comma-separated list of delete or compact.',
    );
    expect(failure?.detail).toContain(
      'min.cleanable.dirty.ratio=1.5 is not valid: it must be a number, from 0 to 1.',
    );
    expect(failure?.detail).toContain('compression.type=zstd is not valid: it must be producer.');
    expect(failure?.detail).toContain('did you mean retention.bytes?');
  });

  it('takes both policies, one or two of them', () => {
    for (const policy of ['delete', 'compact', 'compact,delete', 'delete, compact']) {
      expect(validateTopicOverrides(BROKER, entries({ 'cleanup.policy': policy }))).toBeNull();
    }
    for (const policy of ['shrink', 'compact,compact', '']) {
      expect(validateTopicOverrides(BROKER, entries({ 'cleanup.policy': policy }))?.error).toBe(
        'INVALID_CONFIG',
      );
    }
    const { config } = resolveTopicConfig(BROKER, entries({ 'cleanup.policy': 'compact,delete' }));
    expect(config.cleanupPolicy).toEqual(['compact', 'delete']);
  });

  it('refuses lags of compaction that contradict each other, or the broker', () => {
    const lags = (min: string, max: string) =>
      entries({ 'min.compaction.lag.ms': min, 'max.compaction.lag.ms': max });
    expect(validateTopicOverrides(BROKER, lags('1000', '1000'))).toBeNull();
    expect(validateTopicOverrides(BROKER, lags('1001', '1000'))).toEqual({
      error: 'INVALID_CONFIG',
      detail: 'min.compaction.lag.ms must not be above max.compaction.lag.ms.',
    });
    const strict = { topicDefaults: { 'max.compaction.lag.ms': '1000' } };
    const own = entries({ 'min.compaction.lag.ms': '1001' });
    expect(validateTopicOverrides(strict, own)?.error).toBe('INVALID_CONFIG');
    // A topic that was made before the broker was told so.
    expect(resolveTopicConfig(strict, own).config.minCompactionLagMs).toBe(1001);
  });

  it('refuses a name that is given twice, and a name of a broker setting', () => {
    expect(
      validateTopicOverrides(BROKER, [
        ['retention.ms', '1'],
        ['retention.ms', '2'],
      ])?.detail,
    ).toBe('retention.ms is set twice.');
    expect(validateTopicOverrides(BROKER, [['log.dirs', '/']])?.detail).toBe(
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
      deleteRetentionMs: 86_400_000,
      fileDeleteDelayMs: 60_000,
      flushAcks: false,
      flushMessages: Infinity,
      flushMs: Infinity,
      indexIntervalBytes: 4096,
      maxCompactionLagMs: Infinity,
      maxMessageBytes: 1_048_588,
      messageTimestampAfterMaxMs: 3_600_000,
      messageTimestampBeforeMaxMs: Infinity,
      messageTimestampType: 'CreateTime',
      minCleanableDirtyRatio: 0.5,
      minCompactionLagMs: 0,
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

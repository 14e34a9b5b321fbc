import { describe, expect, it } from 'vitest';
import { compactionSettings } from '../../src/partition/compaction-settings.js';
import { configOf } from '../broker/supervisor-scene.js';

describe('compactionSettings', () => {
  it('shares memory and rate out over the workers and the supervisor', () => {
    const settings = {
      'odradek.workers': '3',
      'log.cleaner.enable': 'false',
      'log.cleaner.backoff.ms': '7',
      'log.cleaner.dedupe.buffer.size': '8388608',
      'log.cleaner.io.max.bytes.per.second': '1000',
    };
    expect(compactionSettings(configOf(settings))).toEqual({
      isEnabled: false,
      backoffMs: 7,
      keysBytesMax: 2097152,
      bytesPerSecondMax: 250,
    });
  });

  it("takes Kafka's largest number for no limit", () => {
    expect(compactionSettings(configOf({})).bytesPerSecondMax).toBe(Number.POSITIVE_INFINITY);
  });
});

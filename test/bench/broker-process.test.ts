import { describe, expect, it } from 'vitest';
import { readyAddress } from '../../bench/broker-process.js';

describe('readyAddress', () => {
  it('finds the native door in the line that says that the broker is ready', () => {
    expect(readyAddress('{"level":30,"time":1,"native":"127.0.0.1:40001","msg":"broker ready"}')).toBe(
      '127.0.0.1:40001',
    );
  });

  it('is not taken in by other lines', () => {
    for (const line of [
      '',
      '{"level":30,"msg":"broker stopped"}',
      '{"level":30,"msg":"broker ready"}',
      '{"level":30,"topic":"broker ready","native":"x:1","msg":"topic created"}',
      'not JSON: "broker ready"',
    ]) {
      expect(readyAddress(line), line).toBeNull();
    }
  });
});

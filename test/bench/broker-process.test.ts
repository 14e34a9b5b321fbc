import { describe, expect, it } from 'vitest';
import { readyAddresses } from '../../bench/broker-process.js';

describe('readyAddresses', () => {
  it('finds the doors in the line that says that the broker is ready', () => {
    expect(readyAddresses('{"level":30,"time":1,"native":"127.0.0.1:40001","msg":"broker ready"}')).toEqual({
      native: '127.0.0.1:40001',
      kafka: null,
      http: null,
    });
    expect(
      readyAddresses(
        '{"native":"127.0.0.1:40001","kafka":"127.0.0.1:40002","http":"127.0.0.1:40003","msg":"broker ready"}',
      ),
    ).toEqual({ native: '127.0.0.1:40001', kafka: '127.0.0.1:40002', http: '127.0.0.1:40003' });
  });

  it('is not taken in by other lines', () => {
    for (const line of [
      '',
      '{"level":30,"msg":"broker stopped"}',
      '{"level":30,"msg":"broker ready"}',
      '{"level":30,"topic":"broker ready","native":"x:1","msg":"topic created"}',
      'not JSON: "broker ready"',
    ]) {
      expect(readyAddresses(line), line).toBeNull();
    }
  });
});

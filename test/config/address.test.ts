import { describe, expect, it } from 'vitest';
import { isLoopback, parseAddress } from '../../src/config/address.js';

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:9091', '127.0.0.1', 9091],
    ['localhost:0', 'localhost', 0],
    ['[::1]:65535', '::1', 65535],
    ['broker-1.example.com:1', 'broker-1.example.com', 1],
  ])('parses %s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
  });

  it.each([
    '',
    ':9091',
    'localhost',
    'localhost:',
    'localhost:65536',
    'localhost:-1',
    '::1:9091',
    'a b:1',
    'http://a:1',
    '[x]:1',
    'a:1:2',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });
});

describe('isLoopback', () => {
  it('knows what only this machine reaches', () => {
    expect(['127.0.0.1', '127.1.2.3', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '128.0.0.1', '127.0.0.1.example.com', 'example.com'].some(isLoopback)).toBe(
      false,
    );
  });
});

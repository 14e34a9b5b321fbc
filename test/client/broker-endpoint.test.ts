import { describe, expect, it } from 'vitest';
import { formatBrokerEndpoint, parseBrokerEndpoint } from '../../src/client/broker-endpoint.js';

describe('parseBrokerEndpoint', () => {
  it.each([
    ['127.0.0.1:9091', { host: '127.0.0.1', port: 9091 }],
    [' broker-1.example.com:65535 ', { host: 'broker-1.example.com', port: 65535 }],
    ['localhost', { host: 'localhost', port: 9091 }],
    ['[::1]:1', { host: '::1', port: 1 }],
    ['[::1]', { host: '::1', port: 9091 }],
  ])('reads %s', (text, endpoint) => {
    expect(parseBrokerEndpoint(text)).toEqual(endpoint);
    expect(parseBrokerEndpoint(formatBrokerEndpoint(endpoint))).toEqual(endpoint);
  });

  it.each(['', ':9091', 'a:b', 'a:0', 'a:65536', 'a:1:2', '::1', 'http://a:1', 'a b:1'])(
    'refuses %j',
    (text) => {
      expect(() => parseBrokerEndpoint(text)).toThrow(expect.objectContaining({ code: 'ODR_USAGE' }));
    },
  );
});

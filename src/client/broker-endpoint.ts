import { OdradekError } from '../base/errors.js';

/** Where a broker listens for the native protocol. */
export interface BrokerEndpoint {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 9091;
const ENDPOINT = /^(?:\[(?<ipv6>[0-9A-Fa-f:.]+)\]|(?<host>[^\s:[\]/]+))(?::(?<port>\d{1,5}))?$/;

/**
 * Reads `HOST:PORT`, `HOST` (port 9091) or `[IPV6]:PORT`.
 *
 * @throws OdradekError ODR_USAGE
 */
export function parseBrokerEndpoint(text: string): BrokerEndpoint {
  const groups = ENDPOINT.exec(text.trim())?.groups;
  const host = groups?.['ipv6'] ?? groups?.['host'];
  const port = groups?.['port'] === undefined ? DEFAULT_PORT : Number(groups['port']);
  if (host === undefined || port < 1 || port > 65535) {
    throw new OdradekError('ODR_USAGE', `Not the address of a broker, HOST:PORT: '${text}'.`);
  }
  return { host, port };
}

/** `HOST:PORT`, as {@link parseBrokerEndpoint} reads it. */
export function formatBrokerEndpoint({ host, port }: BrokerEndpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

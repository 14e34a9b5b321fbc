/** Where a door listens or a broker is reached. */
export interface Address {
  /** Name or IP address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/;

/** Parses `HOST:PORT`, IPv6 as `[::1]:9091`; null if the text is not of that form. Port 0 is left to the caller to judge. */
export function parseAddress(text: string): Address | null {
  const match = ADDRESS.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? null : { host, port };
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

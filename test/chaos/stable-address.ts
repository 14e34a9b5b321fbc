import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemRandom } from '../../src/base/random.js';

/** Below the ports that systems give to whoever asks for any: Linux begins at 32768, others at 49152. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const TRIES_MAX = 100;

/**
 * `127.0.0.1:PORT` for a broker that is to come back at its address. Nobody is given such a port while the broker is away: no
 * listener on port 0, no outgoing connection, not even one of a client that tries to reach the broker itself.
 */
export async function stableAddress(): Promise<string> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = FIRST_PORT + systemRandom.below(PORTS);
    if (await isFree(port)) return `127.0.0.1:${port}`;
  }
  throw new Error(`none of ${TRIES_MAX} ports is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

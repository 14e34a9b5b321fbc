import type { Server } from 'node:net';

/** Listens on a free port of the loopback; `listening` is told which, `failed` why it does not work. */
export function listen(
  server: Server,
  listening: (port: number) => void,
  failed: (error: Error) => void,
): void {
  server.on('error', failed);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') listening(address.port);
  });
}

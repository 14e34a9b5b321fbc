// net.createServer cannot be told to read into memory of ours: only `new net.Socket` can (its `onread` option), which costs
// a third to a half of the CPU of 'data' events. So an accepted socket gives up its handle, and a new one is made around it.
// That touches parts of Node that are not documented, the `_handle` property, its `fd` and the `handle` option, the same from
// Node 20 to 26. Where they look different the caller falls back to 'data' events and the stream's own writes.
import { writeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';

export interface DirectRead {
  /** The memory for the next read; asked at once, and again after each `received`. */
  readonly buffer: () => Uint8Array;
  /** So many bytes lie in the last buffer. False stops reading until `resume`. */
  readonly received: (count: number) => boolean;
}

/** The methods of a handle that a socket with `onread` calls. */
const HANDLE_METHODS = ['readStart', 'readStop', 'useUserBuffer', 'writev', 'shutdown', 'close'];

function looksLikeHandle(handle: unknown): handle is object {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    HANDLE_METHODS.every((name) => typeof Reflect.get(handle, name) === 'function')
  );
}

/**
 * A socket with the connection of the accepted one, which must not have begun to read (`pauseOnConnect`) and is of no use
 * afterwards. Null, and the accepted socket as before, if this Node's sockets have another shape.
 */
export function takeOver(accepted: Socket, read: DirectRead): Socket | null {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (!looksLikeHandle(handle)) return null;
  Reflect.set(accepted, '_handle', null);
  accepted.destroy();
  const options = {
    handle,
    allowHalfOpen: true,
    onread: { buffer: read.buffer, callback: read.received },
  };
  return new Socket(options as SocketConstructorOpts);
}

/**
 * Lets the next read of a socket that was taken over go elsewhere. Node keeps a few dozen bytes for each call until the
 * socket closes, so that this is for the end of a connection only.
 */
export function redirect(socket: Socket, buffer: Uint8Array): void {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (looksLikeHandle(handle)) Reflect.apply(Reflect.get(handle, 'useUserBuffer'), handle, [buffer]);
}

/** The socket's descriptor for a call in this turn; -1 if it has none (any more). */
export function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : -1;
  return typeof fd === 'number' ? fd : -1;
}

/**
 * Has the kernel take the bytes, or as many of them as it can now, past the machinery of a stream, which costs several times
 * the system call; returns how many it took. Only for a socket that was taken over and has nothing pending. An error is left for the
 * stream to find, which knows what to do.
 */
export function writeNow(socket: Socket, bytes: Uint8Array): number {
  const fd = descriptorOf(socket);
  if (fd < 0) return 0;
  try {
    return writeSync(fd, bytes);
  } catch {
    return 0; // The buffer is full, or the peer is gone.
  }
}

// System calls that Node has no name for. `sendfile` has the kernel hand a file's pages to a socket, which a read and a write copy
// twice; `send` can say that more follows, so that a short header does not leave in a packet of its own. They are called by way of
// koffi, an optional package. Without it, and where there is no such call (Linux has them), the answer is null, and who asked copies.
import type { LibraryHandle } from 'koffi';

/** Why a call failed is not told: its errno may be another's by the time that it can be asked for. */
export interface Libc {
  /** Sends up to `bytes` of the file from `position` on; returns how many the socket took, 0 at the file's end, -1 if it failed. */
  readonly sendFile: (socket: number, file: number, position: number, bytes: number) => number;
  /** Has the socket take bytes that others will follow, as many as it has room for; returns how many it took, -1 if it failed. */
  readonly sendMore: (socket: number, bytes: Uint8Array) => number;
  /** How much the kernel keeps for the peer of a socket, half of it. A hint: nothing tells that it was not taken. */
  readonly setSendBuffer: (socket: number, bytes: number) => void;
  /**
   * Has a socket whose congestion control is BBR use cubic or reno, at whose rates packets, which it still paces, hardly ever wait
   * for a timer. A hint, too.
   */
  readonly leaveBbr: (socket: number) => void;
}

const MSG_DONTWAIT = 0x40;
const MSG_MORE = 0x8000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const CONGESTION_NAME_BYTES_MAX = 16;
/** The second one is there where the first one is not. */
const INSTEAD_OF_BBR = ['cubic', 'reno'];
const NAMES = ['libc.so.6', 'libc.so'];

let libc: Libc | null = null;
let loading: Promise<Libc | null> | null = null;

/** What is loaded by now; if nothing was ever tried, that begins. */
export function libcIfLoaded(): Libc | null {
  if (loading === null) void loadLibc();
  return libc;
}

/** Null if there is none. */
export function loadLibc(): Promise<Libc | null> {
  loading ??= load().then((loaded) => {
    libc = loaded;
    return loaded;
  });
  return loading;
}

async function load(): Promise<Libc | null> {
  // Its constants, and the size of a position in a file.
  const isKnown = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
  if (!isKnown) return null;
  try {
    const { default: koffi } = await import('koffi');
    const library = firstOf(NAMES, (name) => koffi.load(name));
    return library && callsOf(library);
  } catch {
    return null; // It is not installed, or does not run here.
  }
}

function callsOf(library: LibraryHandle): Libc {
  const sendfile = library.func('int64_t sendfile(int socket, int file, void *position, uint64_t count)');
  const send = library.func('int64_t send(int socket, const void *bytes, uint64_t count, int flags)');
  const setsockopt = library.func(
    'int setsockopt(int socket, int level, int option, const void *value, uint32_t bytes)',
  );
  const getsockopt = library.func(
    'int getsockopt(int socket, int level, int option, void *value, void *bytes)',
  );
  const at = new BigInt64Array(1);
  return {
    sendFile(socket, file, position, bytes) {
      at[0] = BigInt(position);
      return Number(sendfile(socket, file, at, bytes));
    },
    sendMore: (socket, bytes) => Number(send(socket, bytes, bytes.length, MSG_DONTWAIT | MSG_MORE)),
    setSendBuffer(socket, bytes) {
      setsockopt(socket, SOL_SOCKET, SO_SNDBUF, Int32Array.of(bytes), Int32Array.BYTES_PER_ELEMENT);
    },
    leaveBbr(socket) {
      const name = Buffer.alloc(CONGESTION_NAME_BYTES_MAX);
      if (getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, Uint32Array.of(name.length)) !== 0) return;
      if (!name.toString('latin1').startsWith('bbr')) return;
      INSTEAD_OF_BBR.find((other) => {
        const bytes = Buffer.from(other);
        return setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, bytes, bytes.length) === 0;
      });
    },
  };
}

function firstOf<Item, Result>(items: readonly Item[], attempt: (item: Item) => Result): Result | null {
  for (const item of items) {
    try {
      return attempt(item);
    } catch {
      // The next one.
    }
  }
  return null;
}

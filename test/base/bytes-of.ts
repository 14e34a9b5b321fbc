import { isBytes, type Piece } from '../../src/base/piece.js';

/** All the bytes, those of files read at once. */
export function bytesOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => {
      if (isBytes(piece)) return piece;
      const bytes = Buffer.alloc(piece.length);
      let count = -1;
      piece.read(0, bytes, (error, read) => {
        count = error ? -1 : read;
      });
      if (count !== piece.length) throw new Error(`${count} of ${piece.length} bytes of a slice were read`);
      return bytes;
    }),
  );
}

import { FRAME_LENGTH_BYTES, FRAME_PREFIX_BYTES, readFrameBytes } from '../../src/protocol/native/frame.js';
import type { ResponseHeader } from '../../src/protocol/native/messages.js';
import { decodeResponseHeader } from '../../src/protocol/native/response-header.js';
import { Collector } from './collector.js';

export interface AnswerListener {
  /** An answer begins; its payload follows in pieces, if it has one. */
  answered(header: ResponseHeader, payloadBytes: number): void;
  /** A piece of the payload, to be used during the call only. */
  payload(piece: Buffer): void;
}

const FRAME_BYTES_MAX = 64 * 2 ** 20;

/** Cuts what a connection receives into answers. Payloads are passed on as they come and never gathered. */
export class AnswerReader {
  readonly #listener: AnswerListener;
  readonly #collector = new Collector();
  /** 0: the lengths are to be read next. */
  #headerBytes = 0;
  #payloadBytes = 0;
  #payloadLeft = 0;

  constructor(listener: AnswerListener) {
    this.#listener = listener;
  }

  /** Throws OdradekError ODR_PROTOCOL for bytes that are no answers. */
  received(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#payloadLeft > 0) {
        const end = Math.min(piece.length, at + this.#payloadLeft);
        this.#payloadLeft -= end - at;
        this.#listener.payload(piece.subarray(at, end));
        at = end;
        continue;
      }
      const head = this.#collector.collect(piece, at, this.#headerBytes || FRAME_PREFIX_BYTES);
      at += this.#collector.used;
      if (head === null) return;
      if (this.#headerBytes === 0) this.#lengths(head);
      else this.#header(head);
    }
  }

  #lengths(prefix: Buffer): void {
    const frameBytes = readFrameBytes(prefix, 0, FRAME_BYTES_MAX);
    this.#headerBytes = prefix.readUInt32BE(FRAME_LENGTH_BYTES);
    this.#payloadBytes = frameBytes - FRAME_PREFIX_BYTES - this.#headerBytes;
    if (this.#headerBytes === 0 || this.#payloadBytes < 0) {
      throw new Error(`An answer of ${frameBytes} bytes says that its header has ${this.#headerBytes}.`);
    }
  }

  #header(bytes: Buffer): void {
    this.#headerBytes = 0;
    this.#payloadLeft = this.#payloadBytes;
    this.#listener.answered(decodeResponseHeader(bytes), this.#payloadBytes);
  }
}

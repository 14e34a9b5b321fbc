// A connection of the load generators to Kafka's door, without what makes a client library comfortable.
import { connect, type Socket } from 'node:net';
import type { Api } from '../../src/protocol/kafka/api.js';
import { decodeResponse, encodeRequest, FRAME_LENGTH_BYTES } from '../../src/protocol/kafka/headers.js';
import type {
  DecodedFields,
  EncodableFields,
  Fields,
  RecordsSlice,
} from '../../src/protocol/kafka/schema.js';
import { Collector } from './collector.js';
import { descriptorOf } from './descriptor.js';

const HOST = '127.0.0.1';
const CLIENT_ID = 'bench';
const FRAME_BYTES_MAX = 64 * 2 ** 20;
/** One for all connections of the process: what is read is used up before the next read. */
const receiveBuffer = Buffer.allocUnsafeSlow(256 * 1024);

/** A request with the correlation id 0, to be sent many times. */
export function requestFrame<Request extends Fields>(
  api: Api<Request>,
  version: number,
  request: EncodableFields<Request>,
): Buffer {
  return Buffer.concat(encodeRequest(api, version, { correlationId: 0, clientId: CLIENT_ID }, request));
}

const NOTHING = Buffer.alloc(0);

/** The record batches of a partition in a decoded answer, without a copy. */
export function batchesOf(records: RecordsSlice | null | undefined): Buffer {
  return records ? records.bytes.subarray(records.start, records.start + records.length) : NOTHING;
}

export class KafkaConnection {
  readonly #socket: Socket;
  readonly #collector = new Collector();
  /** 0: a length is to be read next. */
  #answerBytes = 0;
  #answered: (answer: Buffer) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #error: Error | null = null;

  static async open(port: number): Promise<KafkaConnection> {
    const connection = new KafkaConnection(port);
    await new Promise<void>((resolve, reject) => {
      connection.#failed = reject;
      connection.#socket.on('connect', resolve);
    });
    return connection;
  }

  private constructor(port: number) {
    const socket = connect({
      host: HOST,
      port,
      noDelay: true,
      onread: {
        buffer: receiveBuffer,
        callback: (count) => {
          try {
            this.#received(receiveBuffer.subarray(0, count));
          } catch (error) {
            socket.destroy(error instanceof Error ? error : new Error(String(error)));
          }
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The broker closed the connection.')));
  }

  /** From now on answers, without their lengths, go to `answered`, and the first failure to `failed`. */
  listen(answered: (answer: Buffer) => void, failed: (error: Error) => void): void {
    this.#answered = answered;
    this.#failed = failed;
    if (this.#error) failed(this.#error);
  }

  send(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  /** The operating system's number of the socket; null if Node does not tell. */
  get descriptor(): number | null {
    return descriptorOf(this.#socket);
  }

  /** One request at a time; no other may be unanswered. */
  ask<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    request: EncodableFields<Request>,
  ): Promise<DecodedFields<Response>> {
    return new Promise((resolve, reject) => {
      this.listen((answer) => {
        // What is decoded may point into the receive buffer.
        resolve(decodeResponse(api, version, Buffer.from(answer)).response);
      }, reject);
      this.send(requestFrame(api, version, request));
    });
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }

  #received(piece: Buffer): void {
    for (let at = 0; at < piece.length; at += this.#collector.used) {
      const part = this.#collector.collect(piece, at, this.#answerBytes || FRAME_LENGTH_BYTES);
      if (part === null) return;
      if (this.#answerBytes > 0) {
        this.#answerBytes = 0;
        this.#answered(part);
        continue;
      }
      this.#answerBytes = part.readInt32BE(0);
      if (this.#answerBytes < FRAME_LENGTH_BYTES || this.#answerBytes > FRAME_BYTES_MAX) {
        throw new Error(`An answer says that it has ${this.#answerBytes} bytes.`);
      }
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#failed(this.#error);
  }
}

// A connection of the load generators: the native protocol on a raw socket, without what makes a client library comfortable.
import { connect, type Socket } from 'node:net';
import {
  type AnsweredRequestBody,
  PROTOCOL_VERSION,
  type ResponseBody,
  type ResponseHeader,
  type ResponseTo,
} from '../../src/protocol/native/messages.js';
import { type AnswerListener, AnswerReader } from './answer-reader.js';
import { requestFrame } from './batch.js';
import { descriptorOf } from './descriptor.js';

const HOST = '127.0.0.1';
/** One for all connections of the process: what is read is used up before the next read. */
const receiveBuffer = Buffer.allocUnsafeSlow(256 * 1024);
const CONTROL_CORRELATION_ID = 0xffff_ffff;

/** Throws what an answer says went wrong. */
export function successful<Type extends ResponseBody['type']>(
  header: ResponseHeader,
  type: Type,
): ResponseTo<Type> {
  const { error, body } = header;
  if (error) throw new Error(`${error.error}${error.detail ? `: ${error.detail}` : ''}`);
  if (!isOfType(body, type)) throw new Error(`The answer to ${type} is ${body?.type ?? 'unknown'}.`);
  return body;
}

function isOfType<Type extends ResponseBody['type']>(
  body: ResponseBody | null,
  type: Type,
): body is ResponseTo<Type> {
  return body?.type === type;
}

export class WireConnection {
  readonly #socket: Socket;
  #listener: AnswerListener | null = null;
  #failed: (error: Error) => void = () => {};
  #error: Error | null = null;
  #control: ((header: ResponseHeader) => void) | null = null;

  /** Connects and, unless the peer is a pump, says hello. */
  static async open(port: number, peer: 'broker' | 'pump' = 'broker'): Promise<WireConnection> {
    const connection = new WireConnection(port);
    await connection.#connected();
    if (peer === 'broker') {
      await connection.ask({
        type: 'hello',
        versionMin: PROTOCOL_VERSION,
        versionMax: PROTOCOL_VERSION,
        clientSoftware: 'odradek-bench',
        clientId: 'bench',
      });
    }
    return connection;
  }

  private constructor(port: number) {
    const reader = new AnswerReader({
      answered: (header, payloadBytes) => this.#answered(header, payloadBytes),
      payload: (piece) => this.#listener?.payload(piece),
    });
    const socket = connect({
      host: HOST,
      port,
      noDelay: true,
      onread: {
        buffer: receiveBuffer,
        callback: (count) => {
          // What the answers of one read give rise to goes out in one write.
          socket.cork();
          try {
            reader.received(receiveBuffer.subarray(0, count));
          } catch (error) {
            socket.destroy(error instanceof Error ? error : new Error(String(error)));
          }
          socket.uncork();
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The peer closed the connection.')));
  }

  /** From now on answers go to `listener`, and the first failure to `failed`. */
  listen(listener: AnswerListener, failed: (error: Error) => void): void {
    this.#listener = listener;
    this.#failed = failed;
    if (this.#error) failed(this.#error);
  }

  send(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  /** One request at a time; no other may be unanswered. */
  ask<Body extends AnsweredRequestBody>(body: Body): Promise<ResponseTo<Body['type']>> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      if (this.#error) reject(this.#error);
      this.#control = (header) => {
        try {
          resolve(successful<Body['type']>(header, body.type));
        } catch (error) {
          reject(error);
        }
      };
      this.send(requestFrame(CONTROL_CORRELATION_ID, body));
    });
  }

  /** The operating system's number of the socket; null if Node does not tell. */
  get descriptor(): number | null {
    return descriptorOf(this.#socket);
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }

  #connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#socket.on('connect', resolve);
    });
  }

  #answered(header: ResponseHeader, payloadBytes: number): void {
    if (this.#control) {
      const control = this.#control;
      this.#control = null;
      control(header);
    } else this.#listener?.answered(header, payloadBytes);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#failed(this.#error);
  }
}

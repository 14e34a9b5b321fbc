import { Writable } from 'node:stream';
import { OdradekError } from '../base/errors.js';
import type { Message, MessageBytes, TopicMessage } from './message.js';

export interface WritableOptions {
  /** Where to send what is written, which may be a value alone then: a string or bytes. */
  readonly topic?: string | undefined;
  /** How many messages wait in the stream itself. Default 16, as for all Node streams of objects. */
  readonly highWaterMark?: number | undefined;
}

type AnyMessage = TopicMessage<unknown, unknown>;

/** A producer. What is written to a stream has no type: the producer and its formats look at it. */
interface Sink {
  send(message: AnyMessage): Promise<unknown>;
  ready(): Promise<void>;
  flush(): Promise<void>;
}

/** A stream that sends what is written to it; see `Producer.writable`. */
export function messageWritable(producer: Sink, { topic, highWaterMark }: WritableOptions): Writable {
  const stream: Writable = new Writable({
    objectMode: true,
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    write(chunk: unknown, _encoding, taken) {
      const message = messageOf(chunk, topic);
      if (message instanceof OdradekError) {
        taken(message);
        return;
      }
      // An undelivered message ends the stream, which others of its messages may have left already.
      producer.send(message).catch((error: unknown) => stream.destroy(asError(error)));
      producer.ready().then(() => taken(), taken);
    },
    final(done) {
      producer.flush().then(() => done(), done);
    },
  });
  return stream;
}

function messageOf(chunk: unknown, topic: string | undefined): AnyMessage | OdradekError {
  if (isBytes(chunk)) {
    if (topic !== undefined) return { topic, value: chunk };
    return new OdradekError('ODR_USAGE', 'A stream of values needs a topic: writable({ topic }).');
  }
  if (typeof chunk !== 'object' || chunk === null) {
    return new OdradekError('ODR_USAGE', `A stream takes messages, strings and bytes, not ${typeof chunk}.`);
  }
  const message: Message<unknown, unknown> & { readonly topic?: string } = chunk;
  // Whatever else is wrong with it, send() says.
  return { ...message, topic: message.topic ?? topic ?? '' };
}

function isBytes(chunk: unknown): chunk is Exclude<MessageBytes, null> {
  return typeof chunk === 'string' || chunk instanceof Uint8Array;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

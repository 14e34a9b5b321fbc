import { Readable } from 'node:stream';

export interface ReadableOptions {
  /** How many messages wait in the stream itself. Default 16, as for all Node streams of objects. */
  readonly highWaterMark?: number | undefined;
}

/** A consumer, as far as a stream needs it. */
interface Source<Item> {
  readonly messages: AsyncIterator<Item, undefined>;
  /** The next message if it is there already, else null. */
  poll(): Item | null;
  close(): Promise<void>;
}

/** A stream of a consumer's messages; see `Consumer.readable`. */
export function messageReadable<Item>(source: Source<Item>, { highWaterMark }: ReadableOptions): Readable {
  return new Readable({
    objectMode: true,
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    read() {
      // Node asks again when it wants more, so one wait at a time; what is there already goes without one.
      source.messages.next().then(
        ({ done, value }) => {
          if (done) {
            this.push(null);
            return;
          }
          let isWanted = this.push(value);
          try {
            while (isWanted && !this.destroyed) {
              const next = source.poll();
              if (next === null) return;
              isWanted = this.push(next);
            }
          } catch (error) {
            this.destroy(asError(error));
          }
        },
        (error: unknown) => this.destroy(asError(error)),
      );
    },
    destroy(error, done) {
      source.close().then(() => done(error), done);
    },
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

import type { SendResult } from '../../client/message.js';

/** The acknowledged records of a partition. */
export interface PartitionTally {
  readonly partition: number;
  readonly records: number;
  /** -1 if acknowledgements are not waited for. */
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** Counts what has been acknowledged. */
export class Tally {
  readonly #partitions = new Map<number, PartitionTally>();
  #records = 0;

  get records(): number {
    return this.#records;
  }

  /** In the order of their numbers. */
  get partitions(): readonly PartitionTally[] {
    return [...this.#partitions.values()].sort((a, b) => a.partition - b.partition);
  }

  add(results: readonly SendResult[]): void {
    this.#records += results.length;
    for (const { partition, offset } of results) {
      const { records, firstOffset, lastOffset } = this.#partitions.get(partition) ?? {
        records: 0,
        firstOffset: offset,
        lastOffset: offset,
      };
      this.#partitions.set(partition, {
        partition,
        records: records + 1,
        firstOffset: Math.min(firstOffset, offset),
        lastOffset: Math.max(lastOffset, offset),
      });
    }
  }
}

/** What a record costs besides its bytes: its message, its promise and its result. */
const RECORD_OVERHEAD_BYTES = 256;

/** The sends that are not answered yet, bounded by the memory that they take, about. One caller waits at a time. */
export class SendWindow {
  readonly tally = new Tally();
  readonly #bytesMax: number;
  #bytes = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #failure: { readonly error: unknown } | null = null;
  /** Wakes the caller that waits for an answer. */
  #wake: () => void = () => {};

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of all input so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records that were sent together, and the bytes of input that they came from. */
  add(bytes: number, records: number, sent: Promise<readonly SendResult[]>): void {
    const held = bytes + records * RECORD_OVERHEAD_BYTES;
    this.#bytes += bytes;
    this.#waiting++;
    this.#waitingBytes += held;
    const answered = () => {
      this.#waiting--;
      this.#waitingBytes -= held;
      this.#wake();
    };
    sent.then(
      (results) => {
        this.tally.add(results);
        answered();
      },
      (error: unknown) => {
        this.#failure ??= { error };
        answered();
      },
    );
  }

  /** Completes when there is room for more, or throws what made a send fail. */
  async room(): Promise<void> {
    while (this.#waitingBytes >= this.#bytesMax) await this.#nextAnswer();
    this.#throwFailure();
  }

  /** Completes when all is answered, or throws what made a send fail. */
  async drained(): Promise<void> {
    while (this.#waiting > 0) await this.#nextAnswer();
    this.#throwFailure();
  }

  #nextAnswer(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}

// Which leader epoch began at which offset: how replicas and clients learn where histories part. Kept as a text checkpoint,
// `leader-epoch-checkpoint`, with one line `epoch startOffset` for each. Source: KIP-101, KIP-279, KIP-320.
import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import { type LeaderEpoch, NO_EPOCH, type Offset, toLeaderEpoch, toOffset } from '../base/ids.js';
import { checkpointNumber, formatCheckpoint, parseCheckpoint } from './checkpoint-file.js';

export interface LeaderEpochEntry {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/** The epochs of one log, ascending in epoch and start offset. */
export class LeaderEpochs {
  #entries: LeaderEpochEntry[];

  constructor(entries: readonly LeaderEpochEntry[] = []) {
    this.#entries = [...entries];
  }

  /** Reads a checkpoint; throws {@link OdradekError} `ODR_CORRUPT` that names the file and what is wrong. */
  static parse(path: string, text: string): LeaderEpochs {
    const epochs = new LeaderEpochs();
    for (const [epochField, offsetField] of parseCheckpoint(path, text, 2)) {
      const epoch = checkpointNumber(path, epochField);
      const startOffset = checkpointNumber(path, offsetField);
      const last = epochs.#entries.at(-1);
      const inRange = epoch >= 0 && epoch <= 0x7fffffff && startOffset >= 0;
      if (!inRange || (last && (epoch <= last.epoch || startOffset < last.startOffset))) {
        throw new OdradekError(
          'ODR_CORRUPT',
          `${path}: line "${epoch} ${startOffset}" is out of order or range`,
        );
      }
      epochs.#entries.push({ epoch: toLeaderEpoch(epoch), startOffset: toOffset(startOffset) });
    }
    return epochs;
  }

  /** The content of the checkpoint file. */
  format(): string {
    return formatCheckpoint(this.#entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
  }

  get entries(): readonly LeaderEpochEntry[] {
    return this.#entries;
  }

  /** The newest epoch, or -1. */
  get latest(): LeaderEpoch {
    return this.#entries.at(-1)?.epoch ?? NO_EPOCH;
  }

  /**
   * The epoch begins at the offset. Entries that begin there or later, or are of this epoch or a newer one, are not part of
   * this history and go (KIP-101). False if the epoch is the latest one already: nothing changes then.
   */
  assign(epoch: LeaderEpoch, startOffset: Offset): boolean {
    assert(epoch >= 0, `epoch ${epoch} cannot begin`);
    if (epoch === this.latest) return false;
    this.#entries = this.#entries.filter((entry) => entry.epoch < epoch && entry.startOffset < startOffset);
    this.#entries.push({ epoch, startOffset });
    return true;
  }

  /**
   * Where the epoch ends: the start of the next epoch, or the log's end for the latest. With the greatest epoch not above
   * the one asked for, or that one itself if it is older than all. Null if the epoch is newer than all, or none is known.
   * Source: KIP-320, OffsetsForLeaderEpoch.
   */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } | null {
    if (epoch < 0 || epoch > this.latest) return null;
    if (epoch === this.latest) return { epoch, endOffset: logEndOffset };
    const above = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const next = this.#entries[above];
    assert(next, `no epoch above ${epoch}`);
    return { epoch: this.#entries[above - 1]?.epoch ?? epoch, endOffset: next.startOffset };
  }

  /** The epoch of the record at the offset, or -1 if it is not known. */
  epochAt(offset: Offset): LeaderEpoch {
    return this.#entries.findLast((entry) => entry.startOffset <= offset)?.epoch ?? NO_EPOCH;
  }

  /** The log was cut to end at the offset: epochs that began there or later go. True if something changed. */
  truncateFromEnd(logEndOffset: Offset): boolean {
    const kept = this.#entries.filter((entry) => entry.startOffset < logEndOffset);
    const changed = kept.length < this.#entries.length;
    this.#entries = kept;
    return changed;
  }

  /**
   * A crash made the log end at the offset. Epochs that began behind it go, but for the newest, which now begins at the end:
   * the next leader's epoch is above one that was in use, so that whoever read the lost records can see that they are gone.
   * True if something changed.
   */
  clampToEnd(logEndOffset: Offset): boolean {
    const newest = this.#entries.at(-1);
    if (!newest || newest.startOffset <= logEndOffset) return false;
    this.truncateFromEnd(logEndOffset);
    this.#entries.push({ epoch: newest.epoch, startOffset: logEndOffset });
    return true;
  }

  /** The log now starts at the offset: epochs that ended before it go. True if something changed. */
  truncateFromStart(logStartOffset: Offset): boolean {
    const current = this.#entries.findLastIndex((entry) => entry.startOffset <= logStartOffset);
    const entry = this.#entries[current];
    if (!entry || (current === 0 && entry.startOffset === logStartOffset)) return false;
    this.#entries = [
      { epoch: entry.epoch, startOffset: logStartOffset },
      ...this.#entries.slice(current + 1),
    ];
    return true;
  }
}

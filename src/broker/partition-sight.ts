// What the router's thread sees of a partition at the moment: what its owner published, and where the batch with an offset
// lies.
import type { Published } from '../actor/view.js';
import type { ErrorName } from '../base/errors.js';
import { toOffset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Found } from '../log/log-reader.js';
import type { PartitionEntry, Route } from './topic-table.js';

export interface Sight {
  readonly route: Route | null;
  readonly published: Published | null;
  /** Where to read; null with an error, and where there is nothing to be read yet. */
  readonly found: Found | null;
  readonly error: ErrorName;
}

/** The offsets that answers carry. */
export interface SeenOffsets {
  /** -1 with an error, but for OFFSET_OUT_OF_RANGE. */
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
}

const NO_OFFSETS: SeenOffsets = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };

const blind = (error: ErrorName): Sight => ({ route: null, published: null, found: null, error });

/** Looks at a partition (undefined: there is none) for the batch that holds the offset, which may be any number. */
export function seePartition(entry: PartitionEntry | undefined, offset: number, logger: Logger): Sight {
  if (!entry || entry.topic.deleted) return blind('UNKNOWN_TOPIC_OR_PARTITION');
  const { route } = entry;
  if (!route) return blind(entry.failure?.error ?? 'NOT_LEADER_OR_FOLLOWER');
  const published = route.view.read();
  if (!published) return blind('NOT_LEADER_OR_FOLLOWER');
  const seen = (error: ErrorName): Sight => ({ route, published, found: null, error });
  if (offset < published.logStartOffset || offset > published.logEndOffset)
    return seen('OFFSET_OUT_OF_RANGE');
  if (offset >= published.highWatermark) return seen('NONE');
  const place = route.reader.locate(toOffset(offset), published);
  switch (place.type) {
    case 'found':
      return { route, published, found: place, error: 'NONE' };
    case 'end':
      return seen('NONE');
    case 'out-of-range':
      return seen('OFFSET_OUT_OF_RANGE');
    case 'corrupt':
      logger.error('invalid record batch in a segment', {
        file: place.path,
        position: place.position,
        reason: place.reason,
        offset,
      });
      return seen('CORRUPT_MESSAGE');
    case 'failed':
      logger.error('a segment cannot be read', { file: place.error.path, reason: place.error.message });
      return seen('KAFKA_STORAGE_ERROR');
  }
}

export function seenOffsets({ published }: Sight): SeenOffsets {
  return published
    ? {
        highWatermark: published.highWatermark,
        lastStableOffset: published.lastStableOffset,
        logStartOffset: published.logStartOffset,
      }
    : NO_OFFSETS;
}

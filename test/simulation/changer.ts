// Has topics changed while everything else goes on: configs, numbers of partitions, records deleted. A stream of randomness of
// its own says whether, when and what.
import type { Random } from '../../src/base/random.js';
import type { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { Administrator } from './administrator.js';
import type { CompactionSettings, Model, TopicSettings } from './model.js';
import { between, chance, pick } from './streams.js';

export interface ChangerOptions {
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly model: Model;
  readonly administrator: Administrator;
  readonly topicNames: readonly string[];
}

/** In this part of the histories topics stay as they were created. */
const UNCHANGED_PART = 0.4;
const PARTITIONS_MAX = 4;

export class Changer {
  readonly #options: ChangerOptions;
  readonly #pauseMsMax: number;
  #stopped: boolean;

  constructor(options: ChangerOptions) {
    this.#options = options;
    this.#stopped = chance(options.random, UNCHANGED_PART);
    this.#pauseMsMax = pick(options.random, [100, 300, 1000]);
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    const { clock, random } = this.#options;
    if (this.#stopped) return;
    clock.after(between(random, 10, this.#pauseMsMax), () => {
      if (this.#stopped) return;
      this.#change();
      this.#next();
    });
  }

  #change(): void {
    const { random, administrator, model, topicNames } = this.#options;
    const name = pick(random, topicNames);
    const topic = model.topic(name);
    if (!topic) return;
    const kind = random.below(10);
    if (kind < 4) administrator.alter(name, drawAlteration(random, topic.settings));
    else if (kind < 5) administrator.grow(name, Math.min(PARTITIONS_MAX, topic.settings.partitions + 1));
    else {
      const log = topic.logs[random.below(topic.settings.partitions)];
      // What is compacted and nothing else keeps its records.
      if (log && topic.settings.deletes)
        administrator.deleteRecords(log, drawOffset(random, log.startFloor, log.highFloor));
    }
  }
}

function drawOffset(random: Random, startFloor: number, highFloor: number): number {
  if (chance(random, 0.2)) return highFloor;
  const below = between(random, 0, Math.max(0, highFloor - startFloor));
  return Math.min(highFloor, startFloor + (chance(random, 0.7) ? Math.floor(below / 3) : below));
}

/** Some settings changed, the others as they were. Segments only grow: the batches that are under way must fit. */
function drawAlteration(random: Random, before: TopicSettings): TopicSettings {
  const overrides: Record<string, string> = { ...before.overrides };
  let { flushAcks, retentionBytes, retentionMs, segmentBytes } = before;
  for (let count = between(random, 1, 3); count > 0; count--) {
    switch (random.below(8)) {
      case 0:
        flushAcks = chance(random, 0.5);
        overrides['flush.acks'] = String(flushAcks);
        break;
      case 1:
      case 2:
        retentionBytes = chance(random, 0.3) ? -1 : between(random, 2000, 12_000);
        overrides['retention.bytes'] = String(retentionBytes);
        break;
      case 3:
        retentionMs = chance(random, 0.3) ? -1 : between(random, 1000, 8000);
        overrides['retention.ms'] = String(retentionMs);
        break;
      case 4:
        segmentBytes = between(random, segmentBytes, 9000);
        overrides['segment.bytes'] = String(segmentBytes);
        break;
      case 5:
        overrides['index.interval.bytes'] = String(pick(random, [0, 300, 1000]));
        break;
      case 6:
        overrides['flush.messages'] = String(between(random, 1, 30));
        break;
      default:
        delete overrides['flush.messages'];
        delete overrides['segment.ms'];
    }
  }
  const after = { ...before, flushAcks, retentionBytes, retentionMs, segmentBytes, overrides };
  return before.compaction ? { ...after, ...drawCompaction(random, before.compaction, overrides) } : after;
}

/** The topic goes on being compacted, in another way. */
function drawCompaction(
  random: Random,
  before: CompactionSettings,
  overrides: Record<string, string>,
): Pick<TopicSettings, 'compaction' | 'deletes'> {
  const minLagMs = pick(random, [before.minLagMs, 0, 200]);
  const deleteRetentionMs = pick(random, [before.deleteRetentionMs, 0, 1000]);
  const deletes = chance(random, 0.3);
  overrides['cleanup.policy'] = deletes ? 'delete,compact' : 'compact';
  overrides['min.compaction.lag.ms'] = String(minLagMs);
  overrides['delete.retention.ms'] = String(deleteRetentionMs);
  overrides['min.cleanable.dirty.ratio'] = String(pick(random, [0, 0.3, 0.9]));
  return { deletes, compaction: { ...before, minLagMs, deleteRetentionMs } };
}

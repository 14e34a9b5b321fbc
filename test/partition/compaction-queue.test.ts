// Beside the plain rule, which asks all partitions for each choice.
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import type { CompactionNeed } from '../../src/log/compaction/compaction.js';
import { type Compactable, CompactionQueue, LOOKS_PER_CHOICE } from '../../src/partition/compaction-queue.js';

const LOOK_AGAIN_MS = 1000;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 32);

/** What a partition says when it is asked, and how often it was. */
class Asked implements Compactable {
  readonly name: number;
  need: CompactionNeed | null;
  restUntilMs = 0;
  questions = 0;

  constructor(name: number, need: CompactionNeed | null) {
    this.name = name;
    this.need = need;
  }

  compactionDue(): CompactionNeed | null {
    this.questions++;
    return this.need;
  }
}

const needOf = (percent: number, forced = false): CompactionNeed => ({
  ...{ dirtyRatio: percent / 100, dirtyBytes: 1000, forced },
});

/** One of few values, so that many are alike. */
function drawNeed(random: Random): CompactionNeed | null {
  return random.below(4) === 0 ? null : needOf(50 + random.below(10), random.below(10) === 0);
}

const drawPartitions = (random: Random, count: number): Asked[] =>
  Array.from({ length: count }, (_, name) => new Asked(name, drawNeed(random)));

/** The one whose record has waited for too long, then the one that has most to gain, then the first. */
function plainChoice(partitions: readonly Asked[], nowMs: number): Asked | null {
  let chosen: { partition: Asked; need: CompactionNeed } | null = null;
  for (const partition of partitions) {
    const { need } = partition;
    if (need === null || partition.restUntilMs > nowMs) continue;
    const isMore = !chosen
      ? true
      : need.forced === chosen.need.forced
        ? need.dirtyRatio > chosen.need.dirtyRatio
        : need.forced;
    if (isMore) chosen = { partition, need };
  }
  return chosen?.partition ?? null;
}

const questionsOf = (partitions: readonly Asked[]): number =>
  partitions.reduce((sum, { questions }) => sum + questions, 0);

function queueOf(partitions: readonly Asked[]): CompactionQueue<Asked> {
  return new CompactionQueue({ partitions: () => partitions, lookAgainMs: LOOK_AGAIN_MS });
}

describe('CompactionQueue', () => {
  it('chooses among few as the plain rule does, whatever happens between two choices', () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const partitions = drawPartitions(random, 1 + random.below(LOOKS_PER_CHOICE));
      const queue = queueOf(partitions);
      let chosen = 0;
      for (let nowMs = 0; nowMs < 20 * LOOK_AGAIN_MS; ) {
        const expected = plainChoice(partitions, nowMs);
        const found = queue.next(nowMs);
        // After a look that found nothing there is none before the time is over.
        if (found === null) {
          expect(expected, `SEED=${seed} round ${round}`).toBeNull();
          nowMs = queue.lookAgainAtMs;
        } else {
          expect(found.partition, `SEED=${seed} round ${round}`).toBe(expected);
          expect(found.need).toBe(expected?.need);
          chosen++;
          nowMs += random.below(LOOK_AGAIN_MS / 2);
          if (random.below(3) === 0) {
            found.partition.restUntilMs = nowMs + LOOK_AGAIN_MS;
            queue.rest(found.partition, found.partition.restUntilMs);
          }
        }
        for (const partition of partitions) if (random.below(4) === 0) partition.need = drawNeed(random);
      }
      expect(chosen).toBeGreaterThan(0);
    }
  });

  it('chooses among many as the plain rule does, when each is served once and some need nothing any more', () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 5; round++) {
      const partitions = drawPartitions(random, 1000 + random.below(1000));
      const queue = queueOf(partitions);
      for (let at = 0; ; at++) {
        const expected = plainChoice(partitions, at);
        const found = queue.next(at)?.partition ?? null;
        expect(found?.name, `SEED=${seed} round ${round} choice ${at}`).toBe(expected?.name);
        if (found === null) break;
        found.need = null;
        const another = partitions[random.below(partitions.length)];
        if (another && random.below(3) === 0) another.need = null;
      }
    }
  });

  it('asks a few for each choice, however many are due', () => {
    const count = 10_000;
    const partitions = Array.from({ length: count }, (_, name) => new Asked(name, needOf(50 + (name % 50))));
    const queue = queueOf(partitions);
    for (let choice = 0; choice < count; choice++) {
      const found = queue.next(0);
      expect(found).not.toBeNull();
      if (found) found.partition.need = null;
    }
    expect(queue.next(0)).toBeNull();
    // The plain rule would have asked 100,000,000 times.
    expect(questionsOf(partitions)).toBeLessThan(count * (LOOKS_PER_CHOICE + 3));
  });

  it('does not ask all of many for each one that becomes due', () => {
    const count = 1000;
    const partitions = Array.from({ length: count }, (_, name) => new Asked(name, null));
    const queue = queueOf(partitions);
    let chosen = 0;
    for (let nowMs = 0; nowMs < 10 * LOOK_AGAIN_MS; nowMs += 10) {
      const one = partitions[chosen];
      if (one) one.need = needOf(60);
      const found = queue.next(nowMs);
      if (!found) continue;
      found.partition.need = null;
      chosen++;
    }
    expect(chosen).toBe(10);
    expect(questionsOf(partitions)).toBeLessThan(12 * count);
  });

  it('comes to one of many that is suddenly urgent after a part of them, or after some time', () => {
    const count = 1000;
    for (const stepMs of [0, LOOK_AGAIN_MS / 5]) {
      const partitions = Array.from({ length: count }, (_, name) => new Asked(name, needOf(60)));
      const queue = queueOf(partitions);
      queue.next(0);
      const urgent = partitions[count - 1];
      if (urgent) urgent.need = needOf(1, true);
      let choices = 1;
      while (queue.next(choices * stepMs)?.partition !== urgent) choices++;
      expect(choices).toBe(stepMs === 0 ? Math.ceil(count / LOOKS_PER_CHOICE) : 5);
    }
  });
});

// The judge must be able to condemn: here the broker gets parts that are broken on purpose, through its own ports, and within
// some histories the judge has to notice each.
import { describe, expect, it } from 'vitest';
import { RingConsumer, RingProducer } from '../../src/actor/descriptor-ring.js';
import type { Clock } from '../../src/base/clock.js';
import { ReadBuffer, type ReadRun } from '../../src/broker/read-buffer.js';
import type { DiskFile } from '../../src/io/disk.js';
import { COMPLETION } from '../../src/partition/messages.js';
import { changed } from '../io/changed-disk.js';
import { believeTornBatches } from '../log/believe-torn-batches.js';
import { runHistories } from './run-histories.js';
import type { Sabotage } from './simulated-broker.js';

const HISTORIES_MAX = 40;

const isSegment = ({ path }: DiskFile): boolean => path.endsWith('.log') && !path.includes('metadata');

class ForgetfulReadBuffer extends ReadBuffer {
  override acquire(wantedBytes: number, neededBytes = 0): ReadRun | null {
    const run = super.acquire(wantedBytes, neededBytes);
    run?.release();
    return run && { bytes: run.bytes, release: () => {} };
  }
}

class SwappingConsumer extends RingConsumer {
  override peek(ahead: number): number {
    return super.peek(this.available > 1 && ahead < 2 ? 1 - ahead : ahead);
  }
}

class MiscountingProducer extends RingProducer {
  #published = 0;
  #lastAt = -1;

  override claim(): number {
    const at = super.claim();
    if (at >= 0) this.#lastAt = at;
    return at;
  }

  /** Now and then a batch is said to be a record further on than it is. */
  override publish(): void {
    const index = this.#lastAt + COMPLETION.baseOffset;
    if (this.#lastAt >= 0 && ++this.#published % 50 === 0) this.words[index] = (this.words[index] ?? 0) + 1;
    this.#lastAt = -1;
    super.publish();
  }
}

const BUGS: Readonly<Record<string, Sabotage>> = {
  'a sync that does nothing': {
    disk: (disk, { clock }) =>
      changed(disk, {
        sync: (file, done) => {
          if (isSegment(file)) clock.schedule(1, () => done(null));
          else disk.sync(file, done);
        },
      }),
  },
  'a write that happens after it was acknowledged': {
    disk: (disk, { clock }) =>
      changed(disk, {
        write: (file, position, pieces) => {
          if (!isSegment(file)) {
            disk.write(file, position, pieces);
            return;
          }
          const bytes = Buffer.concat(pieces);
          clock.schedule(3, () => {
            try {
              disk.write(file, position, [bytes]);
            } catch {
              // The file was closed meanwhile, or the machine has stopped.
            }
          });
        },
      }),
  },
  'a crash that passes for a clean stop': {
    disk: (disk) =>
      changed(disk, {
        readFile: (path) => (path.endsWith('.kafka_cleanshutdown') ? Buffer.from('{}') : disk.readFile(path)),
      }),
  },
  'a deletion of records that a crash takes back': {
    disk: (disk, { clock }) =>
      changed(disk, {
        rename: (from, to, done) => {
          if (to.endsWith('log-start-offset-checkpoint')) clock.schedule(1, () => done(null));
          else disk.rename(from, to, done);
        },
      }),
  },
  'a recovery that believes a torn batch': { jobs: believeTornBatches },
  'memory of an answer that is given away before it was sent': {
    readBuffer: (bytes, chunkBytes) => new ForgetfulReadBuffer(bytes, chunkBytes),
  },
  'submissions that change places': {
    submissions: (ring, bell) => new SwappingConsumer(ring, bell),
  },
  'an acknowledgement with a wrong offset': {
    completions: (ring, bell) => new MiscountingProducer(ring, bell),
  },
  'workers whose clock is an hour ahead': {
    workerClock: (clock): Clock => ({
      wallMs: () => clock.wallMs() + 3_600_000,
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, fire) => clock.after(delayMs, fire),
      cancel: (timer) => clock.cancel(timer),
    }),
  },
};

describe('Judge', () => {
  it.each(Object.entries(BUGS))('notices %s', (_name, sabotage) => {
    const seeds = Array.from({ length: HISTORIES_MAX }, (_, index) => index + 1);
    const { failures, histories } = runHistories(seeds, { sabotage, everyFault: true });
    console.log(`noticed in history ${histories}: ${failures[0]?.error.message}`);
    expect(failures.map(({ error }) => error.name)).toEqual(['Verdict']);
  });
});

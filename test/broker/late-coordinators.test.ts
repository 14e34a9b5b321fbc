import { describe, expect, it, vi } from 'vitest';
import { ringIsAsleep } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { toTopicId } from '../../src/base/ids.js';
import { silentLogger } from '../../src/base/log.js';
import { seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { CoordinatorReplies } from '../../src/broker/coordinator-channel.js';
import { LateCoordinators } from '../../src/broker/late-coordinators.js';
import type { SupervisorEvent } from '../../src/broker/messages.js';
import { OWN_WORKER } from '../../src/broker/placement.js';
import { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { configOf } from './supervisor-scene.js';

const TOPICS: SupervisorEvent = {
  type: 'topics',
  updated: [
    {
      name: '__consumer_offsets',
      topicId: toTopicId('o_EPBDsTQkm1Ua--nqUtaQ'),
      internal: true,
      overrides: {},
      partitions: [],
    },
  ],
  deleted: [],
};

class Scene {
  readonly clock = new SimulatedClock();
  readonly told: SupervisorEvent[] = [];
  readonly replies: CoordinatorReplies['replies'][number][] = [];
  readonly late: LateCoordinators;

  constructor() {
    const { clock } = this;
    const random = seededRandom(1);
    const disk = new SimulatedDisk({ random, scheduler: clock });
    const later = (run: () => void) => clock.after(0, run);
    this.late = new LateCoordinators({
      config: configOf(),
      ...{ clock, random, disk, later },
      jobs: new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions }),
      logger: silentLogger,
      bell: (ring) => new LocalDoorbell(later, () => ringIsAsleep(ring)),
      endOfTurn: later,
      tell: (event) => this.told.push(event),
      reply: ({ replies }) => this.replies.push(...replies),
    });
  }
}

describe('LateCoordinators', () => {
  it('passes on at once what is told, and answers commands once the code is loaded', async () => {
    const scene = new Scene();
    scene.late.tell(TOPICS);
    expect(scene.told).toEqual([TOPICS]);
    const command = { type: 'list', states: [], types: [] } as const;
    scene.late.receive({ type: 'commands', commands: [{ id: 1, command }] });
    expect(scene.replies).toEqual([]);
    await vi.waitUntil(
      () => {
        scene.clock.advance(1);
        return scene.replies.length > 0;
      },
      { timeout: 20_000 },
    );
    expect(scene.replies).toEqual([{ id: 1, reply: { type: 'listed', error: 'NONE', groups: [] } }]);
    expect(scene.told).toEqual([TOPICS]);
  });

  it('starts the worker of the thread itself, and tells how to reach it', async () => {
    const scene = new Scene();
    scene.late.tell({ type: 'start-worker', worker: 0 });
    scene.late.tell({ type: 'start-worker', worker: OWN_WORKER });
    expect(scene.told).toEqual([{ type: 'start-worker', worker: 0 }]);
    expect(scene.late.worker).toBeNull();
    await vi.waitUntil(() => scene.told.length > 1, { timeout: 20_000 });
    expect(scene.told[1]).toEqual({ type: 'own-worker', memory: scene.late.worker?.memory });
  });

  it('ends at once if it was never needed, and else when the coordinators have ended', async () => {
    const idle = new Scene();
    let ended = 0;
    idle.late.close(() => ended++);
    expect(ended).toBe(1);
    const used = new Scene();
    used.late.receive({ type: 'commands', commands: [] });
    used.late.close(() => ended++);
    expect(ended).toBe(1);
    await vi.waitUntil(() => ended === 2, { timeout: 20_000 });
  });
});

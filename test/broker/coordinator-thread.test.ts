import { describe, expect, it } from 'vitest';
import { ringIsAsleep } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { ViewReader } from '../../src/actor/view.js';
import type { Clock } from '../../src/base/clock.js';
import type { TopicId } from '../../src/base/ids.js';
import { toPartitionIndex } from '../../src/base/ids.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { CoordinatorThread } from '../../src/broker/coordinator-thread.js';
import type { SupervisorCommand, SupervisorEvent, SupervisorReply } from '../../src/broker/messages.js';
import { OWN_WORKER } from '../../src/broker/placement.js';
import { type Started, startSupervisor } from '../../src/broker/start-supervisor.js';
import type {
  CommitOffsetsCommand,
  GroupCommand,
  GroupReply,
} from '../../src/coordinator/group/group-messages.js';
import { OFFSETS_TOPIC } from '../../src/coordinator/offsets-topic.js';
import { partitionFor } from '../../src/coordinator/partition-for.js';
import { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { withSeeds } from '../actor/seeds.js';
import { mortalClock } from '../base/mortal-clock.js';
import { collectingLogger } from '../log/log-fixture.js';
import { configOf } from './supervisor-scene.js';

const PARTITIONS = 5;
const SETTINGS = { 'offsets.topic.num.partitions': String(PARTITIONS), 'odradek.workers': '1' };
const COMMITTED = (topic: string) => ({
  type: 'offsets-committed',
  topics: [{ name: topic, partitions: [{ partition: 0, error: 'NONE' }] }],
});

const commitOf = (
  groupId: string,
  offset: number,
  topicId: TopicId,
  name = 'orders',
): CommitOffsetsCommand => ({
  type: 'commit-offsets',
  groupId,
  generation: -1,
  memberId: '',
  instanceId: null,
  retentionMs: null,
  topics: [{ name, topicId, partitions: [{ partition: 0, offset, leaderEpoch: -1, metadata: '' }] }],
});

/** The supervisor's thread on a simulated machine: the real supervisor, coordinators and logs. No partition worker ever starts. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly logger = collectingLogger();
  readonly config;
  events: SupervisorEvent[] = [];
  started!: Started;
  thread!: CoordinatorThread;
  readonly #replies = new Map<number, GroupReply>();
  #jobs!: SimulatedJobs;
  #process = 0;
  #lastId = 0;

  constructor(settings: Readonly<Record<string, string>> = {}, seed = 1) {
    this.random = seededRandom(seed);
    this.disk = new SimulatedDisk({ random: this.random, scheduler: this.clock });
    this.config = configOf({ ...SETTINGS, ...settings });
    this.start();
  }

  start(): void {
    const process = ++this.#process;
    const clock = this.#clockOf(process);
    const { random, disk, logger, config } = this;
    this.#jobs = new SimulatedJobs({ random, scheduler: this.clock, disk, functions: jobFunctions });
    this.events = [];
    this.#replies.clear();
    const ports = { config, disk, jobs: this.#jobs, clock, random, logger };
    const later = (run: () => void) => clock.after(0, run);
    const thread = new CoordinatorThread({
      ...ports,
      bell: (ring) => new LocalDoorbell(later, () => ringIsAsleep(ring)),
      later,
      endOfTurn: later,
      tell: (event) => this.events.push(event),
      reply: ({ replies }) => {
        for (const { id, reply } of replies) {
          if (this.#replies.has(id)) throw new Error('a command is answered once');
          this.#replies.set(id, reply);
        }
      },
    });
    this.thread = thread;
    let started: Started | null = null;
    startSupervisor(
      {
        ...ports,
        dataDirectories: ['/data'],
        tell: (event) => this.#told(thread, event),
        publishedBy: () => null,
      },
      (result) => {
        if (result instanceof Error) throw result;
        started = result;
        thread.start(result.supervisor, result.data);
      },
    );
    this.clock.runUntil(() => started !== null, 10_000);
    if (!started) throw new Error('the supervisor does not start');
    this.started = started;
  }

  #told(thread: CoordinatorThread, event: SupervisorEvent): void {
    if (event.type !== 'start-worker') this.events.push(event);
    thread.observe(event);
  }

  restart(how: 'crash' | 'power'): void {
    this.#process++;
    if (how === 'crash') this.disk.crashProcess();
    else this.disk.losePower();
    this.#jobs.crashProcess();
    this.start();
  }

  stop(): SupervisorReply {
    let result: SupervisorReply | null = null;
    this.thread.close(() => {
      this.started.supervisor.receive({ type: 'stop' }, (reply) => {
        result = reply;
      });
    });
    this.clock.runUntil(() => result !== null, 60_000);
    if (!result) throw new Error('the supervisor does not stop');
    return result;
  }

  send(command: GroupCommand): { readonly reply: () => GroupReply | undefined } {
    const id = ++this.#lastId;
    this.thread.receive({ type: 'commands', commands: [{ id, command }] });
    return { reply: () => this.#replies.get(id) };
  }

  run(command: GroupCommand): GroupReply {
    const { reply } = this.send(command);
    this.clock.runUntil(() => reply() !== undefined, 10_000);
    const result = reply();
    if (!result) throw new Error(`${command.type} is not answered`);
    return result;
  }

  ask(command: SupervisorCommand): SupervisorReply {
    let result: SupervisorReply | null = null;
    this.started.supervisor.receive(command, (reply) => {
      result = reply;
    });
    this.clock.runUntil(() => result !== null, 10_000);
    if (!result) throw new Error(`${command.type} is not answered`);
    return result;
  }

  createTopic(name: string): TopicId {
    const topic = { name, partitions: 1, replicationFactor: 1, overrides: {} };
    const reply = this.ask({ type: 'create-topic', topic, validateOnly: false });
    if (reply.type !== 'topic') throw new Error(JSON.stringify(reply));
    return reply.topic.topicId;
  }

  commit(groupId: string, offset: number, topicId: TopicId, name = 'orders'): GroupReply {
    return this.run(commitOf(groupId, offset, topicId, name));
  }

  /** What the group has committed, by topic. */
  committed(groupId: string): Record<string, number> {
    const reply = this.run({ type: 'fetch-offsets', groupId, topics: null, requireStable: false });
    if (reply.type !== 'offsets-fetched') throw new Error(JSON.stringify(reply));
    return Object.fromEntries(
      reply.topics.map(({ name, partitions }) => [name, partitions[0]?.offset ?? -1]),
    );
  }

  /** Folders of the internal topic. */
  folders(): string[] {
    const names = this.disk.list('/data').filter((name) => name.startsWith(OFFSETS_TOPIC));
    return names.sort();
  }

  /** How many records its logs have. */
  offsetRecords(): number {
    const segment = new RegExp(`/${OFFSETS_TOPIC}-\\d+/\\d+\\.log$`);
    return this.disk
      .files()
      .filter((path) => segment.test(path))
      .flatMap((path) => [...new BatchReader(this.disk.contents(path))])
      .reduce((sum, { recordCount }) => sum + recordCount, 0);
  }

  #clockOf(process: number): Clock {
    return mortalClock(this.clock, () => process === this.#process);
  }
}

const list: GroupCommand = { type: 'list', states: [], types: [] };
const groupsIn = (reply: GroupReply): string[] =>
  reply.type === 'listed' ? reply.groups.map(({ groupId }) => groupId).sort() : [JSON.stringify(reply)];

describe('CoordinatorThread', () => {
  it('makes its topic and opens the one partition that is needed, when the first command comes', () => {
    const scene = new Scene();
    const topicId = scene.createTopic('orders');
    scene.clock.advance(5000);
    expect(scene.folders()).toEqual([]);
    scene.events = [];
    expect(scene.commit('g', 7, topicId)).toEqual(COMMITTED('orders'));
    const index = partitionFor('g', PARTITIONS);
    expect(scene.folders()).toEqual([`${OFFSETS_TOPIC}-${index}`]);
    const topics = scene.events.flatMap((event) => (event.type === 'topics' ? event.updated : []));
    expect(topics).toMatchObject([
      { name: OFFSETS_TOPIC, internal: true, overrides: { 'cleanup.policy': 'compact' } },
    ]);
    expect(topics[0]?.partitions).toHaveLength(PARTITIONS);
    expect(scene.events.map(({ type }) => type)).toEqual(['topics', 'own-worker', 'routed']);
    expect(scene.committed('g')).toEqual({ orders: 7 });
  });

  it('publishes what coordinators append, for the router to read', () => {
    const scene = new Scene();
    const topicId = scene.createTopic('orders');
    scene.commit('g', 1, topicId);
    scene.commit('g', 2, topicId);
    const route = scene.events.flatMap((event) => (event.type === 'routed' ? [event.route] : []))[0];
    const memory = scene.events.flatMap((event) => (event.type === 'own-worker' ? [event.memory] : []))[0];
    if (!route || !memory) throw new Error('the partition has a route');
    expect(route.worker).toBe(OWN_WORKER);
    const view = new ViewReader(memory.views, route.slot, route.generation);
    expect(view.read()).toMatchObject({ logStartOffset: 0, highWatermark: 2, logEndOffset: 2 });
  });

  it('has the offsets after a crash, and lists all groups once it has loaded them', () => {
    const scene = new Scene();
    const topicId = scene.createTopic('orders');
    const groups = Array.from({ length: 8 }, (_, i) => `group ${i}`);
    for (const [i, group] of groups.entries()) scene.commit(group, i, topicId);
    scene.restart('crash');
    scene.events = [];
    scene.clock.advance(3000);
    expect(scene.events.filter(({ type }) => type === 'routed').length).toBe(scene.folders().length);
    expect(groupsIn(scene.run(list))).toEqual(groups);
    for (const [i, group] of groups.entries()) expect(scene.committed(group)).toEqual({ orders: i });
  });

  it('loads for a list what is not loaded yet', () => {
    const scene = new Scene();
    scene.commit('g', 1, scene.createTopic('orders'));
    scene.stop();
    scene.start();
    expect(groupsIn(scene.run(list))).toEqual(['g']);
  });

  it('lists nothing as long as there is nothing, and makes no topic for it', () => {
    const scene = new Scene();
    expect(scene.run(list)).toEqual({ type: 'listed', error: 'NONE', groups: [] });
    expect(scene.folders()).toEqual([]);
    expect(scene.events.filter(({ type }) => type === 'own-worker')).toEqual([]);
  });

  it('has the offsets after a loss of power, if the log waits for the disk', () => {
    const scene = new Scene({ 'log.flush.acks': 'true' });
    const topicId = scene.createTopic('orders');
    for (let offset = 0; offset < 5; offset++) {
      scene.commit('g', offset, topicId);
      scene.restart('power');
      expect(scene.committed('g')).toEqual({ orders: offset });
    }
  });

  it('has its log compacted, so that a start replays little, and has the newest offsets', () => {
    const settings = { 'offsets.topic.segment.bytes': '8192', 'log.cleaner.backoff.ms': '1000' };
    const scene = new Scene({ ...settings, 'log.flush.acks': 'true' });
    const topicId = scene.createTopic('orders');
    const groups = Array.from({ length: 8 }, (_, i) => `group ${i}`);
    const commits = 400;
    for (let offset = 1; offset <= commits; offset++) {
      for (const group of groups) scene.send(commitOf(group, offset, topicId));
      scene.clock.advance(1);
    }
    expect(scene.offsetRecords()).toBe(commits * groups.length);
    scene.clock.advance(10_000);
    const left = scene.offsetRecords();
    // Of each partition the newest segment stays as it is.
    expect(left).toBeLessThan((commits * groups.length) / 3);
    for (const how of ['crash', 'power'] as const) {
      scene.logger.lines.length = 0;
      scene.restart(how);
      scene.clock.advance(3000);
      for (const group of groups) expect(scene.committed(group)).toEqual({ orders: commits });
      const loaded = scene.logger.lines.filter(({ message }) => message === 'coordinator loaded');
      const replayed = loaded.reduce((sum, { fields }) => sum + Number(fields['records']), 0);
      expect(replayed).toBeGreaterThanOrEqual(groups.length);
      expect(replayed).toBeLessThanOrEqual(left);
    }
    // What is committed from then on is newer than what is left.
    for (const group of groups) scene.commit(group, 9999, topicId);
    scene.clock.advance(60_000);
    scene.restart('crash');
    for (const group of groups) expect(scene.committed(group)).toEqual({ orders: 9999 });
    expect(scene.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('stops cleanly, with all that was committed before, and recovers nothing afterwards', () => {
    const scene = new Scene();
    const topicId = scene.createTopic('orders');
    scene.commit('g', 1, topicId);
    const last = scene.send(commitOf('g', 9, topicId));
    expect(scene.stop()).toEqual({ type: 'done' });
    expect(last.reply()).toEqual(COMMITTED('orders'));
    scene.start();
    expect(scene.started.clean).toBe(true);
    expect(scene.committed('g')).toEqual({ orders: 9 });
  });

  it('answers members that wait for others when it is drained, and refuses what comes after', () => {
    const scene = new Scene();
    const join = scene.send({
      type: 'join',
      groupId: 'g',
      clientId: 'c',
      clientHost: '127.0.0.1',
      memberId: '',
      instanceId: null,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 300_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(4) }],
      requireKnownMemberId: false,
      canSkipAssignment: true,
      reason: null,
    });
    scene.clock.advance(1000);
    expect(join.reply()).toBeUndefined();
    scene.thread.receive({ type: 'drain' });
    scene.clock.advance(10);
    const answer = join.reply();
    expect(answer).toMatchObject({ error: 'NOT_COORDINATOR' });
    expect(scene.run({ type: 'describe', groupId: 'g' })).toEqual({
      type: 'refused',
      error: 'NOT_COORDINATOR',
    });
    expect(scene.stop()).toEqual({ type: 'done' });
  });

  it('forgets the offsets of deleted topics, and keeps the others', () => {
    const scene = new Scene();
    const orders = scene.createTopic('orders');
    const payments = scene.createTopic('payments');
    scene.commit('g', 1, orders);
    scene.commit('g', 2, payments, 'payments');
    scene.ask({ type: 'delete-topic', name: 'orders' });
    scene.clock.advance(100);
    expect(scene.committed('g')).toEqual({ payments: 2 });
    scene.restart('crash');
    expect(scene.committed('g')).toEqual({ payments: 2 });
  });

  it('keeps its topic for itself: nobody else may make, delete or enlarge it, or delete its records', () => {
    const scene = new Scene();
    const forbidden = { type: 'failed', error: 'INVALID_TOPIC_EXCEPTION' };
    const topic = { name: OFFSETS_TOPIC, partitions: 1, replicationFactor: 1, overrides: {} };
    expect(scene.ask({ type: 'create-topic', topic, validateOnly: false })).toMatchObject(forbidden);
    scene.commit('g', 1, scene.createTopic('orders'));
    expect(scene.ask({ type: 'delete-topic', name: OFFSETS_TOPIC })).toMatchObject(forbidden);
    const partition = toPartitionIndex(partitionFor('g', PARTITIONS));
    const beforeOffset = null;
    expect(
      scene.ask({ type: 'delete-records', topic: OFFSETS_TOPIC, partition, beforeOffset }),
    ).toMatchObject(forbidden);
    const more = { type: 'add-partitions', name: OFFSETS_TOPIC, count: 10, validateOnly: false } as const;
    expect(scene.ask(more)).toMatchObject({ type: 'failed' });
    expect(scene.committed('g')).toEqual({ orders: 1 });
  });

  it('refuses what cannot be written, and goes on with what can, in small segments too', () => {
    const scene = new Scene({ 'offsets.topic.segment.bytes': '1024' });
    const topicId = scene.createTopic('orders');
    const metadata = 'x'.repeat(1500);
    const partitions = [{ partition: 0, offset: 1, leaderEpoch: -1, metadata }];
    const large = { ...commitOf('g', 1, topicId), topics: [{ name: 'orders', topicId, partitions }] };
    const refused = { partition: 0, error: 'INVALID_COMMIT_OFFSET_SIZE' };
    expect(scene.run(large)).toMatchObject({ topics: [{ partitions: [refused] }] });
    const sent = Array.from({ length: 50 }, (_, offset) => scene.send(commitOf('g', offset, topicId)));
    scene.clock.advance(100);
    expect(sent.map(({ reply }) => reply())).toEqual(sent.map(() => COMMITTED('orders')));
    expect(scene.committed('g')).toEqual({ orders: 49 });
    expect(scene.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('lets no committed offset go back, whatever the disk and the power do', () => {
    withSeeds(8, (random) => {
      const scene = new Scene(
        { 'log.flush.acks': 'true', 'offsets.topic.segment.bytes': '1024' },
        random.uint32(),
      );
      const topicId = scene.createTopic('orders');
      const groups = Array.from({ length: 4 }, (_, i) => ({ id: `group ${i}`, sent: -1, acknowledged: -1 }));
      for (let round = 0; round < 8; round++) {
        // A full disk passes; what fails in another way stays offline until a restart.
        const trouble = (['ENOSPC', 'EIO', null] as const)[random.below(3)] ?? null;
        if (trouble) scene.disk.failSometimes('write', 0.02, trouble);
        const sent = Array.from({ length: random.below(40) }, () => {
          const group = groups[random.below(groups.length)];
          if (!group) throw new Error('there are groups');
          const offset = ++group.sent;
          const { reply } = scene.send(commitOf(group.id, offset, topicId));
          if (random.below(3) === 0) scene.clock.advance(random.below(30));
          return { group, offset, reply };
        });
        for (const { group, offset, reply } of sent) {
          const answer = reply();
          if (answer?.type !== 'offsets-committed') continue;
          const error = answer.topics[0]?.partitions[0]?.error;
          if (error === 'NONE') group.acknowledged = Math.max(group.acknowledged, offset);
          else expect(error).toBe('NOT_COORDINATOR');
        }
        scene.disk.stopFailing();
        if (trouble === 'EIO' || random.below(3) > 0)
          scene.restart(random.below(2) === 0 ? 'power' : 'crash');
        scene.clock.advance(30_000);
        for (const group of groups) {
          const offset = scene.committed(group.id)['orders'] ?? -1;
          expect(offset).toBeGreaterThanOrEqual(group.acknowledged);
          expect(offset).toBeLessThanOrEqual(group.sent);
          group.acknowledged = offset;
        }
      }
    });
  });

  it('says why when its topic cannot be made', () => {
    const scene = new Scene();
    scene.disk.failNext({ operation: 'write', path: /__odradek_metadata/, times: 1, code: 'ENOSPC' });
    const refused = { type: 'refused', error: 'COORDINATOR_NOT_AVAILABLE' };
    expect(scene.run({ type: 'describe', groupId: 'g' })).toEqual(refused);
    expect(scene.logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'group coordinator: the topic cannot be made' }),
    );
    scene.clock.advance(1000);
    expect(scene.run({ type: 'describe', groupId: 'g' })).toMatchObject({ type: 'described' });
  });
});

import { expect } from 'vitest';
import {
  createRing,
  RingConsumer,
  type RingMemory,
  RingProducer,
  readWide,
  ringIsAsleep,
} from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { createViews, type Published, ViewReader } from '../../src/actor/view.js';
import type { Clock } from '../../src/base/clock.js';
import { toLeaderEpoch, toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import type { LogRecovery } from '../../src/log/open-log.js';
import type { CompactionSettings } from '../../src/partition/compaction-settings.js';
import {
  COMPLETION,
  COMPLETION_KIND,
  type InspectDetail,
  type PartitionCommand,
  type PartitionEvent,
  type PartitionReply,
  SUBMISSION,
} from '../../src/partition/messages.js';
import { PartitionHost } from '../../src/partition/partition-host.js';
import { mortalClock } from '../base/mortal-clock.js';
import { batch, LogMachine } from '../log/log-fixture.js';
import { NO_COMPACTION } from './no-compaction.js';

const MEMORY_BYTES = 1024 * 1024;
const ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');

export interface HostSceneOptions {
  readonly seed?: number;
  readonly submissions?: number;
  readonly completions?: number;
  readonly compaction?: CompactionSettings;
  /** Called when the host's thread would stop until batches come. */
  readonly held?: (scene: HostScene, timeoutMs: number) => void;
}

class HoldingBell extends LocalDoorbell {
  onHold: (timeoutMs: number) => void = () => {};

  override hold(timeoutMs: number): void {
    this.onHold(timeoutMs);
  }
}

interface Completed {
  readonly token: number;
  readonly error: number;
  readonly baseOffset: number;
  readonly logStartOffset: number;
}

/** A worker's host on a simulated machine; the test is router and supervisor. */
export class HostScene {
  readonly machine: LogMachine;
  readonly memory = Buffer.from(new SharedArrayBuffer(MEMORY_BYTES));
  readonly views = createViews(8);
  readonly events: PartitionEvent[] = [];
  readonly completed: Completed[] = [];
  readonly advanced: number[] = [];
  readonly host: PartitionHost;
  readonly completions: RingMemory;
  readonly #submissions: RingProducer;
  readonly #completions: RingConsumer;
  #at = 0;
  #token = 0;
  #dead = false;

  constructor({
    seed = 1,
    submissions = 64,
    completions = 64,
    compaction = NO_COMPACTION,
    held = () => {},
  }: HostSceneOptions = {}) {
    this.machine = new LogMachine(seed);
    const clock = this.#clock();
    const rings = { submissions: createRing(submissions), completions: createRing(completions) };
    this.completions = rings.completions;
    const bell = (ring: RingMemory) =>
      new HoldingBell(
        (run) => clock.after(0, run),
        () => ringIsAsleep(ring),
      );
    const [toHost, toRouter] = [bell(rings.submissions), bell(rings.completions)];
    toHost.onHold = (timeoutMs) => held(this, timeoutMs);
    this.#submissions = new RingProducer(rings.submissions, toHost);
    this.#completions = new RingConsumer(rings.completions, toRouter);
    const { disk, jobs, random, logger } = this.machine;
    this.host = new PartitionHost({
      submissions: new RingConsumer(rings.submissions, toHost),
      completions: new RingProducer(rings.completions, toRouter),
      views: this.views,
      memory: this.memory,
      ...{ disk, jobs, clock, random, logger },
      retentionCheckIntervalMs: 60_000,
      compaction,
      tell: (event) => this.events.push(event),
      // Some time passes, or a full ring would be tried again for ever before its reader has a turn.
      later: (run) => clock.after(0.01, run),
    });
  }

  /** The power goes. */
  losePower(): void {
    this.#dead = true;
    this.machine.losePower();
  }

  #clock(): Clock {
    return mortalClock(this.machine.clock, () => !this.#dead);
  }

  tell(command: PartitionCommand): () => PartitionReply | null {
    const replies: PartitionReply[] = [];
    this.host.receive(command, (reply) => replies.push(reply));
    return () => {
      if (replies.length > 1) throw new Error('a command is answered once');
      return replies[0] ?? null;
    };
  }

  ask(command: PartitionCommand): PartitionReply {
    const reply = this.tell(command);
    this.machine.clock.runUntil(() => reply() !== null, 10_000);
    const result = reply();
    if (!result) throw new Error(`${command.type} is not answered`);
    return result;
  }

  /** What it counts, by name and labels. */
  inspect(detail: InspectDetail): Readonly<Record<string, unknown>> {
    const reply = this.ask({ type: 'inspect', detail });
    if (reply.type !== 'inspected') throw new Error(`inspect is answered with ${reply.type}`);
    return Object.fromEntries(
      reply.samples.map(({ metric, labels, value }) => [[metric, ...labels].join(' '), value]),
    );
  }

  open(
    slot: number,
    settings: Readonly<Record<string, string>> = {},
    epoch = 0,
    recovery: LogRecovery = { type: 'clean' },
  ) {
    return {
      type: 'open',
      topic: 'orders',
      topicId: ID,
      partition: toPartitionIndex(slot),
      directory: `/data/orders-${slot}`,
      slot,
      generation: epoch + 1,
      leaderEpoch: toLeaderEpoch(epoch),
      config: resolveTopicConfig({ topicDefaults: {} }, Object.entries(settings)).config,
      recovery,
      logStartOffset: toOffset(0),
      firstDirtyOffset: toOffset(0),
      producerIdExpirationMs: 86_400_000,
    } as const;
  }

  /** Room for submissions. */
  get room(): number {
    return this.#submissions.free;
  }

  /** Submits a batch of records, or other bytes; visible after {@link publish}. Returns the token. */
  submit(slot: number, bytes: Buffer = batch({ baseOffset: 0 }).bytes): number {
    if (this.#at + bytes.length > MEMORY_BYTES) this.#at = 0;
    bytes.copy(this.memory, this.#at);
    const at = this.#submissions.claim();
    expect(at).toBeGreaterThanOrEqual(0);
    const { words } = this.#submissions;
    const token = ++this.#token;
    words[at + SUBMISSION.token] = token;
    words[at + SUBMISSION.slot] = slot;
    words[at + SUBMISSION.start] = this.#at;
    words[at + SUBMISSION.bytes] = bytes.length;
    this.#at += bytes.length;
    return token;
  }

  publish(): void {
    this.#submissions.publish();
  }

  /** Takes what was completed. */
  collect(): void {
    const { words } = this.#completions;
    const count = this.#completions.available;
    for (let i = 0; i < count; i++) {
      const at = this.#completions.peek(i);
      const token = words[at + COMPLETION.token] ?? -1;
      if (words[at + COMPLETION.kind] === COMPLETION_KIND.advanced) this.advanced.push(token);
      else {
        this.completed.push({
          token,
          error: words[at + COMPLETION.error] ?? 0,
          baseOffset: readWide(words, at + COMPLETION.baseOffset),
          logStartOffset: readWide(words, at + COMPLETION.logStartOffset),
        });
      }
    }
    this.#completions.release(count);
  }

  /** Lets the host work, and takes all that it completes. */
  settle(ms = 100): void {
    const endMs = this.machine.clock.monotonicMs() + ms;
    this.collect();
    while ((this.machine.clock.nextMs ?? endMs) < endMs) {
      this.machine.clock.runNext();
      this.collect();
    }
  }

  published(slot: number, generation = 1): Published | null {
    return new ViewReader(this.views, slot, generation).read();
  }

  segment(slot: number): Buffer {
    return this.machine.disk.contents(`/data/orders-${slot}/00000000000000000000.log`);
  }
}

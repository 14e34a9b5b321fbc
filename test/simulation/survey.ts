// Reads every partition from its start to its end, while nobody writes, and has the judge compare it with what it knows.
import type { Random } from '../../src/base/random.js';
import type { ListOffsetsResult, OffsetPosition } from '../../src/protocol/native/messages.js';
import type { ClientWorld } from './client.js';
import { type ModelLog, type ModelTopic, Verdict } from './model.js';
import { WireClient } from './wire-client.js';

export interface SurveyOptions {
  readonly world: ClientWorld;
  readonly random: Random;
  /** For the first time since a loss of power: the logs may have lost their ends. */
  readonly powerLost: boolean;
  readonly done: () => void;
}

const RETRY_MS = 50;
const LOOKUPS_BY_TIME = 4;

export class Survey {
  readonly #options: SurveyOptions;
  #wire: WireClient | null = null;
  /** Each run is void once a connection ended. */
  #run = 0;
  #over = false;
  #left: ModelLog[] = [];
  /** Where the logs began, for those who look further. */
  readonly starts = new Map<ModelLog, number>();
  /** Why it cannot go on, for the verdict if it never can. */
  obstacle = 'no connection';

  constructor(options: SurveyOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Ends it, done or not. */
  close(): void {
    this.#over = true;
    this.#wire?.close();
  }

  #connect(): void {
    if (this.#over) return;
    const { world } = this.#options;
    const run = ++this.#run;
    this.#wire = new WireClient(
      world.network,
      'survey',
      () => this.#begin(run),
      () => world.clock.after(RETRY_MS, () => this.#connect()),
    );
  }

  #begin(run: number): void {
    this.obstacle = 'no metadata';
    const { world } = this.#options;
    this.#wire?.request({ type: 'metadata', topics: [], all: true, autoCreate: false }, {}, (reply) => {
      if (reply.type === 'lost' || reply.header.body?.type !== 'metadata') return;
      const described = new Map(reply.header.body.topics.map((topic) => [topic.name, topic]));
      this.#left = world.model.topics
        .filter((topic) => this.#isThere(topic, described.get(topic.name)?.topicId))
        .flatMap((topic) => this.#logsOf(topic, described.get(topic.name)?.partitions.length ?? 0));
      this.#next(run);
    });
  }

  #isThere(topic: ModelTopic, id: string | undefined): boolean {
    if (id === undefined && topic.reliable) throw new Verdict(`topic ${topic.name} is gone`);
    if (id !== undefined && topic.id !== null && topic.id !== id)
      throw new Verdict(`topic ${topic.name} has the id ${id} instead of ${topic.id}`);
    if (id !== undefined) topic.id = id;
    return id !== undefined;
  }

  /** Those that are there: of partitions that are being added nobody knows it before. */
  #logsOf({ name, logs, settings }: ModelTopic, partitions: number): ModelLog[] {
    if (partitions < settings.partitions || partitions > logs.length) {
      const expected = `${settings.partitions} to ${logs.length}`;
      throw new Verdict(`topic ${name} has ${partitions} partitions instead of ${expected}`);
    }
    return logs.slice(0, partitions);
  }

  #next(run: number): void {
    if (this.#over || run !== this.#run) return;
    const log = this.#left[0];
    if (log) this.#readLog(run, log);
    else {
      this.close();
      this.#options.done();
    }
  }

  #retry(run: number, log: ModelLog, obstacle: string): void {
    this.obstacle = `${log.name}: ${obstacle}`;
    this.#options.world.clock.after(RETRY_MS, () => {
      if (!this.#over && run === this.#run) this.#readLog(run, log);
    });
  }

  #readLog(run: number, log: ModelLog): void {
    this.#list(log, ['earliest', 'latest'], (listed) => {
      const [earliest, latest] = listed;
      const error = earliest?.error ?? latest?.error;
      if (!earliest || !latest || error) this.#retry(run, log, `offsets: ${error?.error}`);
      else
        this.#readFrom(run, log, {
          start: earliest.offset,
          end: latest.offset,
          next: earliest.offset,
          payloads: [],
        });
    });
  }

  #readFrom(
    run: number,
    log: ModelLog,
    reading: { start: number; end: number; next: number; payloads: Buffer[] },
  ): void {
    const { world, powerLost } = this.#options;
    const { start, end, next, payloads } = reading;
    if (next === end) {
      world.trace.add(() => `survey of ${log.name}: ${start} to ${end}`);
      world.model.readBack(log, { start, end, payloads }, powerLost);
      this.starts.set(log, start);
      this.#lookUpTimes(run, log, start);
      return;
    }
    const partitions = [{ topic: log.topic.name, partition: log.index, offset: next, maxBytes: 0 }];
    const body = { type: 'fetch', minBytes: 1, maxWaitMs: 0, maxBytes: 2 ** 20, partitions } as const;
    this.#wire?.request(body, {}, (reply) => {
      if (reply.type === 'lost') return;
      const part = reply.header.body?.type === 'fetch' ? reply.header.body.partitions[0] : undefined;
      const error = reply.header.error ?? part?.error;
      if (!part || error) {
        if (error?.error === 'CORRUPT_MESSAGE')
          throw new Verdict(`${log.name} cannot be read at offset ${next}: ${error.error}`);
        this.#retry(run, log, `offset ${next}: ${error?.error}`);
      } else if (part.highWatermark !== end || reply.payload.length === 0)
        this.#retry(run, log, `the end is at ${part.highWatermark}, was at ${end}`);
      else
        this.#readFrom(run, log, {
          ...reading,
          next: lastOffset(reply.payload) + 1,
          payloads: [...payloads, reply.payload],
        });
    });
  }

  #lookUpTimes(run: number, log: ModelLog, start: number): void {
    const { world, random } = this.#options;
    const nowMs = world.clock.wallMs();
    const targets = Array.from({ length: LOOKUPS_BY_TIME }, () => nowMs - random.below(20_000));
    const byTime = targets.map((timestampMs) => ({ timestampMs }));
    this.#list(log, ['earliest', ...byTime, 'earliest'], (listed) => {
      const failed = listed.find(({ error }) => error);
      const moved = listed[0]?.offset !== start || listed.at(-1)?.offset !== start;
      if (failed || moved) {
        this.#retry(run, log, failed ? `offsets by time: ${failed.error?.error}` : 'its start has moved');
        return;
      }
      targets.forEach((targetMs, index) => {
        const found = listed[index + 1];
        if (!found) throw new Error('an answer names fewer positions than the request');
        world.model.lookedUp(log, start, targetMs, found);
      });
      this.#left.shift();
      this.#next(run);
    });
  }

  #list(
    log: ModelLog,
    positions: readonly OffsetPosition[],
    listed: (results: readonly ListOffsetsResult[]) => void,
  ): void {
    const partitions = positions.map((position) => ({
      topic: log.topic.name,
      partition: log.index,
      position,
    }));
    this.#wire?.request({ type: 'listOffsets', partitions }, {}, (reply) => {
      if (reply.type === 'lost' || reply.header.body?.type !== 'listOffsets') return;
      listed(reply.header.body.partitions);
    });
  }
}

/** Of the last batch: offset and length stand at the start of each. */
function lastOffset(payload: Buffer): number {
  let position = 0;
  let last = -1;
  while (position < payload.length) {
    last = Number(payload.readBigInt64BE(position)) + payload.readInt32BE(position + 23);
    position += payload.readInt32BE(position + 8) + 12;
  }
  return last;
}

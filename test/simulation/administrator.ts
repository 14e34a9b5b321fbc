import type { Random } from '../../src/base/random.js';
import type { ConfigChange } from '../../src/protocol/native/messages.js';
import { Client, type ClientWorld } from './client.js';
import type { FaultKind } from './faults.js';
import type { ModelLog, ModelTopic, TopicSettings } from './model.js';
import type { WireClient } from './wire-client.js';

export interface AdministratorOptions {
  readonly settings: ReadonlyMap<string, TopicSettings>;
  /** Something that was asked for has happened. */
  readonly happened: (what: FaultKind) => void;
}

/** A change that is asked for until it is confirmed. */
type Change =
  | { readonly type: 'alter'; readonly topic: ModelTopic; readonly settings: TopicSettings }
  | { readonly type: 'grow'; readonly topic: ModelTopic; readonly partitions: number };

/**
 * The only client that creates, changes and deletes topics, so that it always knows, or can find out, which of them are there,
 * and how. It sees to it that all are, but for one that it was told to delete.
 */
export class Administrator extends Client {
  readonly #settings: ReadonlyMap<string, TopicSettings>;
  readonly #happened: (what: FaultKind) => void;
  /** The topic that is to be deleted, until it is gone. */
  #condemned: ModelTopic | null = null;
  #change: Change | null = null;
  #deletion: { readonly log: ModelLog; readonly before: number } | null = null;
  #busy = false;

  constructor(world: ClientWorld, random: Random, { settings, happened }: AdministratorOptions) {
    super(world, 'administrator', random);
    this.#settings = settings;
    this.#happened = happened;
  }

  /** Deletes the topic and creates it again; false if it has something else to do. */
  recreate(name: string): boolean {
    const topic = this.#free(name);
    if (!topic) return false;
    this.#condemned = topic;
    return true;
  }

  /** Changes the topic's configs; false if it has something else to do. */
  alter(name: string, settings: TopicSettings): boolean {
    const topic = this.#free(name);
    if (!topic) return false;
    this.#change = { type: 'alter', topic, settings };
    return true;
  }

  /** Has the topic have so many partitions; false if it has them, or there is something else to do. */
  grow(name: string, partitions: number): boolean {
    const topic = this.#free(name);
    if (!topic || partitions <= topic.settings.partitions) return false;
    this.#change = { type: 'grow', topic, partitions };
    return true;
  }

  /** Deletes the records before an offset that the high watermark has reached; false if it has something else to do. */
  deleteRecords(log: ModelLog, before: number): boolean {
    if (this.#free(log.topic.name) !== log.topic) return false;
    this.#deletion = { log, before };
    return true;
  }

  /** Whether all topics are there, and as they are to be, as far as clients can know. */
  get isDone(): boolean {
    return (
      !this.#condemned &&
      !this.#change &&
      !this.#deletion &&
      !this.#busy &&
      this.world.topicNames.every((name) => this.world.model.topic(name)?.reliable)
    );
  }

  /** Keeps on while others have stopped: what is half done must be finished. */
  override stop(): void {}

  /** The topic, if something new can be begun with it. */
  #free(name: string): ModelTopic | null {
    const topic = this.world.model.topic(name);
    const isIdle = !this.#condemned && !this.#change && !this.#deletion && this.wire;
    return isIdle && topic?.reliable ? topic : null;
  }

  protected override connected(wire: WireClient): void {
    this.#busy = false;
    this.#next(wire);
  }

  #next(wire: WireClient): void {
    this.soon(5, 30, () => {
      if (!this.#busy) {
        const missing = this.world.topicNames.find(
          (name) => !this.world.model.topic(name)?.reliable && this.#condemned?.name !== name,
        );
        if (this.#condemned) this.#delete(wire, this.#condemned);
        else if (missing !== undefined) this.#create(wire, missing);
        else if (this.#change?.type === 'alter') this.#alter(wire, this.#change);
        else if (this.#change) this.#grow(wire, this.#change);
        else if (this.#deletion) this.#deleteRecords(wire, this.#deletion);
      }
      this.#next(wire);
    });
  }

  #create(wire: WireClient, name: string): void {
    const { model, trace } = this.world;
    const settings = this.#settings.get(name);
    if (!settings) throw new Error(`no settings for ${name}`);
    const topic = model.topic(name) ?? model.creating(name, settings);
    const configs = Object.entries(settings.overrides).map(([key, value]) => ({ name: key, value }));
    const body = {
      type: 'createTopic',
      name,
      partitions: settings.partitions,
      replicationFactor: 1,
      configs,
      validateOnly: false,
    } as const;
    this.#busy = true;
    wire.request(body, {}, (reply) => {
      this.#busy = false;
      if (reply.type === 'lost') return;
      const { error, body: answer } = reply.header;
      trace.add(() => `administrator hears ${error?.error ?? 'created'} of ${name}`);
      if (answer?.type === 'createTopic') model.created(topic, answer.topic.topicId);
      else if (error?.error === 'TOPIC_ALREADY_EXISTS') this.#look(wire, topic);
    });
  }

  #delete(wire: WireClient, topic: ModelTopic): void {
    const { model, trace } = this.world;
    model.deleting(topic);
    this.#busy = true;
    wire.request({ type: 'deleteTopic', name: topic.name }, {}, (reply) => {
      this.#busy = false;
      if (reply.type === 'lost') return;
      const { error } = reply.header;
      trace.add(() => `administrator hears ${error?.error ?? 'deleted'} of ${topic.name}`);
      if (error && error.error !== 'UNKNOWN_TOPIC_OR_PARTITION') return;
      this.#condemned = null;
      model.deleted(topic);
      this.#happened('topic deletion');
    });
  }

  #alter(wire: WireClient, { topic, settings }: Extract<Change, { type: 'alter' }>): void {
    const { model, trace } = this.world;
    const names = new Set([...Object.keys(topic.settings.overrides), ...Object.keys(settings.overrides)]);
    const changes = [...names].map((name): ConfigChange => {
      const value = settings.overrides[name];
      return value === undefined
        ? { name, operation: 'delete', value: '' }
        : { name, operation: 'set', value };
    });
    topic.altering(settings);
    this.#busy = true;
    const body = { type: 'alterTopic', name: topic.name, changes, validateOnly: false } as const;
    wire.request(body, {}, (reply) => {
      this.#busy = false;
      if (reply.type === 'lost') return;
      const { error } = reply.header;
      const { overrides } = settings;
      trace.add(
        () =>
          `administrator hears ${error?.error ?? 'altered'} of ${topic.name}: ${JSON.stringify(overrides)}`,
      );
      if (error) return;
      this.#change = null;
      model.altered(topic, settings);
      this.#happened('topic alteration');
    });
  }

  #grow(wire: WireClient, { topic, partitions }: Extract<Change, { type: 'grow' }>): void {
    const { model, trace } = this.world;
    model.growing(topic, partitions);
    this.#busy = true;
    const body = { type: 'addPartitions', name: topic.name, count: partitions, validateOnly: false } as const;
    wire.request(body, {}, (reply) => {
      this.#busy = false;
      if (reply.type === 'lost') return;
      const { error } = reply.header;
      trace.add(() => `administrator hears ${error?.error ?? 'grown'} of ${topic.name} to ${partitions}`);
      // What is refused was done by an earlier request, whose answer was lost.
      if (error && error.error !== 'INVALID_PARTITIONS') return;
      this.#change = null;
      model.grown(topic, partitions);
      this.#happened('added partition');
    });
  }

  #deleteRecords(wire: WireClient, { log, before: wanted }: { log: ModelLog; before: number }): void {
    const { model, trace } = this.world;
    // A loss of power may have taken the log's end since.
    const before = Math.min(wanted, log.highFloor);
    const { index: partition, topic } = log;
    const question = model.asks(topic.name, partition);
    model.deletingRecords(log, before);
    this.#deletion = null;
    this.#busy = true;
    const partitions = [{ topic: topic.name, partition, before }];
    wire.request({ type: 'deleteRecords', partitions }, {}, (reply) => {
      this.#busy = false;
      const body = reply.type === 'lost' ? null : reply.header.body;
      const result = body?.type === 'deleteRecords' ? body.partitions[0] : undefined;
      const error = reply.type === 'lost' ? null : (reply.header.error ?? result?.error ?? null);
      trace.add(
        () =>
          `administrator hears ${reply.type === 'lost' ? 'nothing' : (error?.error ?? result?.logStartOffset)} of the deletion before ${before} of ${log.name}`,
      );
      if (!result && !error) model.deletedRecords(log, question, before, null);
      else {
        const logStartOffset = result?.logStartOffset ?? -1;
        model.deletedRecords(log, question, before, { error: error?.error ?? null, logStartOffset });
      }
      if (!error && result && before > 0) this.#happened('deletion of records');
    });
  }

  /** Whether the topic that exists is ours, or the one before, whose deletion is not over. */
  #look(wire: WireClient, topic: ModelTopic): void {
    this.#busy = true;
    wire.request({ type: 'metadata', topics: [topic.name], all: false, autoCreate: false }, {}, (reply) => {
      this.#busy = false;
      if (reply.type === 'lost' || reply.header.body?.type !== 'metadata') return;
      const [described] = reply.header.body.topics;
      if (described && !described.error) this.world.model.created(topic, described.topicId);
    });
  }
}

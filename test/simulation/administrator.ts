import type { Random } from '../../src/base/random.js';
import { Client, type ClientWorld } from './client.js';
import type { ModelTopic, TopicSettings } from './model.js';
import type { WireClient } from './wire-client.js';

/**
 * The only client that creates and deletes topics, so that it always knows, or can find out, which of them are there. It sees
 * to it that all are, but for one that it was told to delete.
 */
export class Administrator extends Client {
  readonly #settings: ReadonlyMap<string, TopicSettings>;
  readonly #deleted: () => void;
  /** The topic that is to be deleted, until it is gone. */
  #condemned: ModelTopic | null = null;
  #busy = false;

  constructor(
    world: ClientWorld,
    random: Random,
    { settings, deleted }: { settings: ReadonlyMap<string, TopicSettings>; deleted: () => void },
  ) {
    super(world, 'administrator', random);
    this.#settings = settings;
    this.#deleted = deleted;
  }

  /** Deletes the topic and creates it again; false if it has something else to do. */
  recreate(name: string): boolean {
    const topic = this.world.model.topic(name);
    if (!topic?.reliable || this.#condemned || !this.wire) return false;
    this.#condemned = topic;
    return true;
  }

  /** Whether all topics are there, as far as clients can know. */
  get isDone(): boolean {
    return (
      !this.#condemned &&
      !this.#busy &&
      this.world.topicNames.every((name) => this.world.model.topic(name)?.reliable)
    );
  }

  /** Keeps on while others have stopped: what is half done must be finished. */
  override stop(): void {}

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
      this.#deleted();
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

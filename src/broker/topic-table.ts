import type { ViewReader } from '../actor/view.js';
import type { Failure } from '../base/errors.js';
import {
  type LeaderEpoch,
  NO_EPOCH,
  type PartitionIndex,
  type TopicId,
  toPartitionIndex,
} from '../base/ids.js';
import type { TopicConfig } from '../config/topic-config.js';
import type { LeaderEpochs } from '../log/leader-epochs.js';
import type { LogReader } from '../log/log-reader.js';
import type { TopicImage } from './messages.js';
import { Traffic } from './metrics/counters.js';
import type { ReadPace } from './read-pace.js';
import type { WorkerLink } from './worker-link.js';

/** Where and how the router reaches a partition that is open. */
export interface Route {
  readonly link: WorkerLink;
  readonly slot: number;
  readonly generation: number;
  /** The data directory. */
  readonly dataDirectory: string;
  readonly leaderEpoch: LeaderEpoch;
  readonly epochs: LeaderEpochs;
  readonly view: ViewReader;
  readonly reader: LogReader;
  /** The topic's. */
  readonly traffic: Traffic;
  /** Of the data directory. */
  readonly pace: ReadPace;
}

/** A partition as the router sees it. Lives as long as its topic. */
export class PartitionEntry {
  readonly topic: TopicEntry;
  readonly index: PartitionIndex;
  /** null: not opened yet, or its worker died. */
  route: Route | null = null;
  /** Why there is no route, until the next attempt may be made. */
  failure: (Failure & { readonly untilMs: number }) | null = null;
  /** Called when an attempt to open ended, either way. */
  opening: (() => void)[] | null = null;
  /** Called at the next publication, or when the route is gone. */
  readonly waiting = new Set<() => void>();

  constructor(topic: TopicEntry, index: PartitionIndex) {
    this.topic = topic;
    this.index = index;
  }

  /** The epoch in which the partition is served, or will be. */
  get leaderEpoch(): LeaderEpoch {
    return this.route?.leaderEpoch ?? this.topic.image.partitions[this.index]?.leaderEpoch ?? NO_EPOCH;
  }

  /** Lets all who wait for news of this partition look again. */
  wake(): void {
    if (this.waiting.size === 0) return;
    const woken = [...this.waiting];
    this.waiting.clear();
    for (const look of woken) look();
  }
}

/** A topic as the router sees it. */
export class TopicEntry {
  image: TopicImage;
  config: TopicConfig;
  readonly partitions: PartitionEntry[] = [];
  readonly traffic = new Traffic();
  /** Whoever still holds the entry must treat it as unknown. */
  deleted = false;

  constructor(image: TopicImage, config: TopicConfig) {
    this.image = image;
    this.config = config;
    this.update(image, config);
  }

  update(image: TopicImage, config: TopicConfig): void {
    this.image = image;
    this.config = config;
    for (let index = this.partitions.length; index < image.partitions.length; index++) {
      this.partitions.push(new PartitionEntry(this, toPartitionIndex(index)));
    }
  }
}

/** The router's copy of the metadata: topics by name and id, each with its partitions. */
export class TopicTable {
  readonly #byName = new Map<string, TopicEntry>();
  readonly #byId = new Map<TopicId, TopicEntry>();

  get size(): number {
    return this.#byName.size;
  }

  topic(name: string): TopicEntry | undefined {
    return this.#byName.get(name);
  }

  topicById(id: TopicId): TopicEntry | undefined {
    return this.#byId.get(id);
  }

  partition(topic: string, index: number): PartitionEntry | undefined {
    return this.#byName.get(topic)?.partitions[index];
  }

  /** In order of name. */
  all(): TopicEntry[] {
    return [...this.#byName.values()].sort((a, b) => (a.image.name < b.image.name ? -1 : 1));
  }

  /** Adds or changes a topic; one made anew under an old name replaces it, and the old entry is returned. */
  set(image: TopicImage, config: TopicConfig): TopicEntry | null {
    const existing = this.#byName.get(image.name);
    if (existing && existing.image.topicId === image.topicId) {
      existing.update(image, config);
      return null;
    }
    const replaced = this.delete(image.name);
    const entry = new TopicEntry(image, config);
    this.#byName.set(image.name, entry);
    this.#byId.set(image.topicId, entry);
    return replaced;
  }

  delete(name: string): TopicEntry | null {
    const entry = this.#byName.get(name);
    if (!entry) return null;
    this.#byName.delete(name);
    this.#byId.delete(entry.image.topicId);
    entry.deleted = true;
    return entry;
  }
}

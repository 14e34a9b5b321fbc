// The data directories of a broker: which partition lies where, and what each of them remembers (data-directory-state.ts). The
// first holds the metadata and internal topics. A new partition goes to the directory with the fewest; one that exists stays
// where it is found, wherever that is now; what another directory remembers of a folder that was moved is taken over. Of a
// directory that is not there, or that died, nothing is served; the others go on (KIP-112). The metadata say in which directory
// a partition lies, so that it is not made anew, and empty, in another one while its own is away.
//
// A folder of a partition's name may be of another topic that had the name: one that was deleted while the directory was away
// (Kafka: KAFKA-14616), or one of another broker. Its partition.metadata says so, unless it never reached the disk: then a folder
// is the partition's only in the directory where the metadata say that it was opened. So nothing of that name may be there before it is
// opened for the first time. What is not the partition's is set aside when the partition is opened.
import { assert } from '../base/assert.js';
import type { Offset, PartitionIndex, TopicId } from '../base/ids.js';
import { DiskError } from '../io/disk.js';
import { partitionFolderName } from '../log/data-directory.js';
import { inTurn } from '../log/in-turn.js';
import type { LogToMeasure } from '../log/measure-recovery.js';
import type { LogRecovery } from '../log/open-log.js';
import type { PartitionCheckpoint, PartitionName } from '../partition/messages.js';
import type { DataDirectoryReport, DataDirectoryState } from './data-directory-state.js';

/** A directory that could not be used at the start. */
export interface AbsentDirectory {
  readonly path: string;
  readonly reason: string;
}

/** A directory that partitions lie in, and that is not there. */
export interface LostDirectory extends AbsentDirectory {
  readonly partitions: number;
}

/** Where a partition lies, if the metadata say so. */
export interface PartitionToMiss extends PartitionName {
  readonly topicId: TopicId;
  readonly directoryId: string | null;
}

/** What is known of a partition that is to be opened. */
export interface PartitionToLocate extends PartitionName {
  readonly topicId: TopicId;
  readonly internal: boolean;
  /** It was opened before. */
  readonly existed: boolean;
  /** Where it was, if the metadata say so. */
  readonly directoryId: string | null;
}

export type LocatedPartition =
  | {
      readonly directoryId: string;
      readonly folder: string;
      /** Has its place hold and remember what is its own, before anybody may write down that it lies there; null: it does. */
      readonly clear: ((done: (error: Error | null) => void) => void) | null;
    }
  /** It cannot be served, and why. */
  | { readonly failure: string };

/** A directory for a partition, and those that have a folder of its name that is another topic's. */
interface Found {
  readonly home: DataDirectoryState;
  /** It was never opened: nothing that is there, or is remembered there, can be its own. */
  readonly isNew: boolean;
  readonly strays: readonly DataDirectoryState[];
}

export class DataDirectories {
  readonly #states: readonly [DataDirectoryState, ...DataDirectoryState[]];
  readonly #absent: readonly AbsentDirectory[];
  /** Directories that were not named, though partitions lie in them, by their ids. */
  readonly #lost = new Map<string, LostDirectory>();
  /** Where the partitions lie that were located. */
  readonly #homes = new Map<string, DataDirectoryState>();
  /** A directory died. Those of its partitions that are open are to be closed; without the first the broker cannot go on. */
  died: (reason: string, isFirst: boolean) => void = () => {};
  /** The disk of a directory has no room, or has some again. */
  roomChanged: (directory: string, full: boolean) => void = () => {};

  constructor(
    states: readonly [DataDirectoryState, ...DataDirectoryState[]],
    absent: readonly AbsentDirectory[] = [],
  ) {
    this.#states = states;
    this.#absent = absent;
    for (const state of states) {
      state.died = (reason) => this.died(reason, state === states[0]);
      state.roomChanged = (full) => this.roomChanged(state.path, full);
    }
  }

  /** The one that holds the metadata. */
  get first(): DataDirectoryState {
    return this.#states[0];
  }

  /** Whether the last stop was clean, in all directories. */
  get clean(): boolean {
    return this.#states.every(({ clean }) => clean);
  }

  /** Those whose last stop was not clean. */
  get unclean(): readonly string[] {
    return this.#states.filter(({ clean }) => !clean).map(({ path }) => path);
  }

  get reports(): readonly DataDirectoryReport[] {
    const absent = [...this.#absent, ...this.#lost.values()].map(({ path, reason }) => ({
      path,
      full: false,
      offline: reason,
      partitions: 0,
    }));
    return [...this.#states.map(({ report }) => report), ...absent];
  }

  /** Whether the partition had a folder when the broker started, in a directory that is served. */
  hasFolder(topic: string, partition: PartitionIndex): boolean {
    return this.#states.some((state) => state.offline === null && state.hasFolder(topic, partition));
  }

  /** What a crash left behind of a partition in a directory that is served, null if nothing. It need not be located. */
  leftBehind(topic: string, partition: PartitionIndex): LogToMeasure | null {
    for (const state of this.#states) {
      const log = state.offline === null ? state.leftBehind(topic, partition) : null;
      if (log) return log;
    }
    return null;
  }

  // --------------------------------------------------------------------------------------------------------- places

  /** Finds the partition, or gives it a place. `verified`: directories that were found to be in their places in this turn. */
  locate(name: PartitionToLocate, verified: Set<string> = new Set()): LocatedPartition {
    const { topic, partition } = name;
    const known = this.#homes.get(partitionFolderName(topic, partition));
    let found: Found | string;
    try {
      found = known ? { home: known, isNew: false, strays: [] } : this.#find(name);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return { failure: error.message };
    }
    if (typeof found === 'string') return { failure: found };
    const { home, isNew, strays } = found;
    if (!verified.has(home.path)) home.verify();
    verified.add(home.path);
    if (home.offline !== null) return { failure: offline(home.path, home.offline) };
    const { directoryId } = home;
    const isClear =
      strays.every((state) => state.offline !== null) &&
      !(isNew && home.remembers(topic, partition)) &&
      !home.isTakingOver(topic, partition);
    if (isClear) this.#settle(name, home);
    const clear = isClear ? null : (done: (error: Error | null) => void) => this.#clear(name, found, done);
    return { directoryId, folder: home.partitionFolder(topic, partition), clear };
  }

  #settle({ topic, partition }: PartitionName, home: DataDirectoryState): void {
    home.place(topic, partition);
    this.#homes.set(partitionFolderName(topic, partition), home);
  }

  /** Only what is in the partition's own place keeps it from being opened. */
  #clear(name: PartitionName, { home, isNew, strays }: Found, done: (error: Error | null) => void): void {
    const { topic, partition } = name;
    for (const stray of strays) {
      // One in a directory that died is looked at again by the next start that finds it well.
      if (stray !== home && stray.offline === null) stray.clear(topic, partition, () => {});
    }
    if (!isNew) {
      home.whenTakenOver(topic, partition, (error) => {
        if (!error) this.#settle(name, home);
        done(error);
      });
      return;
    }
    home.clear(topic, partition, (error) => {
      if (!error) this.#settle(name, home);
      done(error);
    });
  }

  /** The directory of the partition, or why there is none. Throws DiskError. */
  #find(name: PartitionToLocate): Found | string {
    const { topic, partition, internal, existed, directoryId } = name;
    const holders = this.#states.filter((state) => state.hasFolder(topic, partition));
    const own = ownAmong(holders, name);
    const strays = holders.filter((state) => !own.includes(state));
    const [holder, ...others] = own;
    if (holder && others.length > 0) {
      const places = [holder, ...others].map(({ path }) => path).join(' and ');
      return `Its folder is in several data directories, ${places}: stop the broker and remove all but the right one.`;
    }
    if (holder) return { home: holder, isNew: false, strays };
    const recorded = this.#states.find((state) => state.directoryId === directoryId);
    if (!recorded && existed && (directoryId !== null || this.#absent.length > 0))
      return this.#awayReason(directoryId);
    const home = recorded ?? this.#emptiest(internal, strays);
    // Where it lay before there cannot be another topic's folder, unless somebody put it there: the opening refuses that.
    return { home, isNew: !existed, strays: existed ? strays.filter((state) => state !== home) : strays };
  }

  /**
   * Has the directories that hold moved folders take over what others remember of them. Only what the one remembers in which the
   * partition was opened last is of it: elsewhere it may be of another topic that had the name.
   */
  takeOverMoved(partitions: Iterable<PartitionToMiss>): void {
    if (this.#states.length < 2) return;
    for (const place of partitions) {
      const { topic, partition, directoryId } = place;
      const from = this.#states.find((state) => state.directoryId === directoryId);
      if (!from?.remembers(topic, partition) || from.hasFolder(topic, partition)) continue;
      const [holder, ...others] = this.#states.filter((state) => state.hasFolder(topic, partition));
      if (holder && others.length === 0 && bears(holder, place)) holder.takeOver(place, from);
    }
  }

  /**
   * Looks for directories that were not named, or whose disks are not mounted so that empty ones are in their places, though
   * partitions lie in them. One that cannot be read does not say its id: while there are such, none is missed.
   */
  miss(partitions: Iterable<PartitionToMiss>): readonly LostDirectory[] {
    if (this.#absent.length > 0) return [];
    const counts = new Map<string, number>();
    for (const { topic, partition, directoryId } of partitions) {
      const isHere = (state: DataDirectoryState): boolean =>
        state.directoryId === directoryId || state.hasFolder(topic, partition);
      if (directoryId !== null && !this.#states.some(isHere))
        counts.set(directoryId, (counts.get(directoryId) ?? 0) + 1);
    }
    for (const [directoryId, count] of counts)
      this.#lost.set(directoryId, { path: `directory.id ${directoryId}`, reason: LOST, partitions: count });
    return [...this.#lost.values()];
  }

  #awayReason(directoryId: string | null): string {
    const lost = directoryId === null ? undefined : this.#lost.get(directoryId);
    const away = lost ? [lost] : this.#absent;
    return away.map(({ path, reason }) => offline(path, reason)).join(' ');
  }

  /** For a new partition; where a folder of its name is in the way only if there is nothing else. */
  #emptiest(internal: boolean, strays: readonly DataDirectoryState[]): DataDirectoryState {
    if (internal) return this.first;
    let best: DataDirectoryState | null = null;
    for (const state of this.#states) {
      if (state.offline !== null || strays.includes(state)) continue;
      if (!best || state.partitions < best.partitions) best = state;
    }
    return best ?? this.first;
  }

  #home(topic: string, partition: PartitionIndex): DataDirectoryState {
    const home = this.#homes.get(partitionFolderName(topic, partition));
    assert(home !== undefined, `${topic}-${partition} has not been located`);
    return home;
  }

  /** Why the directory of a partition that was located is not served any more; null if it is. */
  offline(topic: string, partition: PartitionIndex): string | null {
    const { path, offline: reason } = this.#home(topic, partition);
    return reason === null ? null : offline(path, reason);
  }

  /** The log of a partition failed: maybe its directory is dead. */
  check(topic: string, partition: PartitionIndex): void {
    this.#home(topic, partition).check();
  }

  /** A worker found no room in a directory. */
  ranOut(directory: string, error: DiskError): void {
    this.#states.find(({ path }) => path === directory)?.ranOut(error);
  }

  // ---------------------------------------------------------------------------- what the directories remember of logs

  recoveryFor(topic: string, partition: PartitionIndex): LogRecovery {
    return this.#home(topic, partition).recoveryFor(topic, partition);
  }

  recoveryAfterDeath(topic: string, partition: PartitionIndex): LogRecovery {
    return this.#home(topic, partition).recoveryAfterDeath(topic, partition);
  }

  logStartOffset(topic: string, partition: PartitionIndex): Offset {
    return this.#home(topic, partition).logStartOffset(topic, partition);
  }

  firstDirtyOffset(topic: string, partition: PartitionIndex): Offset {
    return this.#home(topic, partition).firstDirtyOffset(topic, partition);
  }

  checkpoint(checkpoint: PartitionCheckpoint): void {
    // What comes late, of a partition that was deleted, is not worth keeping.
    this.#homes.get(partitionFolderName(checkpoint.topic, checkpoint.partition))?.checkpoint(checkpoint);
  }

  opened(checkpoint: PartitionCheckpoint, done: () => void): void {
    this.#home(checkpoint.topic, checkpoint.partition).opened(checkpoint, done);
  }

  startMoved(checkpoint: PartitionCheckpoint, done: (error: DiskError | null) => void): void {
    this.#home(checkpoint.topic, checkpoint.partition).startMoved(checkpoint, done);
  }

  /** Removes what is left of a deleted topic, in all directories that are served. */
  removeTopic(
    topic: string,
    topicId: TopicId,
    partitions: number,
    done: (error: Error | null) => void,
  ): void {
    for (let index = 0; index < partitions; index++) this.#homes.delete(`${topic}-${index}`);
    const served = this.#states.filter((state) => state.offline === null);
    inTurn(served, (state, next) => state.removeTopic(topic, topicId, partitions, next), done);
  }

  /** Writes what is pending. Each directory is marked as clean but for those of `unclean` partitions; null: of any. */
  close(unclean: readonly PartitionName[] | null, done: () => void): void {
    const homes = new Set(
      unclean?.map((name) => this.#homes.get(partitionFolderName(name.topic, name.partition))),
    );
    inTurn(
      this.#states,
      (state, next) => state.close(unclean !== null && !homes.has(state), () => next(null)),
      () => done(),
    );
  }
}

/**
 * Which of the directories with a folder of its name have the partition. A directory that died cannot be looked at any more: what it
 * holds is not of a partition that was never opened, nor of one that is where the metadata say. Throws DiskError.
 */
function ownAmong(holders: readonly DataDirectoryState[], name: PartitionToLocate): DataDirectoryState[] {
  const { existed, directoryId } = name;
  const dead = holders.filter((state) => state.offline !== null);
  const own = holders.filter((state) => state.offline === null && isOwn(state, name));
  const isInPlace = own.some((state) => state.directoryId === directoryId);
  return existed && !isInPlace ? [...own, ...dead] : own;
}

/** Whether the folder of its name is the partition's. Throws DiskError. */
function isOwn(state: DataDirectoryState, name: PartitionToLocate): boolean {
  const { topic, partition, topicId, existed, directoryId } = name;
  const found = state.topicIdOf(topic, partition);
  if (found !== null) return found === topicId;
  // Metadata that do not say where are older than several directories.
  return existed && (directoryId === null || directoryId === state.directoryId);
}

/** Whether the folder says the topic's id. */
function bears(state: DataDirectoryState, { topic, partition, topicId }: PartitionToMiss): boolean {
  try {
    return state.topicIdOf(topic, partition) === topicId;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return false; // Nor can the partition be opened.
  }
}

const offline = (path: string, reason: string): string => `The data directory ${path} is offline: ${reason}.`;
const LOST =
  'it is not among those of this broker; name it with --data-dir, mount its disk, and start the broker again';

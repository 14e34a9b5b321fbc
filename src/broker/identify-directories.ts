// Whose the data directories are: each says it in its meta.properties, with the same cluster and node and an id of its own, which
// new ones are given here. Whatever looks as if the wrong directories were named, or in the wrong order, keeps the broker from
// starting; a directory that cannot be read is left out, unless it is the first.
import { dirname } from 'node:path';
import { OdradekError } from '../base/errors.js';
import type { BrokerId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Random, randomUuid } from '../base/random.js';
import { type Disk, DiskError } from '../io/disk.js';
import {
  listPartitionFolders,
  type MetaProperties,
  readMetaProperties,
  writeMetaProperties,
} from '../log/data-directory.js';
import { inTurn } from '../log/in-turn.js';
import type { AbsentDirectory } from './data-directories.js';

export interface IdentifyOptions {
  /** The first holds the metadata. */
  readonly paths: readonly string[];
  readonly nodeId: BrokerId;
  /** The topic of the metadata log. */
  readonly metadataTopic: string;
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
}

export interface IdentifiedDirectory {
  readonly path: string;
  readonly directoryId: string;
}

export interface IdentifiedDirectories {
  readonly clusterId: string;
  /** The first of the options is the first here. */
  readonly directories: readonly IdentifiedDirectory[];
  readonly absent: readonly AbsentDirectory[];
}

interface Found {
  readonly path: string;
  /** null: a new directory. */
  readonly meta: MetaProperties | null;
  readonly hasMetadata: boolean;
}

/** Calls `done` once, maybe at once. The error is {@link OdradekError} ODR_START, ODR_CORRUPT, or a DiskError. */
export function identifyDirectories(
  options: IdentifyOptions,
  done: (result: IdentifiedDirectories | Error) => void,
): void {
  const absent: AbsentDirectory[] = [];
  const found: Found[] = [];
  for (const path of options.paths) {
    const result = look(path, options);
    if (!(result instanceof Error)) found.push(result);
    else if (path === options.paths[0]) {
      done(result);
      return;
    } else absent.push({ path, reason: result.message });
  }
  const problem = problemWith(found, options);
  if (problem) {
    done(new OdradekError('ODR_START', problem));
    return;
  }
  const clusterId = found[0]?.meta?.clusterId ?? randomUuid(options.random);
  const directories: IdentifiedDirectory[] = [];
  inTurn(
    found,
    ({ path, meta }, next) => {
      if (meta) {
        directories.push({ path, directoryId: meta.directoryId });
        next(null);
        return;
      }
      const directoryId = randomUuid(options.random);
      name(options, path, { clusterId, nodeId: options.nodeId, directoryId }, (error) => {
        if (!error) directories.push({ path, directoryId });
        else if (path !== options.paths[0]) absent.push({ path, reason: error.message });
        next(path === options.paths[0] ? error : null);
      });
    },
    (error) => done(error ?? { clusterId, directories, absent }),
  );
}

function look(path: string, { disk, metadataTopic }: IdentifyOptions): Found | Error {
  try {
    disk.makeDirectory(path);
    const meta = readMetaProperties(disk, path);
    const hasMetadata = listPartitionFolders(disk, path).some(({ topic }) => topic === metadataTopic);
    return { path, meta, hasMetadata };
  } catch (error) {
    if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
    return error;
  }
}

/** What keeps the broker from starting with these directories, and what to do; null if nothing does. */
function problemWith(found: readonly Found[], { nodeId }: IdentifyOptions): string | null {
  const [first, ...others] = found;
  for (const { path, meta } of found) {
    if (meta && meta.nodeId !== nodeId) {
      const was = `belongs to node ${meta.nodeId}, but this is node ${nodeId}`;
      return `The data directory ${path} ${was}: give the right --data-dir or --node-id.`;
    }
  }
  if (!first) return null;
  const elsewhere = others.find(({ hasMetadata }) => hasMetadata);
  if (elsewhere && !first.hasMetadata) {
    return `The metadata of the broker lie in ${elsewhere.path}, not in ${first.path}: name that directory first.`;
  }
  const known = others.find(({ meta }) => meta !== null);
  if (known && !first.meta) {
    return (
      `The data directory ${first.path} is new, but ${known.path} belongs to a broker already, whose metadata lie in another one: ` +
      'name that one first.'
    );
  }
  for (const { path, meta } of others) {
    if (!meta || !first.meta) continue;
    if (meta.clusterId !== first.meta.clusterId) {
      const clusters = `belongs to cluster ${meta.clusterId}, but ${first.path} to ${first.meta.clusterId}`;
      return `The data directory ${path} ${clusters}: name only directories of one broker.`;
    }
  }
  return copyAmong(found);
}

function copyAmong(found: readonly Found[]): string | null {
  const paths = new Map<string, string>();
  for (const { path, meta } of found) {
    if (!meta) continue;
    const other = paths.get(meta.directoryId);
    if (other !== undefined) {
      return `The data directories ${other} and ${path} have the same directory.id: name only one of them, the other is a copy.`;
    }
    paths.set(meta.directoryId, path);
  }
  return null;
}

/** Says whose a new directory is. */
function name(
  { disk, logger }: IdentifyOptions,
  path: string,
  meta: MetaProperties,
  done: (error: DiskError | null) => void,
): void {
  // First the folder's own name: once it says whose it is, all in it survives a loss of power.
  disk.syncDirectory(dirname(path), (problem) => {
    if (problem)
      logger.warn('the folder of the data directory cannot be synced', { reason: problem.message });
    writeMetaProperties(disk, path, meta, done);
  });
}

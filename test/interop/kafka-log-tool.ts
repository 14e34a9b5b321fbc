// Kafka's own reader of log files, DumpLogSegments, on what a stopped broker left.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './tool.js';

const TOOL = 'org.apache.kafka.tools.DumpLogSegments';
/** The store of topics and settings, whose records are not Kafka's. */
const OWN_TOPIC = /__odradek_metadata/;

/** A segment of less than index.interval.bytes has no entry. */
const EMPTY_INDEX = /\.index is empty\.$/;
const INDEX_LINE = /^(offset: \d+ position: \d+|timestamp: \d+ offset: \d+|.*\.index is empty\.)$/;

/** The tool looks for an entry's time among the records of its batch. One that compaction left without records has none. */
const MISSED_TIMESTAMPS =
  /Found timestamp mismatch in :(.*)\n(?: {2}Index timestamp: \d+, log timestamp: -1\n)+/g;

/** The broker's own compacted topic. */
const OFFSETS_TOPIC = '__consumer_offsets';

export interface LogDump {
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  /** In segments of compacted topics: where records are missing between others, batches without records, tombstones. */
  readonly compacted: { holes: number; emptyBatches: number; tombstones: number };
  readonly indexes: number;
  readonly indexesThatPassed: number;
  readonly producerSnapshots: number;
  /** What the tool found wrong, and what it says that it never says of sound files. */
  readonly complaints: readonly string[];
}

/**
 * Reads all segments with deep iteration, all indexes in the tool's three ways, and all producer snapshots. The tool complains of
 * every gap between offsets; in compacted topics, of which Kafka's own logs get the same complaints, gaps are counted instead.
 */
export async function dumpLogs(
  command: readonly string[],
  dataDirectory: string,
  compactedTopics: readonly string[] = [],
): Promise<LogDump> {
  const files = readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !OWN_TOPIC.test(name))
    .map((name) => join(dataDirectory, name));
  let file = '';
  const named = (ending: RegExp) => files.filter((name) => ending.test(name));
  const complaints: string[] = [];
  const counts = { batches: 0, records: 0, passed: 0 };
  const compacted = { holes: 0, emptyBatches: 0, tombstones: 0 };
  const isCompacted = (path: string) =>
    [OFFSETS_TOPIC, ...compactedTopics].includes(/([^/]+)-\d+\/[^/]+$/.exec(path)?.[1] ?? '');

  const dump = async (
    some: readonly string[],
    options: readonly string[],
    sound: (line: string) => boolean,
  ) => {
    const onLine = (line: string) => {
      if (line.startsWith('Dumping ')) file = line.slice('Dumping '.length);
      else if (!sound(line) && !line.startsWith('Log starting offset: ')) complaints.push(line.slice(0, 300));
    };
    const errors = await run([...command, TOOL, ...options, '--files', some.join()], { onLine });
    const rest = errors
      .replace(
        /Non-consecutive offsets in (.*)\n((?: {2}.* is followed by .*\n)+)/g,
        (complaint, path: string, pairs: string) => {
          if (!isCompacted(path)) return spareFirstRecord(complaint, path, pairs);
          compacted.holes += pairs.split('\n').filter((pair) => / {2}\d/.test(pair)).length;
          return '';
        },
      )
      .replace(MISSED_TIMESTAMPS, (complaint, path: string) => (isCompacted(path) ? '' : complaint));
    if (rest.trim() !== '') complaints.push(rest);
  };

  const segments = named(/\.log$/);
  await dump(segments, ['--deep-iteration'], (line) => {
    const isBatch = /^baseOffset: .* isvalid: true$/.test(line);
    if (isBatch) counts.batches++;
    else if (line.startsWith('| offset: ')) counts.records++;
    else return false;
    if (isCompacted(file)) {
      if (isBatch && line.includes(' count: 0 ')) compacted.emptyBatches++;
      if (!isBatch && line.includes(' valueSize: -1 ')) compacted.tombstones++;
    }
    return true;
  });
  // Keys and values are decoded too; their bytes may look like anything.
  await dump(segments, ['--print-data-log'], (line) => !/^baseOffset: .* isvalid: false$/.test(line));
  const indexes = named(/\.(index|timeindex)$/);
  await dump(indexes, ['--index-sanity-check'], (line) => {
    const isSound = line.endsWith(' passed sanity check.') || EMPTY_INDEX.test(line);
    if (isSound) counts.passed++;
    return isSound;
  });
  await dump(indexes, ['--verify-index-only'], (line) => EMPTY_INDEX.test(line));
  await dump(indexes, [], (line) => INDEX_LINE.test(line));
  const snapshots = named(/\.snapshot$/);
  await dump(snapshots, [], (line) => /^producerId: \d+ producerEpoch: \d+ /.test(line));
  return {
    segments: segments.length,
    batches: counts.batches,
    records: counts.records,
    compacted,
    indexes: indexes.length,
    indexesThatPassed: counts.passed,
    producerSnapshots: snapshots.length,
    complaints,
  };
}

/** What the tool says of the batches and records of one partition, without what differs from broker to broker. */
export async function dumpBatches(
  command: readonly string[],
  partitionDirectory: string,
): Promise<{ readonly batches: readonly string[]; readonly complaints: readonly string[] }> {
  const segments = readdirSync(partitionDirectory).filter((name) => name.endsWith('.log'));
  const paths = segments.sort().map((name) => join(partitionDirectory, name));
  const batches: string[] = [];
  const complaints: string[] = [];
  const onLine = (line: string) => {
    if (/^(baseOffset: .* isvalid: true$|\| offset: )/.test(line)) batches.push(withoutBroker(line));
    else if (!/^(Dumping|Log starting offset:) /.test(line)) complaints.push(line);
  };
  const errors = await run([...command, TOOL, '--deep-iteration', '--files', paths.join()], { onLine });
  return {
    batches,
    // By file, but the files come in the order of their hashes.
    complaints: [...complaints, ...errors.split('\n').filter((line) => line.startsWith('  '))].sort(),
  };
}

/** Ids, epochs and times of the broker, and what follows from them or from its codec's library. */
const withoutBroker = (line: string) =>
  line
    .replace(/(producerId): \d+/, '$1: some')
    .replace(/(deleteHorizonMs): OptionalLong\[\d+\]/, '$1: some')
    .replace(/ (partitionLeaderEpoch|position|size|crc): -?\d+/g, '');

/** The tool takes the first record of each file for the successor of -1, right only for a log's first segment. */
function spareFirstRecord(complaint: string, file: string, pairs: string): string {
  const first = Number(/(\d+)\.log$/.exec(file)?.[1]);
  return pairs.trim() === `-1 is followed by ${first}` ? '' : complaint;
}

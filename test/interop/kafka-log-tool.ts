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

export interface LogDump {
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly indexes: number;
  readonly indexesThatPassed: number;
  readonly producerSnapshots: number;
  /** What the tool found wrong, and what it says that it never says of sound files. */
  readonly complaints: readonly string[];
}

/** Reads all segments with deep iteration, all indexes in the tool's three ways, and all producer snapshots. */
export async function dumpLogs(command: readonly string[], dataDirectory: string): Promise<LogDump> {
  const files = readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !OWN_TOPIC.test(name))
    .map((name) => join(dataDirectory, name));
  const named = (ending: RegExp) => files.filter((name) => ending.test(name));
  const complaints: string[] = [];
  const counts = { batches: 0, records: 0, passed: 0 };

  const dump = async (
    some: readonly string[],
    options: readonly string[],
    sound: (line: string) => boolean,
  ) => {
    const onLine = (line: string) => {
      if (!sound(line) && !/^(Dumping|Log starting offset:) /.test(line)) complaints.push(line.slice(0, 300));
    };
    const errors = await run([...command, TOOL, ...options, '--files', some.join()], { onLine });
    const rest = errors.replace(
      /Non-consecutive offsets in (.*)\n((?: {2}.* is followed by .*\n)+)/g,
      spareFirstRecord,
    );
    if (rest !== '') complaints.push(rest);
  };

  const segments = named(/\.log$/);
  await dump(segments, ['--deep-iteration'], (line) => {
    const isBatch = /^baseOffset: .* isvalid: true$/.test(line);
    if (isBatch) counts.batches++;
    else if (line.startsWith('| offset: ')) counts.records++;
    else return false;
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
    indexes: indexes.length,
    indexesThatPassed: counts.passed,
    producerSnapshots: snapshots.length,
    complaints,
  };
}

/** The tool takes the first record of each file for the successor of -1, right only for a log's first segment. */
function spareFirstRecord(complaint: string, file: string, pairs: string): string {
  const first = Number(/(\d+)\.log$/.exec(file)?.[1]);
  return pairs.trim() === `-1 is followed by ${first}` ? '' : complaint;
}

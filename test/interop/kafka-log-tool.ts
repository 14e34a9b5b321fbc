// Kafka's own reader of log files, DumpLogSegments, on what a stopped broker left.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './tool.js';

const TOOL = 'org.apache.kafka.tools.DumpLogSegments';
/** The store of topics and settings, whose records are not Kafka's. */
const OWN_TOPIC = /__odradek_metadata/;

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
    if (errors !== '') complaints.push(errors);
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
    const passed = line.endsWith(' passed sanity check.');
    if (passed) counts.passed++;
    return passed;
  });
  await dump(indexes, ['--verify-index-only'], () => false);
  await dump(indexes, [], (line) => /^(offset: \d+ position: \d+|timestamp: \d+ offset: \d+)$/.test(line));
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

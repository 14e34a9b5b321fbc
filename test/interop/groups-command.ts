// Kafka's own tool for groups, kafka-consumer-groups, from the published jars.
import { run } from './tool.js';

const TOOL = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';

export type Row = Readonly<Record<string, string>>;

export interface Answer {
  /** The lines of its tables, by the names of the columns. */
  readonly rows: readonly Row[];
  /** All that it printed, but for empty lines. */
  readonly lines: readonly string[];
}

/** The tool at a broker: the arguments are those of kafka-consumer-groups.sh. Throws if it fails. */
export function groupCommand(command: readonly string[], bootstrap: string) {
  return async (...args: readonly string[]): Promise<Answer> => {
    const lines: string[] = [];
    const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', TOOL, '--bootstrap-server', bootstrap];
    const errors = await run([...command, ...flags, ...args], { onLine: (line) => lines.push(line) });
    const all = [...lines, ...errors.split('\n')].filter((line) => line.trim() !== '');
    return { lines: all, rows: rowsOf(all) };
  };
}

/** A table begins with a line of names in capitals. */
function rowsOf(lines: readonly string[]): Row[] {
  const rows: Row[] = [];
  let names: readonly string[] = [];
  for (const line of lines) {
    if (/^(GROUP|TOPIC) +[A-Z-]+ /.test(line)) names = columnsOf(line);
    else if (names.length > 0) {
      const cells = columnsOf(line);
      if (cells.length >= names.length)
        rows.push(Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ''])));
    }
  }
  return rows;
}

/** `COORDINATOR (ID)` is one name, and a coordinator `HOST:PORT (ID)` one cell. */
function columnsOf(line: string): string[] {
  return line.trim().replace(/ +\(/g, '(').split(/\s+/);
}

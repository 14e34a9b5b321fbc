import { Ground, type GroundOptions } from './ground.js';
import { METRIC_NAMES, METRICS } from './metrics.js';
import type { BenchOptions } from './options.js';
import type { ProcReader } from './processor-time.js';
import type { Progress } from './progress.js';
import { formatNumber, RowReport } from './report.js';
import type { Other, Side, Suite, Turn, Turns } from './suite.js';

/** A quarter of a turn warms up: functions get compiled, buffers touched, files and threads made. */
export const WARM_UP_SHARE = 0.25;

export interface RunOptions {
  readonly options: BenchOptions;
  readonly suites: readonly Suite[];
  /** The rows to report, of those that the suites give. */
  readonly rows: ReadonlySet<string>;
  /** An empty folder. */
  readonly folder: string;
  readonly proc: ProcReader | null;
  readonly progress: Progress;
  /** Told about every turn as it is over. */
  readonly turnOver: (row: string, round: number, side: Side, turn: Turn) => void;
}

export interface Failed {
  readonly suite: string;
  readonly reason: string;
}

export interface Outcome {
  readonly reports: RowReport[];
  readonly failed: Failed[];
}

/** Takes what a turn gave. */
export type RecordTurns = (round: number, side: Side, turns: Turns) => void;

/** Turns that {@link run} will take, without the warm-up. */
export function turnCount(suites: readonly Suite[], rounds: number): number {
  return suites.reduce((sum, { pump }) => sum + rounds * (pump ? 2 : 1), 0);
}

/** Measures suite after suite: in each round the broker, then the pump. A suite that fails is left, and the next one begins. */
export function run(run: RunOptions): Promise<Outcome> {
  const { options, proc, folder } = run;
  return eachSuite(run, 'pump', (suite, record) =>
    onGround({ options, proc, folder, suite: suite.name }, (ground) => takeTurns(run, suite, record, ground)),
  );
}

/** Has each suite measured, and reports its rows. A suite that fails is left, and the next one begins. */
export async function eachSuite(
  run: RunOptions,
  other: Other,
  measure: (suite: Suite, record: RecordTurns) => Promise<void>,
): Promise<Outcome> {
  const reports: RowReport[] = [];
  const failed: Failed[] = [];
  for (const suite of run.suites) {
    const ofSuite = suite.rows.filter((row) => run.rows.has(row)).map((row) => new RowReport(row, other));
    try {
      await measure(suite, (round, side, turns) => report(run, ofSuite, round, side, turns));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failed.push({ suite: suite.name, reason });
      run.progress.say(`${suite.name} failed: ${reason}`);
    }
    reports.push(...ofSuite.filter(({ isEmpty }) => !isEmpty));
  }
  return { reports, failed };
}

/** Has `work` done on a new ground, which is gone when this returns. What fails is told with the broker's last words. */
export async function onGround<Value>(
  options: GroundOptions,
  work: (ground: Ground) => Promise<Value>,
): Promise<Value> {
  const ground = new Ground(options);
  try {
    const value = await work(ground).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : error;
      throw new Error(`${reason}\n${ground.lastWords}`.trimEnd(), { cause: error });
    });
    await ground.close();
    return value;
  } catch (error) {
    // That a broker which is gone cannot be stopped explains nothing.
    await ground.close().catch(() => {});
    throw error;
  }
}

async function takeTurns(
  { options, progress }: RunOptions,
  suite: Suite,
  record: RecordTurns,
  ground: Ground,
): Promise<void> {
  if (!suite.startsBrokers) await ground.open(suite.brokerOptions);
  progress.doing(`${suite.name}: warm-up`);
  await suite.broker(ground, WARM_UP_SHARE);
  await suite.pump?.(ground, WARM_UP_SHARE);
  for (let round = 1; round <= options.rounds; round++) {
    for (const side of suite.pump ? (['broker', 'pump'] as const) : (['broker'] as const)) {
      progress.doing(`${suite.name}: round ${round} of ${options.rounds}, ${side}`);
      const turns = await (side === 'broker' ? suite.broker(ground, 1) : suite.pump?.(ground, 1));
      progress.done();
      if (turns) record(round, side, turns);
    }
  }
}

function report(
  run: RunOptions,
  reports: readonly RowReport[],
  round: number,
  side: Side,
  turns: Turns,
): void {
  for (const rowReport of reports) {
    const turn = turns[rowReport.row];
    if (!turn) throw new Error(`Row ${rowReport.row} was not measured.`);
    rowReport.add(side, turn);
    run.turnOver(rowReport.row, round, side, turn);
    run.progress.say(`${rowReport.row}  round ${round}  ${side.padEnd(6)}  ${describe(turn)}`);
  }
}

function describe({ metrics }: Turn): string {
  return METRIC_NAMES.flatMap((name) => {
    const value = metrics[name];
    return value === undefined ? [] : [`${formatNumber(value)} ${METRICS[name].unit}`];
  }).join(', ');
}

// What a comparison of two builds says: a table, and which of its ratios are beyond the noise.
//
// In each round both brokers carry the same load, in new processes, and who is first alternates. If the commits do not differ, the
// two values of a round could as well have changed places, so the logarithm of their ratio leans to neither side. That is all
// that the signed-rank test asks for, and its result is exact with few rounds. Values of different rounds are never compared: an hour
// in which the machine is slow makes both slow.
import { renderTable } from '../src/cli/commands/table.js';
import { METRICS, type MetricName } from './metrics.js';
import { columnsOf, metricLines, type RowReport } from './report.js';
import { signedRankProbability, spread } from './statistics.js';

/** How often a ratio of two equal builds may be called different. With seven rounds, those must all lean to one side (1 in 64). */
export const SIGNIFICANCE = 0.02;
/** With fewer rounds even ratios that all lean to one side are not beyond the noise. */
const ROUNDS_MIN = Math.ceil(1 - Math.log2(SIGNIFICANCE));

export type Verdict = 'better' | 'worse' | 'noise' | 'too few rounds' | 'not judged';

export interface Judged {
  readonly verdict: Verdict;
  /** How likely such ratios are between equal builds. */
  readonly probability: number;
}

/** Judges the ratios candidate ÷ base of a metric, one of each round. */
export function judge(metric: MetricName, ratios: readonly number[]): Judged {
  const { better } = METRICS[metric];
  const probability = signedRankProbability(ratios.map(Math.log));
  if (better === 'neither') return { verdict: 'not judged', probability };
  if (ratios.length < ROUNDS_MIN) return { verdict: 'too few rounds', probability };
  if (probability > SIGNIFICANCE) return { verdict: 'noise', probability };
  const isHigher = spread(ratios).median > 1;
  return { verdict: isHigher === (better === 'higher') ? 'better' : 'worse', probability };
}

const WORDS: Readonly<Record<Verdict, string>> = {
  better: 'better',
  worse: 'WORSE',
  noise: '',
  'too few rounds': '?',
  'not judged': '',
};

/** The lines of {@link metricLines}, and what their ratios say. */
export function comparisonTable(reports: readonly RowReport[], color: boolean): string {
  const lines = metricLines(reports, ({ metric, ratio }) => [WORDS[judge(metric, ratio).verdict]]);
  return renderTable([...columnsOf('candidate', 'base'), { title: 'verdict' }], lines, color);
}

/** How many ratios are beyond the noise, and how many would be by chance. */
export function conclusion(reports: readonly RowReport[]): string {
  const verdicts = reports.flatMap((report) =>
    report.metrics.map(({ metric, ratio }) => judge(metric, ratio).verdict),
  );
  const count = (...wanted: Verdict[]) => verdicts.filter((verdict) => wanted.includes(verdict)).length;
  const judged = count('better', 'worse', 'noise');
  const unjudged = count('too few rounds');
  const lines = [
    judged > 0 &&
      `Beyond the noise: ${count('better')} better, ${count('worse')} worse, of ${judged} ratios; ` +
        `by chance ${(judged * SIGNIFICANCE).toFixed(1)} would be, were the builds equal. Measure again what matters.`,
    unjudged > 0 &&
      `${unjudged} ratios have too few rounds to be told from noise: it takes ${ROUNDS_MIN} at least.`,
  ];
  return lines.flatMap((line) => (line === false ? [] : [`${line}\n`])).join('');
}

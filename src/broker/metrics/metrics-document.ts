// The table of metrics in docs/operations.md.
import { ALL_METRICS } from './all-metrics.js';

/** Markdown: a table for each group of metrics. */
export function metricsDocument(): string {
  return Object.entries(ALL_METRICS)
    .map(([group, rows]) =>
      [
        `### ${group}`,
        '',
        '| name | type | labels | what |',
        '|---|---|---|---|',
        ...rows.map(
          ({ name, type, labels, help }) =>
            `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
        ),
      ].join('\n'),
    )
    .join('\n\n');
}

// Writes docs/configuration.md from the tables of settings; a test compares the file with what this returns.
import { brokerDefaultRow } from './broker-config.js';
import { BROKER_PROPERTIES } from './broker-properties.js';
import { describeRange, type Property } from './property.js';
import { TOPIC_PROPERTIES, type TopicProperty } from './topic-properties.js';

const byName = (a: Property, b: Property) => (a.name < b.name ? -1 : 1);

/** The page that documents every setting, in Markdown. */
export function configurationDocument(): string {
  const topicRows = Object.values<TopicProperty>(TOPIC_PROPERTIES).sort(byName);
  const brokerRows = Object.values<Property>(BROKER_PROPERTIES).sort(byName);
  return `# Configuration

<!-- Written from src/config by \`SNAPSHOT=write npx vitest run test/config/configuration-document.test.ts\`. -->

Names and meanings are Apache Kafka's where Kafka has the setting; names that begin with \`odradek.\`, \`flush.acks\` and
\`log.flush.acks\` are ours. A name that is not on this page is refused, with the name that was probably meant.

A broker reads its settings from, in falling precedence: options of the command line, \`ODRADEK_…\` variables, the file that
\`--config\` names (\`name=value\` lines, \`#\` begins a comment), the defaults below. \`odradek broker --help\` lists the options;
\`--set name=value\` sets what has no option of its own. They are read once, when the broker starts.

9223372036854775807, the largest value of a \`long\`, means "never" or "no limit".

## Broker

${brokerRows.map((row) => section(row)).join('\n')}
## Topics

These are set when a topic is created (\`odradek topic create NAME --config name=value\`) or later, while it is in use (\`odradek
topic alter NAME --set name=value\`). What a topic does not set it takes from the broker's setting given as "broker default", if that
is set, at the broker's start.

${topicRows.map((row) => section(row, `- Broker default: ${brokerNames(row)}\n`)).join('\n')}`;
}

function section(row: Property, more = ''): string {
  const reason = row.reason === undefined ? '' : ` ${row.reason}`;
  const type = row.unit === undefined ? row.type : `${row.type}, ${row.unit}`;
  return `### \`${row.name}\`

${row.doc}

- Type: ${type}
- Default: \`${row.default}\`
- Allowed: ${describeRange(row)}.${reason}
${more}- Source: ${row.source}
`;
}

function brokerNames(row: TopicProperty): string {
  return row.brokerNames
    .map((brokerName) => {
      const { name, unit } = brokerDefaultRow(row, brokerName);
      return brokerName.factor === undefined ? `\`${name}\`` : `else \`${name}\` (${unit})`;
    })
    .join(', ');
}

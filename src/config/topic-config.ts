// The configuration of a topic: what was set for the topic, else what the broker's settings say, else the default.
import { assert } from '../base/assert.js';
import { type Failure, OdradekError } from '../base/errors.js';
import type { BrokerConfig } from './broker-config.js';
import { unknownName } from './nearest-name.js';
import { parseValue, type ValuesOf } from './property.js';
import { lagsContradict, TOPIC_PROPERTIES, type TopicProperty } from './topic-properties.js';

/**
 * A topic's settings, typed; plain data that may be sent between threads. -1 means "no limit" in retentionMs and
 * retentionBytes, Infinity means "never" in flushMs and its like.
 */
export type TopicConfig = ValuesOf<typeof TOPIC_PROPERTIES>;

/** Where the value of a setting comes from. */
export type ConfigSource = 'DEFAULT' | 'BROKER' | 'TOPIC';

/** One setting of a topic, as it is shown to people. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
  readonly documentation: string;
}

export interface ResolvedTopicConfig {
  readonly config: TopicConfig;
  /** Every setting of a topic, by name. */
  readonly entries: readonly ConfigEntry[];
}

/** Settings as name and text. */
export type ConfigTexts = Iterable<readonly [name: string, value: string]>;

const ROWS: readonly (readonly [field: string, row: TopicProperty])[] = Object.entries(TOPIC_PROPERTIES);
const ROW_BY_NAME = new Map(ROWS.map(([, row]) => [row.name, row]));

type TopicDefaults = Pick<BrokerConfig, 'topicDefaults'>;

/**
 * Checks what is to be set for a topic of the broker. Null: all is valid; else INVALID_CONFIG with a message for each thing
 * that is wrong, which names the setting, the value and what is allowed.
 */
export function validateTopicOverrides(
  { topicDefaults }: TopicDefaults,
  overrides: ConfigTexts,
): Failure | null {
  const own = [...overrides];
  const problems = problemsIn(own);
  if (problems.length === 0 && lagsContradict({ ...topicDefaults, ...Object.fromEntries(own) })) {
    const { minCompactionLagMs, maxCompactionLagMs } = TOPIC_PROPERTIES;
    problems.push(`${minCompactionLagMs.name} must not be above ${maxCompactionLagMs.name}.`);
  }
  return problems.length === 0 ? null : { error: 'INVALID_CONFIG', detail: problems.join(' ') };
}

function problemsIn(overrides: ConfigTexts): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const [name, text] of overrides) {
    const row = ROW_BY_NAME.get(name);
    if (row === undefined) {
      problems.push(unknownName('topic setting', name, [...ROW_BY_NAME.keys()]));
      continue;
    }
    if (seen.has(name)) problems.push(`${name} is set twice.`);
    seen.add(name);
    const parsed = parseValue(row, text);
    if ('problem' in parsed) problems.push(parsed.problem);
  }
  return problems;
}

/**
 * The settings that are in force for a topic. The overrides must have passed {@link validateTopicOverrides}.
 *
 * @throws {OdradekError} ODR_CONFIG if they are not valid, as when a newer version has stored them.
 */
export function resolveTopicConfig(broker: TopicDefaults, overrides: ConfigTexts): ResolvedTopicConfig {
  const own = new Map(overrides);
  // Not whether settings contradict each other: the broker's defaults may have changed since the topic was made.
  const problems = problemsIn(own);
  if (problems.length > 0) throw new OdradekError('ODR_CONFIG', problems.join(' '));
  const entries = ROWS.map(([, row]) => entryOf(row, own.get(row.name), broker.topicDefaults[row.name]));
  const values = ROWS.map(([field, row], index) => [field, valueIn(row, entries[index])]);
  return { config: Object.fromEntries(values) as TopicConfig, entries }; // Built from the table that declares the type.
}

function entryOf(row: TopicProperty, own: string | undefined, broker: string | undefined): ConfigEntry {
  const source = own !== undefined ? 'TOPIC' : broker !== undefined ? 'BROKER' : 'DEFAULT';
  const value = (own ?? broker ?? row.default).trim();
  return { name: row.name, value, source, documentation: row.doc };
}

function valueIn(row: TopicProperty, entry: ConfigEntry | undefined): unknown {
  const parsed = parseValue(row, entry?.value ?? row.default);
  assert('value' in parsed, `the broker's default for ${row.name} was checked when the broker started`);
  return parsed.value;
}

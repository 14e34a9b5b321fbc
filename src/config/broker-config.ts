// The configuration of a broker, parsed from names and texts as they stand in a file or on a command line.
import { availableParallelism } from 'node:os';
import { type BrokerId, toBrokerId } from '../base/ids.js';
import { BROKER_PROPERTIES } from './broker-properties.js';
import { unknownName } from './nearest-name.js';
import { type Property, parseValue, type ValuesOf } from './property.js';
import { type BrokerName, lagsContradict, TOPIC_PROPERTIES, type TopicProperty } from './topic-properties.js';

/** A broker's settings, typed; plain data that may be sent between threads. */
export interface BrokerConfig extends Omit<ValuesOf<typeof BROKER_PROPERTIES>, 'nodeId'> {
  readonly nodeId: BrokerId;
  /** Topic settings that the broker's settings give another default, by the topic's name for them, as text. */
  readonly topicDefaults: Readonly<Record<string, string>>;
}

export interface ConfigFailure {
  /** The setting that is wrong. */
  readonly name: string;
  /** A sentence that names the setting, its value and what is allowed. */
  readonly message: string;
}

export type ParsedBrokerConfig =
  | { readonly config: BrokerConfig }
  | { readonly failures: readonly [ConfigFailure, ...ConfigFailure[]] };

/** What a request needs besides its largest record batch: frame, header, names. */
const REQUEST_OVERHEAD_BYTES = 64 * 1024;
const WORKERS_AUTOMATIC_MAX = 4;

/** The row that a broker's name for a topic's default stands for, in the broker's unit. */
export function brokerDefaultRow(row: TopicProperty, { name, factor = 1, unit }: BrokerName): Property {
  if (factor === 1) return { ...row, name };
  const { min = 0 } = row;
  return { ...row, name, type: 'int', ...(unit && { unit }), min: min <= 0 ? min : Math.ceil(min / factor) };
}

interface DefaultName {
  readonly topicRow: TopicProperty;
  readonly brokerName: BrokerName;
}

const DEFAULT_NAMES: ReadonlyMap<string, DefaultName> = new Map(
  Object.values<TopicProperty>(TOPIC_PROPERTIES).flatMap((topicRow) =>
    topicRow.brokerNames.map((brokerName) => [brokerName.name, { topicRow, brokerName }] as const),
  ),
);
const BROKER_ROWS: ReadonlyMap<string, Property> = new Map(
  Object.values<Property>(BROKER_PROPERTIES).map((row) => [row.name, row]),
);

/** Every name that {@link parseBrokerConfig} takes. */
export const BROKER_SETTING_NAMES: readonly string[] = [...BROKER_ROWS.keys(), ...DEFAULT_NAMES.keys()];

/**
 * Parses a broker's settings; what is not among them has its default. Returns all failures at once.
 *
 * @param cores decides what `odradek.workers=0` means.
 */
export function parseBrokerConfig(
  entries: Iterable<readonly [name: string, value: string]>,
  cores: number = availableParallelism(),
): ParsedBrokerConfig {
  const texts = new Map(entries);
  const failures: ConfigFailure[] = [];
  const fail = (name: string, message: string) => failures.push({ name, message });

  for (const name of texts.keys()) {
    if (!BROKER_ROWS.has(name) && !DEFAULT_NAMES.has(name)) {
      fail(name, unknownName('broker setting', name, BROKER_SETTING_NAMES));
    }
  }
  const values = Object.fromEntries(
    Object.entries<Property>(BROKER_PROPERTIES).map(([field, row]) => {
      const parsed = parseValue(row, texts.get(row.name) ?? row.default);
      if ('problem' in parsed) fail(row.name, parsed.problem);
      return [field, 'value' in parsed ? parsed.value : null];
    }),
  ) as ValuesOf<typeof BROKER_PROPERTIES>; // Built from the table that declares the type; not used if there are failures.
  const topicDefaults = parseTopicDefaults(texts, fail);
  const [first, ...rest] = failures;
  if (first !== undefined) return { failures: [first, ...rest] };

  const contradiction = contradictionIn(values, topicDefaults);
  if (contradiction !== null) return { failures: [contradiction] };
  const workers = values.workers === 0 ? automaticWorkers(cores) : values.workers;
  const { dataDirectories: several, dataDirectory: one } = BROKER_PROPERTIES;
  const dataDirectories =
    texts.has(one.name) && !texts.has(several.name) ? [values.dataDirectory] : values.dataDirectories;
  const nodeId = toBrokerId(values.nodeId);
  return { config: { ...values, nodeId, dataDirectories, workers, topicDefaults } };
}

/** The main thread, which is as busy as a worker, has a core to itself where there are several. */
const automaticWorkers = (cores: number): number => Math.max(1, Math.min(cores - 1, WORKERS_AUTOMATIC_MAX));

/** The topics' defaults in the topics' units. Of several names for one setting the first in its row counts. */
function parseTopicDefaults(
  texts: ReadonlyMap<string, string>,
  fail: (name: string, message: string) => void,
): Record<string, string> {
  const defaults: Record<string, string> = {};
  for (const [name, { topicRow, brokerName }] of DEFAULT_NAMES) {
    const text = texts.get(name);
    if (text === undefined) continue;
    const parsed = parseValue(brokerDefaultRow(topicRow, brokerName), text);
    if ('problem' in parsed) fail(name, parsed.problem);
    else defaults[topicRow.name] ??= inTopicUnit(text.trim(), brokerName.factor ?? 1);
  }
  return defaults;
}

/** Below 0 means "no limit" in any unit. */
function inTopicUnit(text: string, factor: number): string {
  if (factor === 1) return text;
  const value = Number(text);
  return String(value < 0 ? value : value * factor);
}

function contradictionIn(
  values: ValuesOf<typeof BROKER_PROPERTIES>,
  topicDefaults: Readonly<Record<string, string>>,
): ConfigFailure | null {
  return (
    requestsTooSmall(values, topicDefaults) ?? noSessionTimeout(values) ?? lagsOfCompaction(topicDefaults)
  );
}

function lagsOfCompaction(topicDefaults: Readonly<Record<string, string>>): ConfigFailure | null {
  if (!lagsContradict(topicDefaults)) return null;
  const [{ name }] = TOPIC_PROPERTIES.minCompactionLagMs.brokerNames;
  const [{ name: maxName }] = TOPIC_PROPERTIES.maxCompactionLagMs.brokerNames;
  return { name, message: `${name} must not be above ${maxName}.` };
}

function noSessionTimeout({
  groupMinSessionTimeoutMs,
  groupMaxSessionTimeoutMs,
}: ValuesOf<typeof BROKER_PROPERTIES>): ConfigFailure | null {
  if (groupMinSessionTimeoutMs <= groupMaxSessionTimeoutMs) return null;
  const { name } = BROKER_PROPERTIES.groupMinSessionTimeoutMs;
  const message =
    `${name}=${groupMinSessionTimeoutMs} is above ${BROKER_PROPERTIES.groupMaxSessionTimeoutMs.name}=` +
    `${groupMaxSessionTimeoutMs}: no session timeout would be allowed.`;
  return { name, message };
}

function requestsTooSmall(
  { socketRequestMaxBytes }: ValuesOf<typeof BROKER_PROPERTIES>,
  topicDefaults: Readonly<Record<string, string>>,
): ConfigFailure | null {
  const row = TOPIC_PROPERTIES.maxMessageBytes;
  const messageMaxBytes = Number(topicDefaults[row.name] ?? row.default);
  if (messageMaxBytes + REQUEST_OVERHEAD_BYTES <= socketRequestMaxBytes) return null;
  const { name } = BROKER_PROPERTIES.socketRequestMaxBytes;
  const message =
    `${name}=${socketRequestMaxBytes} is too small for message.max.bytes=${messageMaxBytes}: ` +
    `a request needs ${REQUEST_OVERHEAD_BYTES} bytes besides its record batch.`;
  return { name, message };
}

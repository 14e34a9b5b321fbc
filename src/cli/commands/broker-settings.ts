// Where a broker's settings come from: command line > ODRADEK_… variables > configuration file > defaults.
import { type BrokerConfig, parseBrokerConfig } from '../../config/broker-config.js';
import { parseProperties } from '../../config/properties-file.js';
import { BROKER_FLAGS, type BrokerFlag } from './broker-flags.js';
import { UsageError } from './usage-error.js';

export interface SettingSources {
  /** Options by commander's names for them: texts, or lists of texts for those that may be repeated. */
  readonly options: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Returns the text of the configuration file, or throws. */
  readonly readFile: (path: string) => string;
}

/** A setting's text and where it was given, for messages. */
export interface GivenSetting {
  readonly text: string;
  readonly origin: string;
}

/** What may hold several `name=value`: `--set`, and ODRADEK_SET with semicolons between them. */
const SET_OPTION = 'set';
const SET_ENVIRONMENT = 'ODRADEK_SET';
const CONFIG_OPTION = 'config';
const CONFIG_ENVIRONMENT = 'ODRADEK_CONFIG';

/**
 * The broker's configuration.
 *
 * @throws {UsageError} naming everything that is wrong, and where it was given
 */
export function loadBrokerConfig(sources: SettingSources): BrokerConfig {
  const settings = gatherSettings(sources);
  const texts = [...settings].map(([name, { text }]) => [name, text] as const);
  const parsed = parseBrokerConfig(texts);
  if ('config' in parsed) return parsed.config;
  const lines = parsed.failures.map(({ name, message }) => {
    const given = settings.get(name);
    return given === undefined ? message : `${message} (${given.origin})`;
  });
  throw new UsageError(`${lines.join('\n')}\ndocs/configuration.md lists all settings.`);
}

/** The settings that are given anywhere, each from where it takes precedence. */
export function gatherSettings(sources: SettingSources): ReadonlyMap<string, GivenSetting> {
  // Later ones replace earlier ones. Of the command line, an option of its own outdoes the general --set.
  return new Map([
    ...fromFile(sources),
    ...fromAssignments(sources.environment[SET_ENVIRONMENT]?.split(';') ?? [], SET_ENVIRONMENT),
    ...fromEnvironment(sources.environment),
    ...fromAssignments(listOf(sources.options[SET_OPTION]), '--set'),
    ...fromOptions(sources.options),
  ]);
}

type Entries = readonly (readonly [name: string, setting: GivenSetting])[];

function fromFile({ options, environment, readFile }: SettingSources): Entries {
  const path = listOf(options[CONFIG_OPTION])[0] ?? environment[CONFIG_ENVIRONMENT];
  if (path === undefined || path === '') return [];
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    throw new UsageError(`The configuration file ${path} cannot be read.`, { cause });
  }
  const parsed = parseProperties(text);
  if ('problems' in parsed) {
    throw new UsageError(`The configuration file ${path} is not valid:\n${parsed.problems.join('\n')}`);
  }
  return parsed.lines.map(({ name, value, line }) => [
    name,
    { text: value, origin: `${path}, line ${line}` },
  ]);
}

function fromEnvironment(environment: SettingSources['environment']): Entries {
  return BROKER_FLAGS.flatMap((flag) => {
    const text = environment[flag.environment];
    // An empty variable counts as not set, because shells and compose files cannot easily unset one.
    return text === undefined || text === ''
      ? []
      : [[flag.setting.name, { text, origin: flag.environment }] as const];
  });
}

function fromOptions(options: SettingSources['options']): Entries {
  return BROKER_FLAGS.flatMap((flag) => {
    const values = listOf(options[flag.option]);
    if (values.length === 0) return [];
    return [[flag.setting.name, { text: joined(flag, values), origin: flagName(flag) }] as const];
  });
}

function joined(flag: BrokerFlag, values: readonly string[]): string {
  const withComma = values.find((value) => flag.repeatable === true && value.includes(','));
  if (withComma !== undefined) {
    throw new UsageError(
      `${flagName(flag)} ${withComma}: the name cannot contain a comma. Repeat the option for each folder.`,
    );
  }
  return values.join(',');
}

const flagName = (flag: BrokerFlag): string => flag.flags.split(' ', 1)[0] ?? flag.flags;

/** Parses `name=value` texts. */
function fromAssignments(texts: readonly string[], origin: string): Entries {
  return texts
    .filter((text) => text.trim() !== '')
    .map((text) => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new UsageError(`${origin} ${text}: it must be of the form name=value.`);
      return [text.slice(0, equals).trim(), { text: text.slice(equals + 1).trim(), origin }] as const;
    });
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

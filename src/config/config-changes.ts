// Changes of the settings of a topic, one by one (KIP-339).
import type { Failure } from '../base/errors.js';
import { TOPIC_PROPERTIES, type TopicProperty } from './topic-properties.js';

export interface ConfigChange {
  readonly name: string;
  /** `delete` goes back to the default; `append` and `subtract` are for lists, as cleanup.policy. */
  readonly operation: 'set' | 'delete' | 'append' | 'subtract';
  /** Nothing for `delete`. */
  readonly value: string;
}

export interface ConfigChangeOptions {
  /** What the changes do not name is set no longer (KIP-133). */
  readonly replaces: boolean;
  /** What is in force where the topic itself sets nothing. */
  readonly inherited: (name: string) => string;
}

const ROW_BY_NAME = new Map<string, TopicProperty>(
  Object.values(TOPIC_PROPERTIES).map((row) => [row.name, row]),
);

/**
 * What is set for a topic after the changes. Whether the values are valid is not checked (see validateTopicOverrides); a
 * failure is INVALID_REQUEST for a name that is changed twice, or INVALID_CONFIG for list operations on what is no list.
 */
export function applyConfigChanges(
  overrides: Readonly<Record<string, string>>,
  changes: readonly ConfigChange[],
  { replaces, inherited }: ConfigChangeOptions,
): { readonly overrides: Readonly<Record<string, string>> } | Failure {
  const result = new Map(replaces ? [] : Object.entries(overrides));
  const seen = new Set<string>();
  for (const { name, operation, value } of changes) {
    if (seen.has(name)) return { error: 'INVALID_REQUEST', detail: `${name} is changed twice.` };
    seen.add(name);
    if (operation === 'delete') result.delete(name);
    else if (operation === 'set') result.set(name, value);
    else {
      const row = ROW_BY_NAME.get(name);
      if (row && row.type !== 'list') {
        return { error: 'INVALID_CONFIG', detail: `${name} is no list: it can only be set or deleted.` };
      }
      const before = items(result.get(name) ?? (row ? inherited(name) : ''));
      const named = items(value);
      const after =
        operation === 'append'
          ? [...before, ...named.filter((item) => !before.includes(item))]
          : before.filter((item) => !named.includes(item));
      result.set(name, after.join(','));
    }
  }
  // Makes fields of all names, even of __proto__.
  return { overrides: Object.fromEntries(result) };
}

function items(list: string): string[] {
  const found = list.split(',').map((item) => item.trim());
  return found.filter((item) => item !== '');
}

// Finds the error codes of answers by their tables: whatever table has fields called `errorCode` is counted, one for each
// partition, topic or group that has one.
import type { FieldDefinitions } from '../../protocol/kafka/schema.js';
import type { RequestCounters } from '../metrics/counters.js';

/** Counts the errors of one answer. O(items that may have one). */
export type CountErrors = (answer: object, counters: RequestCounters) => void;

type Values = Readonly<Record<string, unknown>>;

const ERROR_CODE = 'errorCode';
const countsNothing: CountErrors = () => {};

/** The counter of a table. */
export function errorCounter(fields: FieldDefinitions): CountErrors {
  const walk = walkerOf(fields);
  return walk === null ? countsNothing : (answer, counters) => walk(answer as Values, counters); // Typed by the table.
}

function walkerOf(fields: FieldDefinitions): ((values: Values, counters: RequestCounters) => void) | null {
  const hasCode = ERROR_CODE in fields;
  const inner = Object.entries(fields).flatMap(([name, { fields: struct, element }]) => {
    const walk = walkerOf(struct ?? element?.fields ?? {});
    return walk === null ? [] : [{ name, walk }];
  });
  if (!hasCode && inner.length === 0) return null;
  return (values, counters) => {
    if (hasCode) {
      const code = values[ERROR_CODE];
      if (typeof code === 'number') counters.failed(code);
    }
    for (const { name, walk } of inner) {
      const value = values[name];
      if (Array.isArray(value)) for (const item of value) walk(item as Values, counters);
      else if (typeof value === 'object' && value !== null) walk(value as Values, counters);
    }
  };
}

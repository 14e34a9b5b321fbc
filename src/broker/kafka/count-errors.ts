// Finds the error codes of answers by their tables: whatever table has fields called `errorCode` is counted, one for each
// partition, topic or group that has one.
import type { FieldDefinitions } from '../../protocol/kafka/schema.js';
import { SourceWriter } from '../../protocol/kafka/source-writer.js';
import type { RequestCounters } from '../metrics/counters.js';

/** Counts the errors of one answer. O(items that may have one). */
export type CountErrors = (answer: object, counters: RequestCounters) => void;

const ERROR_CODE = 'errorCode';
const countsNothing: CountErrors = () => {};

/** The counter of a table: a function made for it, because one for all would look every field up by its name. */
export function errorCounter(fields: FieldDefinitions): CountErrors {
  const source = new SourceWriter();
  if (!addCounting(source, fields, 'answer')) return countsNothing;
  return source.build('countErrors', 'answer, counters', {}) as CountErrors; // Made from the fields that the answer has.
}

/** Adds what counts the errors of a struct; false if it can have none. */
function addCounting(source: SourceWriter, fields: FieldDefinitions, struct: string): boolean {
  let counts = false;
  for (const [name, field] of Object.entries(fields)) {
    if (name === ERROR_CODE) {
      source.add(`if (${struct}.${name}) counters.failed(${struct}.${name});`);
      counts = true;
      continue;
    }
    const inner = field.fields ?? field.element?.fields;
    if (!inner || !hasErrorCode(inner)) continue;
    const value = source.name(name);
    const item = field.fields ? value : source.name(`${name}Item`);
    source.add(`const ${value} = ${struct}.${name};`, `if (${value}) {`);
    if (!field.fields) source.add(`for (const ${item} of ${value}) {`);
    addCounting(source, inner, item);
    if (!field.fields) source.add('}');
    source.add('}');
    counts = true;
  }
  return counts;
}

const hasErrorCode = (fields: FieldDefinitions): boolean =>
  Object.entries(fields).some(
    ([name, { fields: struct, element }]) =>
      name === ERROR_CODE || hasErrorCode(struct ?? element?.fields ?? {}),
  );

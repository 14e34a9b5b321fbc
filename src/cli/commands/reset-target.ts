import type { ResetTarget } from '../../client/group-admin.js';
import { parsePosition } from './position.js';
import { UsageError } from './usage-error.js';

const SHIFT = /^[+-]\d+$/;

/** Parses `--to` of `group reset`: as `--from` of `consume`, or `+N` and `-N` for so many records forth and back. */
export function parseResetTarget(text: string): ResetTarget {
  if (SHIFT.test(text)) {
    const by = Number(text);
    if (Number.isSafeInteger(by)) return { by };
  }
  try {
    return parsePosition(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const forms =
      'earliest, latest, an offset (digits), +N, -N or a time (ISO 8601, as 2026-01-31T08:00:00Z)';
    throw new UsageError(`--to ${text}: it must be ${forms}.`);
  }
}

/** Topics and partitions as `--topic` names them: `orders`, or `orders:0,2`. */
export interface TopicChoice {
  readonly topic: string;
  readonly partitions?: readonly number[];
}

/** Parses `--topic` of `group reset`, which may be repeated. */
export function collectTopics(
  text: string,
  previous: readonly TopicChoice[] | undefined,
): readonly TopicChoice[] {
  const [topic = '', numbers, ...rest] = text.split(':');
  if (topic === '' || rest.length > 0 || (numbers !== undefined && !/^\d{1,9}(,\d{1,9})*$/.test(numbers)))
    throw new UsageError(`--topic ${text}: it must be of the form TOPIC or TOPIC:PARTITION,PARTITION….`);
  const choice = numbers === undefined ? { topic } : { topic, partitions: numbers.split(',').map(Number) };
  return [...(previous ?? []), choice];
}

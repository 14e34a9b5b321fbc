import { UsageError } from './usage-error.js';

/** Where consuming begins. */
export type Position = 'earliest' | 'latest' | { readonly offset: number } | { readonly timestampMs: number };

const ISO_TIME = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** Parses `--from`: digits are an offset; an ISO 8601 time is local unless it ends in Z or an offset, a mere date is UTC. */
export const parsePosition = (text: string): Position => parsePlace(text, '--from');

/** The same for an option of another name. */
export function parsePlace(text: string, option: string): Position {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    if (Number.isSafeInteger(offset)) return { offset };
  } else if (ISO_TIME.test(text)) {
    const timestampMs = Date.parse(text.replace(' ', 'T'));
    if (Number.isFinite(timestampMs)) return { timestampMs };
  }
  throw new UsageError(
    `${option} ${text}: it must be earliest, latest, an offset (digits) or a time (ISO 8601, as 2026-01-31T08:00:00Z).`,
  );
}

// How a job's outcome crosses the border between threads. Structured clone would keep of an error only its name and
// message, so that nobody could tell a full disk from a broken file.
import { OdradekError, type OdradekErrorCode } from '../base/errors.js';
import { DiskError, type DiskErrorCode } from './disk.js';

export type JobOutcome =
  | { readonly type: 'succeeded'; readonly output: unknown }
  | {
      readonly type: 'diskFailed';
      readonly code: DiskErrorCode;
      readonly path: string;
      readonly message: string;
      readonly stack: string | undefined;
    }
  | {
      readonly type: 'refused';
      readonly code: OdradekErrorCode;
      readonly message: string;
      readonly stack: string | undefined;
    }
  | { readonly type: 'failed'; readonly message: string; readonly stack: string | undefined };

/** Runs the job; what it throws becomes a value. */
export function jobOutcome(run: () => unknown): JobOutcome {
  try {
    return { type: 'succeeded', output: run() };
  } catch (error) {
    if (!(error instanceof Error)) return { type: 'failed', message: String(error), stack: undefined };
    const { message, stack } = error;
    if (error instanceof DiskError)
      return { type: 'diskFailed', code: error.code, path: error.path, message, stack };
    if (error instanceof OdradekError) return { type: 'refused', code: error.code, message, stack };
    return { type: 'failed', message, stack };
  }
}

/** The error of an outcome that is none of success, as it was thrown. */
export function jobError(outcome: Exclude<JobOutcome, { type: 'succeeded' }>): Error {
  const error = rebuild(outcome);
  if (outcome.stack !== undefined) error.stack = outcome.stack;
  return error;
}

function rebuild(outcome: Exclude<JobOutcome, { type: 'succeeded' }>): Error {
  switch (outcome.type) {
    case 'diskFailed': {
      const ending = `: ${outcome.path}`; // DiskError adds it again.
      const message = outcome.message.endsWith(ending)
        ? outcome.message.slice(0, -ending.length)
        : outcome.message;
      return new DiskError(outcome.code, outcome.path, message);
    }
    case 'refused':
      return new OdradekError(outcome.code, outcome.message);
    case 'failed':
      return new Error(outcome.message);
  }
}

import { OdradekError } from '../base/errors.js';

/** What was caught, as the error that users get. Anything but an OdradekError is a bug of ours, and said to be one. */
export function asOdradekError(thrown: unknown): OdradekError {
  if (thrown instanceof OdradekError) return thrown;
  return new OdradekError('ODR_PROTOCOL', `Unexpected failure in the client: ${String(thrown)}`, {
    cause: thrown,
  });
}

import { OdradekError } from '../base/errors.js';

/**
 * The value, if it is a whole number in [min, max].
 *
 * @throws OdradekError ODR_USAGE
 */
export function wholeNumber(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new OdradekError(
    'ODR_USAGE',
    `${name} must be a whole number from ${min} to ${max}, not ${String(value)}.`,
  );
}

/**
 * The value, if it is one of these.
 *
 * @throws OdradekError ODR_USAGE
 */
export function oneOf<Value extends string>(name: string, value: Value, values: readonly Value[]): Value {
  if (values.includes(value)) return value;
  throw new OdradekError('ODR_USAGE', `${name} must be one of ${values.join(', ')}, not ${String(value)}.`);
}

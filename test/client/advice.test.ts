import { describe, expect, it } from 'vitest';
import {
  brokerError,
  ERRORS,
  type ErrorName,
  OdradekError,
  type OdradekErrorCode,
} from '../../src/base/errors.js';
import { adviceFor } from '../../src/client/advice.js';

/** Complete, as the compiler sees to. */
const CODES: Readonly<Record<Exclude<OdradekErrorCode, 'ODR_BROKER'>, true>> = {
  ...{ ODR_CONNECTION: true, ODR_TIMEOUT: true, ODR_CLOSED: true, ODR_PROTOCOL: true, ODR_CORRUPT: true },
  ...{ ODR_CONFIG: true, ODR_USAGE: true, ODR_START: true, ODR_COMPRESSION: true, ODR_FORMAT: true },
};
const SENTENCE = /^[A-Z].*\.$/;

describe('adviceFor', () => {
  it('has a sentence for every code', () => {
    for (const code of Object.keys(CODES) as (keyof typeof CODES)[]) {
      expect(adviceFor(new OdradekError(code, 'x')), code).toMatch(SENTENCE);
    }
  });

  it('has a sentence for every error of a broker', () => {
    for (const name of Object.keys(ERRORS) as ErrorName[]) {
      expect(adviceFor(brokerError(name)), name).toMatch(SENTENCE);
    }
    expect(adviceFor(brokerError('LEADER_NOT_AVAILABLE'))).toContain('try again');
    expect(adviceFor(brokerError('MESSAGE_TOO_LARGE'))).toContain('max.message.bytes');
  });
});

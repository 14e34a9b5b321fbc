import { describe, expect, it } from 'vitest';
import { brokerError, ERRORS, type ErrorName, errorName, OdradekError } from '../../src/base/errors.js';

describe('errorName', () => {
  it('is the inverse of the table', () => {
    const names = Object.keys(ERRORS) as ErrorName[];
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(errorName(ERRORS[name].code)).toBe(name);
  });

  it('takes a code that it does not know for an unknown error', () => {
    expect(errorName(12345)).toBe('UNKNOWN_SERVER_ERROR');
  });

  it("has Kafka's codes", () => {
    expect(errorName(0)).toBe('NONE');
    expect(errorName(3)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(errorName(87)).toBe('INVALID_RECORD');
    expect(errorName(100)).toBe('UNKNOWN_TOPIC_ID');
  });
});

describe('ERRORS', () => {
  it('says something about every error', () => {
    for (const [name, row] of Object.entries(ERRORS)) {
      if (name === 'NONE') expect(row.message).toBe('');
      else expect(row.message, name).toMatch(/^[A-Z].*\.$|^[a-z]+ .*\.$/);
    }
  });
});

describe('brokerError', () => {
  it('carries what the table says', () => {
    const error = brokerError('NOT_LEADER_OR_FOLLOWER');
    expect(error).toBeInstanceOf(OdradekError);
    expect(error).toMatchObject({ code: 'ODR_BROKER', errorName: 'NOT_LEADER_OR_FOLLOWER', retriable: true });
    expect(error.message).toBe(`NOT_LEADER_OR_FOLLOWER: ${ERRORS.NOT_LEADER_OR_FOLLOWER.message}`);
  });

  it('prefers the detail', () => {
    expect(brokerError('INVALID_CONFIG', 'no such setting').message).toBe('INVALID_CONFIG: no such setting');
    expect(brokerError('INVALID_CONFIG', '').message).toContain(ERRORS.INVALID_CONFIG.message);
  });
});

describe('OdradekError', () => {
  it('is not retriable and has no cause unless told', () => {
    const error = new OdradekError('ODR_USAGE', 'so not');
    expect(error).toMatchObject({ name: 'OdradekError', retriable: false, errorName: undefined });
    expect('cause' in error).toBe(false);
    const cause = new Error('below');
    expect(new OdradekError('ODR_USAGE', 'so not', { cause }).cause).toBe(cause);
  });
});

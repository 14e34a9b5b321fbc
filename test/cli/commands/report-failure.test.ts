import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../../src/base/errors.js';
import { describeFailure } from '../../../src/cli/commands/report-failure.js';
import { UsageError } from '../../../src/cli/commands/usage-error.js';

const errno = (code: string, message: string) => Object.assign(new Error(message), { code });

describe('describeFailure', () => {
  it('says the causes once each, and what to do', () => {
    const cause = errno('EADDRINUSE', 'listen EADDRINUSE: address already in use 127.0.0.1:9091');
    const error = new OdradekError('ODR_START', 'The native door cannot be opened.', { cause });
    expect(describeFailure(error)).toMatch(
      /^The native door cannot be opened\.\n {2}because: listen EADDRINUSE: .*9091\nAnother process listens at that address/,
    );
    const quoting = new OdradekError('ODR_START', `Cannot listen: ${cause.message}`, { cause });
    expect(describeFailure(quoting)).not.toContain('because');
  });

  it('shows no stack for what users can do something about, and one for what should not happen', () => {
    expect(describeFailure(new UsageError('wrong'))).toBe('wrong');
    expect(describeFailure(errno('ENOSPC', 'no space'))).toMatch(/^no space\nThe disk is full/);
    expect(describeFailure(new TypeError('a bug'))).toMatch(/^TypeError: a bug\n {4}at /);
    expect(describeFailure('thrown text')).toBe('thrown text');
  });

  it('ends at a chain of causes that is a ring', () => {
    const error = new UsageError('ring');
    error.cause = error;
    expect(describeFailure(error)).toBe('ring');
  });
});

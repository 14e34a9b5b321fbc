import { describe, expect, it } from 'vitest';
import { AssertionError, assert, assertNever, present } from '../../src/base/assert.js';

describe('assert', () => {
  it('throws with the message unless the condition holds', () => {
    expect(() => assert(1 > 2, 'one is larger')).toThrow(new AssertionError('one is larger'));
    expect(() => assert(0, 'zero')).toThrow(AssertionError);
    expect(() => assert('text', 'never said')).not.toThrow();
  });

  it('names the value of a case that nobody handled', () => {
    expect(() => assertNever({ type: 'surprise' } as never)).toThrow('unexpected {"type":"surprise"}');
  });

  it('passes a value that is there, and falsy ones too', () => {
    expect(present(0, 'count')).toBe(0);
    expect(present('', 'name')).toBe('');
    expect(() => present(null, 'segment')).toThrow('segment is missing');
    expect(() => present(undefined, 'segment')).toThrow(AssertionError);
  });
});

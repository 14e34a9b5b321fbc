import { describe, expect, it } from 'vitest';
import { add } from './add.js';

describe('add', () => {
  it('adds small numbers', () => {
    expect(add(1, 2)).toBe(3);
  });

  it('adds zero', () => {
    expect(add(0, 0)).toBe(0);
  });

  it('stays with numbers', () => {
    expect(add(1, 1).toFixed(1)).toBe('2.0');
  });
});

describe('a test that is wrong itself', () => {
  it('fails always', () => {
    expect(add(1, 1)).toBe(3);
  });
});

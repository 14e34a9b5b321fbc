import { describe, expect, it } from 'vitest';
import { applyConfigChanges, type ConfigChange } from '../../src/config/config-changes.js';

const set = (name: string, value: string): ConfigChange => ({ name, operation: 'set', value });
const remove = (name: string): ConfigChange => ({ name, operation: 'delete', value: '' });
const list = (operation: 'append' | 'subtract', value: string): ConfigChange => ({
  name: 'cleanup.policy',
  operation,
  value,
});

function changed(
  before: Record<string, string>,
  changes: readonly ConfigChange[],
  replaces = false,
): unknown {
  const inherited = (name: string) => (name === 'cleanup.policy' ? 'delete' : '');
  const result = applyConfigChanges(before, changes, { replaces, inherited });
  return 'error' in result ? result : result.overrides;
}

describe('applyConfigChanges', () => {
  it('sets and deletes, and leaves the rest', () => {
    const before = { 'retention.ms': '1', 'segment.bytes': '2', 'flush.ms': '3' };
    expect(changed(before, [set('retention.ms', '9'), remove('flush.ms'), remove('flush.messages')])).toEqual(
      {
        'retention.ms': '9',
        'segment.bytes': '2',
      },
    );
    expect(before).toEqual({ 'retention.ms': '1', 'segment.bytes': '2', 'flush.ms': '3' });
  });

  it('keeps only what is named when it replaces', () => {
    expect(changed({ 'retention.ms': '1', 'segment.bytes': '2' }, [set('retention.ms', '9')], true)).toEqual({
      'retention.ms': '9',
    });
    expect(changed({ 'retention.ms': '1' }, [], true)).toEqual({});
  });

  it('appends to lists, to the inherited one too, each item once', () => {
    expect(changed({}, [list('append', 'compact')])).toEqual({ 'cleanup.policy': 'delete,compact' });
    expect(changed({ 'cleanup.policy': 'compact' }, [list('append', ' compact , delete')])).toEqual({
      'cleanup.policy': 'compact,delete',
    });
  });

  it('subtracts from lists', () => {
    expect(changed({ 'cleanup.policy': 'delete,compact' }, [list('subtract', 'delete')])).toEqual({
      'cleanup.policy': 'compact',
    });
    expect(changed({}, [list('subtract', 'delete')])).toEqual({ 'cleanup.policy': '' });
  });

  it('refuses list operations on what is no list, and a name that is changed twice', () => {
    const append = { name: 'retention.ms', operation: 'append', value: '1' } as const;
    expect(changed({}, [append])).toMatchObject({ error: 'INVALID_CONFIG' });
    expect(changed({}, [set('retention.ms', '1'), remove('retention.ms')])).toEqual({
      error: 'INVALID_REQUEST',
      detail: 'retention.ms is changed twice.',
    });
  });

  it('takes any name for a name', () => {
    const result = changed({}, [set('__proto__', 'x')]);
    expect(Object.entries(result as object)).toEqual([['__proto__', 'x']]);
  });
});

import { describe, expect, it } from 'vitest';
import { descriptorLimit, openFilesPerThread } from '../../src/io/descriptor-limit.js';

const limits = (soft: string) => () =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             95891                95891                processes
Max open files            ${soft}                 20000                files
`;

describe('The limit of descriptors', () => {
  it('is the soft one, as /proc says it', () => {
    expect(descriptorLimit(limits('1024'))).toBe(1024);
  });

  it('is not known where there is none, or no /proc', () => {
    expect(descriptorLimit(limits('unlimited'))).toBeNull();
    expect(
      descriptorLimit(() => {
        throw new Error('ENOENT');
      }),
    ).toBeNull();
  });

  it('leaves half of them for sockets, whatever the number of threads', () => {
    expect(openFilesPerThread(2, 1024)).toBe(128);
    for (const workers of [1, 4, 16])
      expect(openFilesPerThread(workers, 1024) * (workers + 2)).toBeLessThanOrEqual(512);
    expect(openFilesPerThread(256, 1024)).toBe(16);
    expect(openFilesPerThread(4, 1_000_000)).toBe(512);
    expect(openFilesPerThread(4, null)).toBe(512);
  });
});

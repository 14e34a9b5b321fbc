import type { ReadPace } from '../../src/broker/read-pace.js';

const READS: Pick<ReadPace, 'here' | 'sending' | 'elsewhere'> = {
  here: (_bytes, read) => read(),
  sending: (send) => send(),
  elsewhere: () => () => {},
};

/** What is not certainly in the page cache is read in later turns. */
export const READ_LATER: ReadPace = { ...READS, mayBlock: false };

/** Everything is read at once. */
export const READ_AT_ONCE: ReadPace = { ...READS, mayBlock: true };

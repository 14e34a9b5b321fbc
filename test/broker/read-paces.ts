import type { ReadPace } from '../../src/broker/read-pace.js';

const timed = <Result>(read: () => Result): Result => read();

/** What is not certainly in the page cache is read in later turns. */
export const READ_LATER: ReadPace = { mayBlock: false, timed };

/** Everything is read at once. */
export const READ_AT_ONCE: ReadPace = { mayBlock: true, timed };

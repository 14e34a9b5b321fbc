// The metadata store: what it confirmed is on the disk, whole and in order.
import type { Mutant } from '../mutant.js';

const STORE = 'src/metadata/embedded-store.ts';
const TEST = 'test/metadata/embedded-store.test.ts';

export const METADATA_MUTANTS: readonly Mutant[] = [
  {
    name: 'revision-not-compared',
    wrong: 'A change goes through though what it was based on has changed.',
    file: STORE,
    piece: 'if ((this.#entries.get(key)?.modRevision ?? 0) === modRevision) continue;',
    replacement: 'if ((this.#entries.get(key)?.modRevision ?? 0) >= 0 || modRevision >= 0) continue;',
    caughtBy: { file: TEST, name: 'changes nothing if a comparison does not hold' },
  },
  {
    name: 'metadata-confirmed-before-fsync',
    wrong: 'A change of the metadata is confirmed before it is on the disk.',
    file: STORE,
    piece: '    this.#pending.push({ changes, revision, done });\n',
    replacement:
      "    this.#pending.push({ changes, revision, done: () => {} });\n    later({ type: 'committed', revision });\n",
    caughtBy: {
      file: TEST,
      name: 'tells of each commit in order, before the commit itself is answered, until it is asked to stop',
    },
  },
  {
    name: 'metadata-confirmed-by-earlier-fsync',
    wrong: 'A change that came during a flush is confirmed by it.',
    file: STORE,
    piece: 'of this.#pending.splice(0, flushed)) {',
    replacement: 'of this.#pending.splice(0)) {',
    caughtBy: {
      file: TEST,
      name: 'confirms a commit by a flush that began behind it, never by one that was under way',
    },
  },
  {
    name: 'metadata-goes-on-after-failed-fsync',
    wrong: 'The store goes on after a flush that failed, with a state that may not be on the disk.',
    file: STORE,
    piece: '        this.#break(reason);\n        for',
    replacement: '        for',
    caughtBy: {
      file: TEST,
      name: 'takes nothing more once the disk did not sync: only a restart can tell what is there',
    },
  },
  {
    name: 'metadata-deletion-comes-back',
    wrong: 'A key that was deleted is there again after a restart.',
    file: STORE,
    piece:
      'if (value === null) this.#entries.delete(key);\n    else this.#entries.set(key, { key, value, modRevision });',
    replacement: 'if (value !== null) this.#entries.set(key, { key, value, modRevision });',
    caughtBy: { file: TEST, name: 'lists what was put, in order of keys, with the revisions of the commits' },
  },
  {
    name: 'revision-begins-again',
    wrong: 'After a restart revisions begin again: a stale comparison holds.',
    file: STORE,
    piece: 'this.#revision = Math.max(this.#revision, modRevision);',
    replacement: '',
    caughtBy: { file: TEST, name: 'knows everything again after a stop, with the same revisions' },
  },
];

import { between, chance } from '../../../simulation/streams.js';
import { MemoryHost } from '../memory-host.js';
import type { HistoryHostOptions, MakeHost } from './host.js';

/** A host over a log in memory. */
export const memoryHistoryHost: MakeHost = ({ clock, random, ...options }: HistoryHostOptions) => {
  let appendMsMax = 2;
  const host = new MemoryHost({
    ...options,
    clock,
    random,
    appendMs: () => (chance(random, 0.3) ? 0 : between(random, 0, appendMsMax)),
  });
  return {
    handle: (command, reply) => host.handle(command, reply),
    slow: (ms) => {
      appendMsMax = ms;
    },
    failAppend: () => host.failNextAppend(chance(random, 0.5) ? 'kept' : 'lost'),
    crash: (downMs) => {
      host.crash(random.below(4));
      clock.after(downMs, () => {
        if (!host.isLoaded) host.load();
      });
    },
    close: (done) => {
      if (host.isLoaded) host.shard.close('NOT_COORDINATOR');
      done();
    },
    get log() {
      return host.log;
    },
  };
};

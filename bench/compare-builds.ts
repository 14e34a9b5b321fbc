import { join } from 'node:path';
import { eachSuite, type Outcome, onGround, type RunOptions, WARM_UP_SHARE } from './run.js';

/** Folders with a `dist` in them. */
export interface Builds {
  readonly broker: string;
  readonly base: string;
}

/**
 * Measures the brokers of two builds in turns, with the load generators of this one. Each turn has a new broker, which is warmed up:
 * what a process keeps for life (how its code was compiled, where its memory lies) then differs from round to round, and not
 * only from side to side. Who is first changes with each round, so that neither side has always the fresher machine.
 */
export function compareBuilds(run: RunOptions, builds: Builds): Promise<Outcome> {
  const { options, proc, folder, progress } = run;
  const sides = ['broker', 'base'] as const;
  const { profileDirectory } = options;
  return eachSuite(run, 'base', async (suite, record) => {
    for (let round = 1; round <= options.rounds; round++) {
      for (const side of round % 2 === 1 ? sides : sides.toReversed()) {
        const name = side === 'broker' ? 'candidate' : side;
        progress.doing(`${suite.name}: round ${round} of ${options.rounds}, ${name}`);
        const ofSide = {
          ...options,
          profileDirectory: profileDirectory === null ? null : join(profileDirectory, name),
        };
        const ground = { options: ofSide, proc, folder, suite: suite.name, buildFolder: builds[side] };
        const turns = await onGround(ground, async (ground) => {
          if (!suite.startsBrokers) await ground.open(suite.brokerOptions);
          await suite.broker(ground, WARM_UP_SHARE);
          return await suite.broker(ground, 1);
        }).catch((error: Error) => {
          throw new Error(`${name}: ${error.message}`, { cause: error });
        });
        progress.done();
        record(round, side, turns);
      }
    }
  });
}

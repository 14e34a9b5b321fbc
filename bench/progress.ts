import cliProgress from 'cli-progress';

/** Shows how far the bench is, on stderr: a bar on a terminal, and in any case a line for each turn. */
export interface Progress {
  /** What is being done now. */
  doing(what: string): void;
  /** A line for people. */
  say(line: string): void;
  /** One of the turns is over. */
  done(): void;
  stop(): void;
}

export function startProgress(turns: number): Progress {
  return process.stderr.isTTY ? terminalProgress(turns) : plainProgress(turns);
}

function terminalProgress(turns: number): Progress {
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    format: '{bar} {value}/{total}  {doing}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    fps: 5,
  });
  const bar = bars.create(turns, 0, { doing: '' });
  return {
    doing: (what) => bar.update({ doing: what }),
    say: (line) => bars.log(`${line}\n`),
    done: () => bar.increment(),
    stop: () => bars.stop(),
  };
}

function plainProgress(turns: number): Progress {
  let done = 0;
  return {
    doing: () => {},
    say: (line) => process.stderr.write(`[${done}/${turns}] ${line}\n`),
    done: () => {
      done++;
    },
    stop: () => {},
  };
}

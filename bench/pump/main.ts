// The raw limit of one Node process: bytes from the loopback into a file, and from a file to the loopback, with reused buffers,
// nothing parsed, public API only. It stands beside the broker in every round: what it cannot do, nothing here can do in
// one thread. The entry point of a process; see ../job.ts.
import type { PumpJob, PumpResult } from '../job.js';
import { answer, idle } from './answer.js';
import { sink } from './sink.js';
import { source } from './source.js';

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Adds what it took to the bytes of `work`, which starts the watch itself: a connection may come late. */
async function measured(work: (begin: () => void) => Promise<number>): Promise<PumpResult> {
  let startMs = performance.now();
  let cpuAtStart = process.cpuUsage();
  const bytes = await work(() => {
    startMs = performance.now();
    cpuAtStart = process.cpuUsage();
  });
  const { user, system } = process.cpuUsage(cpuAtStart);
  return {
    bytes,
    seconds: (performance.now() - startMs) / 1000,
    userSeconds: user / 1e6,
    systemSeconds: system / 1e6,
    peakRssMib: process.resourceUsage().maxRSS / 1024,
  };
}

function run(job: PumpJob): Promise<PumpResult> {
  const listening = (port: number) => print({ port });
  switch (job.type) {
    case 'sink':
      return measured((begin) => sink(job, begin));
    case 'source':
      return measured((begin) => source(job, listening, begin));
    case 'answer':
      return measured((begin) => answer(job, { listening, begin, until: inputEnd() }));
    case 'idle':
      return measured(() => idle({ listening, until: inputEnd() }));
  }
}

function inputEnd(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin.resume().on('end', resolve);
  });
}

try {
  // The bench itself wrote the job.
  const result = await run(JSON.parse(process.argv[2] ?? '') as PumpJob);
  const { user, system } = process.cpuUsage();
  print({ result: { ...result, processSeconds: (user + system) / 1e6 } });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
  // A failed job may leave sockets open.
  setImmediate(() => process.exit());
}

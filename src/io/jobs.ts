// The Jobs port: stateless work that would hold an actor's thread up for too long. In production piscina runs the jobs on
// a pool of threads, in a simulation they run later on the same thread. What jobs exist is declared by JobTable, which
// the modules that own them extend.

/** Job name → its input and output, both structured-cloneable. Extended by declaration merging beside each job. */
// biome-ignore lint/suspicious/noEmptyInterface: the owners of jobs add their entries
export interface JobTable {}

export type JobName = keyof JobTable;
type Input<Name extends JobName> = JobTable[Name] extends { input: infer I } ? I : never;
type Output<Name extends JobName> = JobTable[Name] extends { output: infer O } ? O : never;

/** `awaited`: something cannot go on before the job is done. `background`: it gives way to all that are awaited. */
export type JobUrgency = 'awaited' | 'background';

export interface Jobs {
  /**
   * Runs a job; `done` is called once, in a later turn. The queue is bounded: beyond it `done` gets an error.
   * `urgency`: `awaited` if absent.
   */
  run<Name extends JobName>(
    name: Name,
    input: Input<Name>,
    done: (error: Error | null, output: Output<Name> | undefined) => void,
    urgency?: JobUrgency,
  ): void;
}

export type { Input as JobInput, Output as JobOutput };

// Runs the atomic steps of several threads on one thread, in every order. A thread is a function over shared memory that
// keeps no state between runs: to let it make one more step it is run again from its start, with the results of its earlier
// Atomics operations replayed, and stopped at the operation after the new one. All that a thread does between two atomic
// operations must therefore depend on nothing but their results, and may be repeated.
//
// States that were seen before are not visited again, so that "all orders" stays a number of thousands.

/** What a thread did so far: the result of each of its operations. */
type Results = readonly unknown[];

interface Thread {
  readonly results: Results;
  /** What its function returned; undefined while it is under way. */
  readonly outcome: { readonly value: unknown } | null;
  /** The word it sleeps on, after an `Atomics.waitAsync` or an `Atomics.wait`. */
  readonly asleepOn: number | null;
}

interface State {
  readonly memory: Int32Array;
  readonly threads: readonly Thread[];
  readonly switches: number;
  /** The thread that ran last, and all that ran, for messages. */
  readonly last: number;
  readonly schedule: string;
}

export interface Ended {
  /** What each thread's function returned; undefined for one that sleeps for ever. */
  readonly outcomes: readonly unknown[];
  readonly memory: Int32Array;
  /** Who ran, step by step: `0011` is two steps of the first thread, then two of the second. */
  readonly schedule: string;
}

export interface Exploration {
  /** All the memory that the threads share. Left as the last state. */
  readonly memory: Int32Array;
  readonly threads: readonly (() => unknown)[];
  /** Called for each different end: all threads have returned, or those that have not sleep. */
  readonly ended: (end: Ended) => void;
  /** How often the running thread may be changed; without a bound if absent. */
  readonly switchesMax?: number;
}

/** Thrown into a thread to stop it at its next operation. */
const PAUSE = Symbol('pause');
const STATES_MAX = 2_000_000;

type Operation = 'load' | 'store' | 'exchange' | 'add' | 'compareExchange' | 'notify' | 'waitAsync' | 'wait';
const OPERATIONS: readonly Operation[] = [
  'load',
  'store',
  'exchange',
  'add',
  'compareExchange',
  'notify',
  'waitAsync',
  'wait',
];

/** Visits every order; returns how many different states there were. */
export function explore({
  memory,
  threads,
  ended,
  switchesMax = Number.POSITIVE_INFINITY,
}: Exploration): number {
  const begun: Thread = { results: [], outcome: null, asleepOn: null };
  const first: State = {
    memory: memory.slice(),
    threads: threads.map(() => begun),
    switches: 0,
    last: -1,
    schedule: '',
  };
  const seen = new Set<string>([keyOf(first, switchesMax)]);
  const open: State[] = [first];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const runnable = state.threads.flatMap((thread, index) =>
      thread.outcome === null && thread.asleepOn === null ? [index] : [],
    );
    if (runnable.length === 0) {
      const outcomes = state.threads.map(({ outcome }) => outcome?.value);
      ended({ outcomes, memory: state.memory, schedule: state.schedule });
    }
    for (const index of runnable) {
      // A thread that ends or sleeps is no choice of the schedule: only leaving one that could go on counts.
      const left = state.last >= 0 && state.last !== index && runnable.includes(state.last);
      const switches = state.switches + (left ? 1 : 0);
      if (switches > switchesMax) continue;
      const next = step(state, index, switches, memory, threads[index] ?? (() => {}));
      const key = keyOf(next, switchesMax);
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > STATES_MAX) throw new Error(`more than ${STATES_MAX} states: bound the switches`);
      open.push(next);
    }
  }
  return seen.size;
}

function keyOf({ memory, threads, switches, last }: State, switchesMax: number): string {
  const parts = threads.map(
    ({ results, outcome, asleepOn }) => `${results.join()}/${outcome !== null}/${asleepOn}`,
  );
  const schedule = Number.isFinite(switchesMax) ? `${switches} ${last}` : '';
  return `${memory.join()}|${parts.join('|')}|${schedule}`;
}

/** Lets one thread make one step. */
function step(state: State, index: number, switches: number, memory: Int32Array, run: () => unknown): State {
  memory.set(state.memory);
  const threads = [...state.threads];
  const results = [...(threads[index]?.results ?? [])];
  const before = results.length;
  let asleepOn: number | null = null;
  let outcome: Thread['outcome'] = null;
  let made = 0;
  const originals = new Map(OPERATIONS.map((name) => [name, Reflect.get(Atomics, name)] as const));

  /** Replays an operation, makes it for real if it is the new one, or stops. */
  const operation = (real: () => unknown): unknown => {
    if (made < before) return results[made++];
    if (made > before) throw PAUSE;
    const result = real();
    results.push(result);
    made++;
    return result;
  };
  const call = (name: Operation, ...values: unknown[]) =>
    Reflect.apply(originals.get(name) ?? (() => {}), Atomics, values);
  const waitAsync = (...[words, word, value]: [Int32Array, number, number]) => {
    const sleeps = operation(() => {
      const equal = call('load', words, word) === value;
      if (equal) asleepOn = word;
      return equal;
    });
    if (sleeps !== true) return { async: false, value: 'not-equal' };
    // What follows runs when it was woken, which is its next step.
    if (made > before) throw PAUSE;
    // biome-ignore lint/suspicious/noThenProperty: it stands for a promise, and nothing awaits it
    return { async: true, value: { then: (wake: () => void) => wake() } };
  };
  /** Without a limit, so that a wake-up that is lost shows. */
  const wait = (...where: [Int32Array, number, number]) => (waitAsync(...where).async ? 'ok' : 'not-equal');
  const notify = (...[, word]: [Int32Array, number]) =>
    operation(() => {
      let woken = 0;
      threads.forEach((thread, other) => {
        if (thread.asleepOn !== word) return;
        threads[other] = { ...thread, asleepOn: null };
        woken++;
      });
      return woken;
    });
  for (const name of OPERATIONS) {
    Reflect.set(Atomics, name, (...values: unknown[]) => operation(() => call(name, ...values)));
  }
  Reflect.set(Atomics, 'waitAsync', waitAsync);
  Reflect.set(Atomics, 'wait', wait);
  Reflect.set(Atomics, 'notify', notify);
  const { setImmediate } = globalThis;
  // A bell that was rung already wakes in a later turn: here at once, for nothing else runs on the thread.
  Reflect.set(globalThis, 'setImmediate', (wake: () => void) => wake());
  try {
    outcome = { value: run() };
  } catch (error) {
    if (error !== PAUSE) throw new Error(`in schedule ${state.schedule}${index}`, { cause: error });
  } finally {
    for (const [name, original] of originals) Reflect.set(Atomics, name, original);
    Reflect.set(globalThis, 'setImmediate', setImmediate);
  }
  threads[index] = { results, outcome, asleepOn };
  return { memory: memory.slice(), threads, switches, last: index, schedule: `${state.schedule}${index}` };
}

// A member of a group: a process with a client that we did not write. README.md says what it is told and what it prints.
import { once } from 'node:events';
import { vi } from 'vitest';
import type { MemberEvent, MemberHistory } from './groups-ledger.js';
import { type Running, start } from './tool.js';

export interface MemberPlan {
  readonly bootstrap: string;
  readonly group: string;
  readonly topic: string;
  readonly assignor: 'range' | 'cooperative';
  readonly clientId: string;
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly commitIntervalMs: number;
}

const LIFE_MS_MAX = 600_000;

export class Member implements MemberHistory {
  readonly name: string;
  readonly events: MemberEvent[] = [];
  /** The partitions that it has now. */
  readonly owned = new Set<number>();
  /** By partition, what it said last. */
  readonly committed = new Map<number, number>();
  /** Records that it processed. */
  records = 0;
  wasKilled = false;
  readonly #running: Running;
  #error: Error | null = null;
  #hasEnded = false;

  constructor(command: readonly string[], plan: MemberPlan) {
    this.name = plan.clientId;
    this.#running = start([...command, 'member', JSON.stringify(plan)], {
      onLine: (line) => this.#read(line),
      timeoutMs: LIFE_MS_MAX,
    });
    this.#running.ended.then(
      () => {
        this.#hasEnded = true;
      },
      (error: Error) => {
        this.#hasEnded = true;
        if (!this.wasKilled) this.#error = error;
      },
    );
  }

  /** Throws if the process has ended by itself. */
  check(): void {
    if (this.#error) throw this.#error;
  }

  /** Ends it as kill -9 does. What it said before is read. */
  async kill(): Promise<void> {
    this.wasKilled = true;
    this.owned.clear();
    const closed = this.#hasEnded ? null : once(this.#running.child, 'close');
    this.#running.child.kill('SIGKILL');
    await closed;
  }

  /** Has it leave the group, and waits for its end. Throws if it does not end well. */
  async leave(): Promise<void> {
    this.#running.child.stdin.end();
    await until(`${this.name} has left`, [this], () => this.#hasEnded);
    this.check();
    this.owned.clear();
    if (this.events.at(-1)?.type !== 'left') throw new Error(`${this.name} ended without leaving`);
  }

  #read(line: string): void {
    const event = parse(line);
    this.events.push(event);
    if (event.type === 'assigned') for (const partition of event.partitions) this.owned.add(partition);
    else if (event.type === 'revoked' || event.type === 'lost') {
      for (const partition of event.partitions) this.owned.delete(partition);
    } else if (event.type === 'record') this.records++;
    else if (event.type === 'committed') {
      for (const [partition, end] of event.ends) this.committed.set(partition, end);
    }
  }
}

function parse(line: string): MemberEvent {
  const [type, ...words] = line.split(' ');
  const [first = '', second = ''] = words;
  switch (type) {
    case 'assigned':
    case 'revoked':
    case 'lost':
      return { type, partitions: first === '-' ? [] : first.split(',').map(Number) };
    case 'record': {
      const [, , key = '', value = ''] = words;
      return { type, partition: Number(first), offset: Number(second), key, value };
    }
    case 'committed': {
      const ends = first.split(',').map((pair) => pair.split(':').map(Number));
      return { type, ends: new Map(ends.map(([partition = -1, end = -1]) => [partition, end])) };
    }
    case 'commit-failed':
    case 'problem':
      return { type, text: words.join(' ') };
    case 'left':
      return { type };
    default:
      return { type: 'problem', text: `unknown line: ${line}` };
  }
}

/** Waits until `isSo`; throws if it takes too long, saying what was waited for and who has what, or if a member ends. */
export async function until(
  what: string,
  members: readonly Member[],
  isSo: () => boolean,
  timeoutMs = 60_000,
): Promise<void> {
  try {
    await vi.waitUntil(
      () => {
        for (const member of members) member.check();
        return isSo();
      },
      { timeout: timeoutMs, interval: 10 },
    );
  } catch (error) {
    const state = members.map(({ name, owned, records, wasKilled, events }) =>
      [name, wasKilled ? 'killed' : `[${[...owned]}]`, records, JSON.stringify(events.at(-1))].join(' '),
    );
    throw new Error(`waiting until ${what}:\n${state.join('\n')}`, { cause: error });
  }
}

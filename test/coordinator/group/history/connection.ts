// A client's connection to the coordinator: requests arrive in order, each after a while, and answers come back so. When it is
// lost, its owner is told null, and what was under way may arrive all the same: too late, or twice. Only commits do not, as
// the order of a client's commits is its own affair.
import type { Timer } from '../../../../src/base/clock.js';
import type { Random } from '../../../../src/base/random.js';
import type { SimulatedClock } from '../../../../src/base/simulated-clock.js';
import type { GroupCommand, GroupReply } from '../../../../src/coordinator/group/group-messages.js';
import { between, chance } from '../../../simulation/streams.js';
import type { Judge } from './judge.js';

export interface ConnectionWorld {
  readonly clock: SimulatedClock;
  readonly judge: Judge;
  readonly handle: (command: GroupCommand, reply: (reply: GroupReply) => void) => void;
  readonly trace: (line: () => string) => void;
  /** While faults happen. */
  readonly isStormy: () => boolean;
}

interface Outstanding {
  readonly done: (reply: GroupReply | null) => void;
  readonly deadline: Timer;
}

const LATE_MS_MAX = 8_000;
const TEXT_MAX = 250;

export class Connection {
  readonly #world: ConnectionWorld;
  readonly #random: Random;
  readonly #name: string;
  readonly #outstanding = new Set<Outstanding>();
  #epoch = 0;
  #lastArrivalMs = 0;
  #lastAnswerMs = 0;

  constructor(world: ConnectionWorld, random: Random, name: string) {
    this.#world = world;
    this.#random = random;
    this.#name = name;
  }

  /** `done` is called once: with the reply, or with null when the connection is lost or the time is up. */
  send(command: GroupCommand, timeoutMs: number, done: (reply: GroupReply | null) => void): void {
    const { clock } = this.#world;
    const outstanding: Outstanding = { done, deadline: clock.after(timeoutMs, () => this.lose()) };
    this.#outstanding.add(outstanding);
    const epoch = this.#epoch;
    const nowMs = clock.monotonicMs();
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#delayMs());
    clock.schedule(this.#lastArrivalMs - nowMs, () => {
      if (epoch === this.#epoch || this.#mayArriveLate(command)) this.#arrive(command, outstanding);
    });
    if (this.#world.isStormy() && isRepeatable(command) && chance(this.#random, 0.04))
      clock.schedule(between(this.#random, 1, LATE_MS_MAX), () => this.#arrive(command, null));
  }

  /** Everybody who waits is told so; new requests go over a new connection. */
  lose(): void {
    this.#epoch++;
    for (const outstanding of [...this.#outstanding]) this.#answer(outstanding, null);
  }

  #mayArriveLate(command: GroupCommand): boolean {
    return isRepeatable(command) && chance(this.#random, 0.5);
  }

  #arrive(command: GroupCommand, outstanding: Outstanding | null): void {
    const { clock, judge, handle, trace } = this.#world;
    const request = judge.asked(`${command.type} of ${this.#name}`);
    trace(() => `${this.#name} asks ${describe(command)}`);
    handle(command, (reply) => {
      judge.answered(request, reply);
      trace(() => `${this.#name} is answered ${describe(reply)}`);
      if (outstanding === null || !this.#outstanding.has(outstanding)) return;
      const nowMs = clock.monotonicMs();
      this.#lastAnswerMs = Math.max(this.#lastAnswerMs, nowMs + this.#delayMs());
      clock.schedule(this.#lastAnswerMs - nowMs, () => this.#answer(outstanding, reply));
    });
  }

  #answer(outstanding: Outstanding, reply: GroupReply | null): void {
    if (!this.#outstanding.delete(outstanding)) return;
    this.#world.clock.cancel(outstanding.deadline);
    outstanding.done(reply);
  }

  #delayMs(): number {
    return this.#world.isStormy() && chance(this.#random, 0.05) ? between(this.#random, 1, 2_000) : 1;
  }
}

/** What a coordinator can get twice without harm. A join without an id would make two members of one. */
const isRepeatable = (command: GroupCommand): boolean =>
  command.type === 'heartbeat' ||
  command.type === 'sync' ||
  (command.type === 'join' && command.memberId !== '');

function describe(message: GroupCommand | GroupReply): string {
  const text = JSON.stringify(message, (key, value) =>
    key === 'metadata' || key === 'assignment' || key === 'protocols' ? undefined : value,
  );
  return text.slice(0, TEXT_MAX);
}

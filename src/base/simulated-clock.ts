import { assert, present } from './assert.js';
import type { Clock, Timer } from './clock.js';
import type { Random } from './random.js';

/** The event queue of a simulation: what the twins of disk, network and jobs complete through. */
export interface Scheduler {
  /** Runs `run` once, in a turn of its own, `delayMs` of virtual time from now. */
  schedule(delayMs: number, run: () => void): Timer;
}

export interface SimulatedClockOptions {
  /** The wall time at the start, in milliseconds since 1970. */
  readonly wallMs?: number;
  /** Orders events of the same moment at random; without it they run in the order in which they were scheduled. */
  readonly random?: Random;
}

const START_WALL_MS = Date.UTC(2026, 0, 1);

interface ScheduledEvent extends Timer {
  /** Whose event it is. */
  readonly timer: SimulatedClock;
  readonly dueMs: number;
  readonly tie: number;
  readonly sequence: number;
  readonly run: () => void;
  /** Where it stands in the heap; -1 once it ran or was cancelled. */
  place: number;
}

function precedes(a: ScheduledEvent, b: ScheduledEvent): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.sequence < b.sequence;
}

/**
 * Virtual time: it stands still until {@link advance}, {@link runNext} or {@link runUntil} moves it, and timers run in the
 * order of their times. The twin of the system's clock and at once the event queue of a simulation.
 */
export class SimulatedClock implements Clock, Scheduler {
  readonly #random: Random | undefined;
  /** A binary heap: the next event first. */
  readonly #heap: ScheduledEvent[] = [];
  #wallAtZeroMs: number;
  #nowMs = 0;
  #sequence = 0;
  #running = false;

  constructor(options: SimulatedClockOptions = {}) {
    this.#wallAtZeroMs = options.wallMs ?? START_WALL_MS;
    this.#random = options.random;
  }

  wallMs(): number {
    return Math.floor(this.#wallAtZeroMs + this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Lets the wall clock jump, forwards or backwards, as an administrator or NTP does. */
  jumpWall(deltaMs: number): void {
    this.#wallAtZeroMs += deltaMs;
  }

  /** How many events wait. */
  get pending(): number {
    return this.#heap.length;
  }

  /** The monotonic time of the next event, or null if none waits. */
  get nextMs(): number | null {
    return this.#heap[0]?.dueMs ?? null;
  }

  after(delayMs: number, fire: () => void): Timer {
    assert(Number.isFinite(delayMs), `not a delay: ${delayMs}`);
    const event: ScheduledEvent = {
      timer: this,
      dueMs: this.#nowMs + Math.max(0, delayMs),
      tie: this.#random?.uint32() ?? 0,
      sequence: this.#sequence++,
      run: fire,
      place: this.#heap.length,
    };
    this.#heap.push(event);
    this.#rise(event);
    return event;
  }

  schedule(delayMs: number, run: () => void): Timer {
    return this.after(delayMs, run);
  }

  cancel(timer: Timer): void {
    assert(timer.timer === this, 'not a timer of this clock');
    const event = timer as ScheduledEvent;
    if (event.place >= 0) this.#take(event);
  }

  /** Moves the time to the next event and runs it; false if none waits. What it throws comes out here. */
  runNext(): boolean {
    const [event] = this.#heap;
    if (event === undefined) return false;
    assert(!this.#running, 'an event may not move the clock');
    this.#take(event);
    this.#nowMs = event.dueMs;
    this.#running = true;
    try {
      event.run();
    } finally {
      this.#running = false;
    }
    return true;
  }

  /** Lets `ms` pass, with all events that fall due meanwhile, new ones too. */
  advance(ms: number): void {
    assert(ms >= 0, `time does not go back: ${ms}`);
    const endMs = this.#nowMs + ms;
    while (this.nextMs !== null && this.nextMs <= endMs) this.runNext();
    this.#nowMs = endMs;
  }

  /** Runs events until the condition holds; false if it does not within `limitMs` or before the last event. */
  runUntil(condition: () => boolean, limitMs = Number.POSITIVE_INFINITY): boolean {
    const endMs = this.#nowMs + limitMs;
    while (!condition()) {
      if (this.nextMs === null || this.nextMs > endMs) return false;
      this.runNext();
    }
    return true;
  }

  #take(event: ScheduledEvent): void {
    const last = present(this.#heap.pop(), 'an event');
    if (last !== event) {
      this.#put(last, event.place);
      this.#rise(last);
      this.#sink(last);
    }
    event.place = -1;
  }

  #put(event: ScheduledEvent, place: number): void {
    this.#heap[place] = event;
    event.place = place;
  }

  #rise(event: ScheduledEvent): void {
    while (event.place > 0) {
      const { place } = event;
      const parent = present(this.#heap[(place - 1) >> 1], 'a parent');
      if (precedes(parent, event)) return;
      this.#put(event, parent.place);
      this.#put(parent, place);
    }
  }

  #sink(event: ScheduledEvent): void {
    while (true) {
      const { place } = event;
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      if (left === undefined) return;
      const child = right !== undefined && precedes(right, left) ? right : left;
      if (precedes(event, child)) return;
      this.#put(event, child.place);
      this.#put(child, place);
    }
  }
}

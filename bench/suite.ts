import type { BrokerProcessOptions } from './broker-process.js';
import type { Ground } from './ground.js';
import type { Metrics } from './metrics.js';

/** What stands beside the broker: a pump, or the broker of another commit. */
export type Other = 'pump' | 'base';
export type Side = 'broker' | Other;

/** What one turn of one side gave for one row. */
export interface Turn {
  readonly metrics: Metrics;
  /** What really moved, as counted and checked at the receiving end. */
  readonly bytes: number;
  readonly records: number;
  /** The part of the machine that others took meanwhile; null if unknown. */
  readonly others: number | null;
}

/** By row. */
export type Turns = Readonly<Record<string, Turn>>;

/** Rows that are measured together, on one broker. */
export interface Suite {
  readonly name: string;
  readonly rows: readonly string[];
  /** One turn of the broker. `share` scales what is moved; it is below 1 to warm up. */
  broker(ground: Ground, share: number): Promise<Turns>;
  /** One turn of the pump; null if there is none to compare with. */
  readonly pump: ((ground: Ground, share: number) => Promise<Turns>) | null;
  /** Whether each turn starts a broker of its own; else one broker serves all rounds. */
  readonly startsBrokers: boolean;
  /** How that one broker is started; default: as all are. */
  readonly brokerOptions?: Partial<BrokerProcessOptions>;
}

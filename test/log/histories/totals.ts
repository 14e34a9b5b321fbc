// What happened in a history, or in many.
export interface Totals {
  histories: number;
  operations: number;
  batches: number;
  records: number;
  rolls: number;
  flushes: number;
  /** Passes that ended well, and those of them that removed records. */
  compactions: number;
  compactionsThatRemoved: number;
  recordsRemoved: number;
  tombstonesRemoved: number;
  /** Retentions, by time, size or log start, that deleted segments. */
  retentionsThatDeleted: number;
  segmentsDeleted: number;
  deletionsOfRecords: number;
  truncations: number;
  cleanRestarts: number;
  /** All restarts that were not clean. */
  processCrashes: number;
  powerLosses: number;
  workerDeaths: number;
  /** Of those: inside a disk call; while a log was opened; and that mattered, as history.ts defines it. */
  crashesInCalls: number;
  crashesInOpenings: number;
  crashesThatMattered: number;
  recordsLostWithPower: number;
  diskErrors: number;
  syncsWithoutDescriptor: number;
  timesOffline: number;
  comparisons: number;
  recordsCompared: number;
  readsInTheMiddle: number;
}

export function noTotals(): Totals {
  return {
    histories: 0,
    operations: 0,
    batches: 0,
    records: 0,
    rolls: 0,
    flushes: 0,
    compactions: 0,
    compactionsThatRemoved: 0,
    recordsRemoved: 0,
    tombstonesRemoved: 0,
    retentionsThatDeleted: 0,
    segmentsDeleted: 0,
    deletionsOfRecords: 0,
    truncations: 0,
    cleanRestarts: 0,
    processCrashes: 0,
    powerLosses: 0,
    workerDeaths: 0,
    crashesInCalls: 0,
    crashesInOpenings: 0,
    crashesThatMattered: 0,
    recordsLostWithPower: 0,
    diskErrors: 0,
    syncsWithoutDescriptor: 0,
    timesOffline: 0,
    comparisons: 0,
    recordsCompared: 0,
    readsInTheMiddle: 0,
  };
}

export function addTotals(sum: Totals, more: Totals): void {
  for (const name of Object.keys(sum) as (keyof Totals)[]) sum[name] += more[name];
}

/** One line: `histories 150, operations 9,000, …`. */
export function describeTotals(totals: Totals): string {
  return Object.entries(totals)
    .map(([name, count]) => `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${count}`)
    .join(', ');
}

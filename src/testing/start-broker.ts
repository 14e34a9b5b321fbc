import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/log.js';
import { Broker } from '../broker/broker.js';
import { parseBrokerConfig } from '../config/broker-config.js';
import { brokerOptions } from '../config/broker-options.js';

export interface StartBrokerOptions {
  /** Where the data lie. Default: a temporary folder of its own, removed by `close`. */
  readonly dataDirectory?: string;
  /**
   * Broker settings by name, as on the command line: `{ 'num.partitions': 3 }`. One default is not the broker's own:
   * `group.initial.rebalance.delay.ms` is 0, so that the first consumer of a group does not wait 3 seconds for others.
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Threads for partitions. Default: as for any broker. */
  readonly workers?: number;
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger;
}

/** A broker that runs in this process, with real threads and real sockets on free ports of 127.0.0.1. */
export interface TestBroker extends AsyncDisposable {
  /** `HOST:PORT` of the native protocol, for `new Client({ brokers: [broker.native] })`. */
  readonly native: string;
  /** `HOST:PORT` of Kafka's protocol, for any Kafka client. */
  readonly kafka: string;
  /** `HOST:PORT` of the health checks. */
  readonly http: string;
  readonly dataDirectory: string;
  /** Partition workers that run, by index; they start when partitions are first used. */
  readonly partitionWorkers: readonly number[];
  /** Resolves, with the reason, if the broker fails. */
  readonly died: Promise<Error>;
  /** Ends a partition worker's thread as a crash would. */
  killPartitionWorker(index: number): Promise<void>;
  /** Stops cleanly and leaves no handle open. May be called more than once. */
  close(): Promise<void>;
}

/**
 * Starts a whole broker in the calling process.
 *
 * @example
 * ```ts
 * await using broker = await startBroker();
 * const client = new Client({ brokers: [broker.native] });
 * ```
 * @throws {OdradekError} ODR_CONFIG for invalid settings, ODR_START if the broker cannot start.
 */
export async function startBroker(options: StartBrokerOptions = {}): Promise<TestBroker> {
  const temporary = options.dataDirectory === undefined;
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'odradek-')));
  const removeData = async () => {
    if (temporary) await rm(dataDirectory, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const broker = await start(dataDirectory, options);
    const { native, kafka, http } = broker.addresses;
    if (native === undefined || kafka === undefined || http === undefined) {
      await broker.close();
      throw new OdradekError('ODR_USAGE', 'The doors of a test broker are always open.');
    }
    const close = async () => {
      await broker.close();
      await removeData();
    };
    return {
      native,
      kafka,
      http,
      dataDirectory,
      died: broker.died,
      get partitionWorkers() {
        return broker.partitionWorkers;
      },
      killPartitionWorker: (index) => broker.killPartitionWorker(index),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

function start(
  dataDirectory: string,
  { config = {}, workers, logger = silentLogger }: StartBrokerOptions,
): Promise<Broker> {
  const parsed = parseBrokerConfig([
    ['odradek.native.listen', '127.0.0.1:0'],
    ['odradek.kafka.listen', '127.0.0.1:0'],
    ['odradek.http.listen', '127.0.0.1:0'],
    ['group.initial.rebalance.delay.ms', '0'],
    ...(workers === undefined ? [] : ([['odradek.workers', String(workers)]] as const)),
    ...Object.entries(config).map(([name, value]) => [name, String(value)] as const),
  ]);
  if ('failures' in parsed) {
    throw new OdradekError('ODR_CONFIG', parsed.failures.map(({ message }) => message).join(' '));
  }
  return Broker.start({ ...brokerOptions(parsed.config), dataDirectories: [dataDirectory] }, logger);
}

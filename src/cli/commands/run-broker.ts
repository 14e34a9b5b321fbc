import { isatty } from 'node:tty';
import type { Worker } from 'node:worker_threads';
import { OdradekError } from '../../base/errors.js';
import { Broker } from '../../broker/broker.js';
import { isLoopback, parseAddress } from '../../config/address.js';
import type { BrokerConfig } from '../../config/broker-config.js';
import { brokerOptions } from '../../config/broker-options.js';
import { EXIT_CODE } from './exit-code.js';
import { createLogger, type ProcessLogger } from './logger.js';
import { reportFailure } from './report-failure.js';

const STDOUT = 1;

/**
 * Runs a broker until a signal stops it or it dies; returns the exit code. `supervisor` is a thread for the supervisor that was
 * started already.
 */
export async function runBroker(config: BrokerConfig, supervisor?: Worker): Promise<number> {
  const terminal = isatty(STDOUT);
  const { logLevel: level, logFormat } = config;
  const format = logFormat !== 'auto' ? logFormat : terminal ? 'pretty' : 'json';
  const logger = await createLogger({ level, format, color: terminal });
  const flush = () => logger.flushSync();
  process.on('exit', flush);
  // The second signal does not wait for anything, not even for a reader of the log.
  const stopped = stopSignal(() => process.off('exit', flush));
  try {
    const broker = await Broker.start(brokerOptions(config), logger, supervisor);
    announce(broker.addresses, logger);
    const end = await Promise.race([stopped, broker.died]);
    if (end instanceof Error) {
      const advice = 'The log says more. What was acknowledged is in the files: start the broker again.';
      throw new OdradekError('ODR_CLOSED', `The broker died: ${end.message}\n${advice}`, { cause: end });
    }
    logger.info('broker is stopping', { signal: end });
    await broker.close();
    logger.info('broker stopped');
    await logger.flush();
    return EXIT_CODE.clean;
  } catch (error) {
    process.exitCode = EXIT_CODE.failed;
    await logger.flush();
    reportFailure(error);
    return EXIT_CODE.failed;
  }
}

/** Completes at the first signal to stop; the second one ends the process at once. */
function stopSignal(beforeSecond: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let signalled = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (signalled) {
        beforeSecond();
        process.exit(EXIT_CODE.failed);
      }
      signalled = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

type Addresses = Broker['addresses'];

function announce(addresses: Addresses, logger: ProcessLogger): void {
  for (const [door, address] of Object.entries(addresses)) {
    const host = parseAddress(address)?.host;
    if (host === undefined || isLoopback(host)) continue;
    const message = `the ${door} door listens on ${address}, which other machines may reach, without encryption and authentication`;
    logger.warn(message, { [door]: address });
  }
  logger.info('broker ready', { ...addresses });
}

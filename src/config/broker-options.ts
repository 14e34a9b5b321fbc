import type { BrokerConfig } from './broker-config.js';

type Place = 'dataDirectories' | 'nativeListen' | 'kafkaListen' | 'httpListen' | 'advertise';

/**
 * What a broker is started with: where it keeps its data, where its doors listen (`HOST:PORT`, null: closed) and what
 * address it tells its clients (null: the one that they have reached), and everything else in `config`.
 */
export interface BrokerOptions extends Pick<BrokerConfig, Place> {
  readonly config: BrokerConfig;
}

/** The options that a configuration asks for. */
export function brokerOptions(config: BrokerConfig): BrokerOptions {
  const { dataDirectories, nativeListen, kafkaListen, httpListen, advertise } = config;
  return { dataDirectories, nativeListen, kafkaListen, httpListen, advertise, config };
}

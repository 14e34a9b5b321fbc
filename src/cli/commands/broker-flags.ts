import { BROKER_PROPERTIES } from '../../config/broker-properties.js';
import type { Property } from '../../config/property.js';

/** An option of `odradek broker` that stands for a setting. */
export interface BrokerFlag {
  /** As commander takes it. */
  readonly flags: string;
  /** The name under which commander stores it. */
  readonly option: string;
  readonly environment: string;
  readonly setting: Property;
  readonly description: string;
  /** May be given several times; the variable separates by commas. */
  readonly repeatable?: boolean;
}

export const BROKER_FLAGS: readonly BrokerFlag[] = [
  {
    flags: '--data-dir <folder>',
    option: 'dataDir',
    environment: 'ODRADEK_DATA_DIR',
    setting: BROKER_PROPERTIES.dataDirectories,
    description: 'where the data lies; may be repeated, one for each disk, the first holds the metadata',
    repeatable: true,
  },
  {
    flags: '--native-listen <host:port>',
    option: 'nativeListen',
    environment: 'ODRADEK_NATIVE_LISTEN',
    setting: BROKER_PROPERTIES.nativeListen,
    description: 'door for the native protocol; port 0 picks one, "off" closes it',
  },
  {
    flags: '--kafka-listen <host:port>',
    option: 'kafkaListen',
    environment: 'ODRADEK_KAFKA_LISTEN',
    setting: BROKER_PROPERTIES.kafkaListen,
    description: 'door for clients of Kafka',
  },
  {
    flags: '--http-listen <host:port>',
    option: 'httpListen',
    environment: 'ODRADEK_HTTP_LISTEN',
    setting: BROKER_PROPERTIES.httpListen,
    description: 'door for health checks and metrics',
  },
  {
    flags: '--advertise <host:port>',
    option: 'advertise',
    environment: 'ODRADEK_ADVERTISE',
    setting: BROKER_PROPERTIES.advertise,
    description: 'the address that clients are told; needed behind a mapped port or a tunnel',
  },
  {
    flags: '--node-id <id>',
    option: 'nodeId',
    environment: 'ODRADEK_NODE_ID',
    setting: BROKER_PROPERTIES.nodeId,
    description: 'id of this broker',
  },
  {
    flags: '--workers <count>',
    option: 'workers',
    environment: 'ODRADEK_WORKERS',
    setting: BROKER_PROPERTIES.workers,
    description: 'threads for partitions; 0: one per core, at most 4',
  },
  {
    flags: '--log-level <level>',
    option: 'logLevel',
    environment: 'ODRADEK_LOG_LEVEL',
    setting: BROKER_PROPERTIES.logLevel,
    description: 'debug, info, warn or error',
  },
  {
    flags: '--log-format <format>',
    option: 'logFormat',
    environment: 'ODRADEK_LOG_FORMAT',
    setting: BROKER_PROPERTIES.logFormat,
    description: 'pretty or json; auto: pretty on a terminal',
  },
];

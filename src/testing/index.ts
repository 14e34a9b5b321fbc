export type { StartBrokerOptions, TestBroker } from './start-broker.js';
export { startBroker } from './start-broker.js';

// DescribeCluster: brokers and controller (KIP-700).
//
// v1 kind of endpoint (KIP-919); v2 fenced brokers (KIP-1073).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int8, int32, string } from '../schema.js';
import { errorCode, NO_OPERATIONS } from './common.js';

export const describeCluster = new Api({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: boolean('Whether to list what the client may do to the cluster.'),
    endpointType: int8('1 brokers, 2 controllers.', { versions: '1+', default: 1 }),
    includeFencedBrokers: boolean('Whether to list brokers that are not in service too.', {
      versions: '2+',
      default: false,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    errorCode,
    errorMessage: string('What is wrong, or null.', { nullable: true, default: null }),
    endpointType: int8('As in the request.', { versions: '1+', default: 1 }),
    clusterId: string('Id of the cluster.'),
    controllerId: int32('Broker to send administrative requests to, or -1.', { default: -1 }),
    brokers: array('Brokers.', {
      brokerId: int32('Id of the broker.'),
      host: string('Host that clients reach it at.'),
      port: int32('Port that clients reach it at.'),
      rack: string('Its rack, or null.', { nullable: true, default: null }),
      isFenced: boolean('Whether it is not in service.', { versions: '2+', default: false }),
    }),
    clusterAuthorizedOperations: int32('Bits of what the client may do to the cluster.', {
      default: NO_OPERATIONS,
    }),
  },
});

export type DescribeClusterRequest = Decoded<typeof describeCluster.request>;
export type DescribeClusterResponse = Encodable<typeof describeCluster.response>;

// Metadata: brokers, topics, and who leads which partition.
//
// v1 null asks for all topics, an empty array for none (in v0 an empty array asks for all); v4 automatic creation; v7 leader
// epochs; v8 authorized operations (KIP-430); v9 flexible; v10 topic ids (KIP-516); v12 topics by id with a null name;
// v13 an error of its own (KIP-1102).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int16, int32, list, string, topicId, ZERO_UUID } from '../schema.js';
import { errorCode, NO_OPERATIONS } from './common.js';

export const metadata = new Api({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    topics: array(
      'Topics to describe; null for all.',
      {
        topicId: topicId('Id of the topic, or zero.', { versions: '10+', default: ZERO_UUID }),
        name: string('Name of the topic; null if the id says it.', { nullable: '10+' }),
      },
      { nullable: '1+' },
    ),
    allowAutoTopicCreation: boolean('Whether a topic that does not exist may be created.', {
      versions: '4+',
      default: true,
    }),
    includeClusterAuthorizedOperations: boolean('Whether to list what the client may do to the cluster.', {
      versions: '8-10',
      default: false,
    }),
    includeTopicAuthorizedOperations: boolean('Whether to list what the client may do to each topic.', {
      versions: '8+',
      default: false,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '3+', default: 0 }),
    brokers: array('Brokers that are alive.', {
      nodeId: int32('Id of the broker.'),
      host: string('Host that clients reach it at.'),
      port: int32('Port that clients reach it at.'),
      rack: string('Its rack, or null.', { versions: '1+', nullable: '1+', default: null }),
    }),
    clusterId: string('Id of the cluster, or null.', { versions: '2+', nullable: '2+', default: null }),
    controllerId: int32('Broker to send administrative requests to, or -1.', { versions: '1+', default: -1 }),
    topics: array('Topics.', {
      errorCode,
      name: string('Name of the topic; null if an unknown id was asked for.', { nullable: '12+' }),
      topicId: topicId('Id of the topic, or zero.', { versions: '10+' }),
      isInternal: boolean('Whether it is a topic of the broker itself.', { versions: '1+', default: false }),
      partitions: array('Partitions.', {
        errorCode,
        partitionIndex: int32('Index of the partition.'),
        leaderId: int32('Id of the leader, or -1.'),
        leaderEpoch: int32('Epoch of the leader, or -1.', { versions: '7+', default: -1 }),
        replicaNodes: list(int32('Ids of the brokers that hold it.')),
        isrNodes: list(int32('Ids of those that are in sync.')),
        offlineReplicas: list(int32('Ids of those that are offline.'), { versions: '5+', default: [] }),
      }),
      topicAuthorizedOperations: int32('Bits of what the client may do to the topic.', {
        versions: '8+',
        default: NO_OPERATIONS,
      }),
    }),
    clusterAuthorizedOperations: int32('Bits of what the client may do to the cluster.', {
      versions: '8-10',
      default: NO_OPERATIONS,
    }),
    errorCode: int16('Error of the request as a whole.', { versions: '13+', default: 0 }),
  },
});

export type MetadataRequest = Decoded<typeof metadata.request>;
export type MetadataResponse = Encodable<typeof metadata.response>;

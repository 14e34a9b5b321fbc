import { startBroker } from 'odradek/testing';
import { expect, it } from 'vitest';
import { describeCluster } from '../../../src/protocol/kafka/messages/60-describe-cluster.js';
import { KafkaConnection } from './kafka-connection.js';
import { versionsOf } from './kafka-scene.js';

it('DescribeCluster names the broker, which is its own controller, in every version', async () => {
  await using broker = await startBroker({ workers: 1, config: { 'node.id': 5 } });
  const connection = await KafkaConnection.open(broker.kafka);
  expect(versionsOf(describeCluster)).toEqual([0, 1, 2]);
  for (const version of versionsOf(describeCluster)) {
    const ask = (endpointType: number) =>
      connection.ask(describeCluster, version, { includeClusterAuthorizedOperations: true, endpointType });
    const answer = await ask(1);
    const port = Number(broker.kafka.split(':')[1]);
    expect(answer, `v${version}`).toEqual({
      ...{ throttleTimeMs: 0, errorCode: 0, errorMessage: null, endpointType: 1, controllerId: 5 },
      clusterId: answer.clusterId,
      brokers: [{ brokerId: 5, host: '127.0.0.1', port, rack: null, isFenced: false }],
      clusterAuthorizedOperations: -2147483648,
    });
    expect(answer.clusterId).toMatch(/^[\w-]{22}$/);
    if (version === 0) continue;
    for (const endpointType of [0, 2, -128, 127]) {
      expect(await ask(endpointType)).toMatchObject({ errorCode: 42, endpointType, brokers: [] });
    }
  }
  await connection.close();
});

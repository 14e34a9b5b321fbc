// DescribeCluster: the broker, which is its own controller.
import { ERRORS } from '../../base/errors.js';
import { describeCluster } from '../../protocol/kafka/messages/60-describe-cluster.js';
import { serveAtOnce } from './context.js';

const BROKERS = 1;

export const serveDescribeCluster = serveAtOnce(describeCluster, ({ router, connection, body }, answer) => {
  const { brokerId, clusterId } = router.options;
  const { host, port } = router.addressFor('kafka', connection.localAddress);
  if (body.endpointType !== BROKERS) {
    answer.reply({
      errorCode: ERRORS.INVALID_REQUEST.code,
      errorMessage: 'This endpoint is that of a broker; controllers have none of their own.',
      endpointType: body.endpointType,
      clusterId,
      brokers: [],
    });
    return;
  }
  answer.reply({ errorCode: 0, clusterId, controllerId: brokerId, brokers: [{ brokerId, host, port }] });
});

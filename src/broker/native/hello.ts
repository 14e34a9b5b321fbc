import {
  type HelloRequest,
  PROTOCOL_VERSION,
  SUBSCRIPTIONS_FEATURE,
} from '../../protocol/native/messages.js';
import { SOFTWARE } from '../version.js';
import type { RequestContext } from './context.js';

/** Agrees on a version; false if there is none, then the connection ends. */
export function handleHello(context: RequestContext, request: HelloRequest): boolean {
  const { options } = context.router;
  if (request.versionMin > PROTOCOL_VERSION || request.versionMax < PROTOCOL_VERSION) {
    const asked = `${request.versionMin} to ${request.versionMax}`;
    context.fail({
      error: 'UNSUPPORTED_VERSION',
      detail: `This broker speaks version ${PROTOCOL_VERSION} of the protocol, the client ${asked}.`,
    });
    return false;
  }
  options.logger.debug('client connected', {
    client: context.connection.remoteAddress,
    software: request.clientSoftware.slice(0, 100),
    clientId: request.clientId.slice(0, 100),
  });
  context.reply({
    type: 'hello',
    version: PROTOCOL_VERSION,
    clusterId: options.clusterId,
    brokerId: options.brokerId,
    brokerSoftware: SOFTWARE,
    features: [SUBSCRIPTIONS_FEATURE],
    frameBytesMax: context.connection.frameBytesMax,
    requestsMax: options.config.requestsMax,
  });
  return true;
}

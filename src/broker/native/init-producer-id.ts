import type { InitProducerIdRequest } from '../../protocol/native/messages.js';
import type { RequestContext } from './context.js';

export function handleInitProducerId(context: RequestContext, { current }: InitProducerIdRequest): void {
  context.router.initProducerId(current, (result) => {
    if ('error' in result) context.fail(result);
    else context.reply({ type: 'initProducerId', producer: result });
  });
}

import { present } from '../../base/assert.js';
import type { Logger } from '../../base/log.js';
import { parseAddress } from '../../config/address.js';
import { HttpDoor } from './http-door.js';
import { type BrokerState, pagesOf } from './pages.js';

/** Opens the HTTP door at `HOST:PORT`; its pages tell of the broker as it is when they are asked for. */
export function openHttpDoor(address: string, state: BrokerState, logger: Logger): Promise<HttpDoor> {
  return HttpDoor.start(present(parseAddress(address), 'the address of the HTTP door'), {
    pages: pagesOf(state),
    clock: state.clock,
    logger,
  });
}

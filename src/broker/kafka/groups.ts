// What the APIs of groups share.
import { ERRORS } from '../../base/errors.js';
import type { GroupClient } from '../../coordinator/group/group-messages.js';
import type { Connection } from '../connection.js';

/** Groups that one request names. */
export const GROUPS_MAX = 10_000;
/** How many the coordinator is asked for at a time, of a request that names many. */
export const GROUPS_AT_A_TIME = 100;
/** A request waits for others, and the broker stops or needs the room: the client looks for the coordinator and comes again. */
export const ENDED_WAIT = ERRORS.NOT_COORDINATOR.code;
export const NO_BYTES = Buffer.alloc(0);

/** Who asks, as DescribeGroups shows it. */
export function clientOf(connection: Connection, clientId: string | null): GroupClient {
  const { remoteAddress } = connection;
  const host = remoteAddress.slice(0, remoteAddress.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return { clientId: clientId ?? '', clientHost: host };
}

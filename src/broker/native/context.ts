import type { Failure } from '../../base/errors.js';
import type { Piece } from '../../base/piece.js';
import type { ResponseBody } from '../../protocol/native/messages.js';
import type { Connection } from '../connection.js';
import type { Router } from '../router.js';

/** What the handler of one request works with. */
export interface RequestContext {
  readonly router: Router;
  readonly connection: Connection;
  /**
   * Answers. `release` is called once, when the payload's bytes are no longer needed. An answer that comes too late
   * (after the deadline, a disconnect) is only released.
   */
  reply(body: ResponseBody, payload?: readonly Piece[], release?: () => void): void;
  fail(failure: Failure): void;
  /** What ends the request's wait with what there is, and what forgets it because the peer is gone. */
  onCancel(cancel: () => void, abandon: () => void): void;
}

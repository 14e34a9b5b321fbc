import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../src/base/errors.js';
import { coordinate, copyOf } from '../../src/broker/coordinate.js';
import type { GroupReply } from '../../src/coordinator/group/group-messages.js';
import { groupScene } from './kafka/group-scene.js';

describe('coordinate', () => {
  const { router, asked } = groupScene();

  function answerTo(reply: GroupReply) {
    const answers: unknown[] = [];
    coordinate(router, { type: 'delete', groupId: 'a-group' }, (answer) => answers.push(answer));
    const [command] = asked.splice(0);
    expect(command?.command).toEqual({ type: 'delete', groupId: 'a-group' });
    expect(answers).toEqual([]);
    command?.reply(reply);
    expect(answers).toHaveLength(1);
    return answers[0];
  }

  it('passes commands and answers on', () => {
    expect(answerTo({ type: 'deleted', error: 'NON_EMPTY_GROUP' })).toEqual({
      type: 'deleted',
      error: 'NON_EMPTY_GROUP',
    });
  });

  it('says what stands in the way as clients expect it of a coordinator', () => {
    const error = (reason: ErrorName) => {
      const refused = answerTo({ type: 'refused', error: reason });
      return refused instanceof Object && 'error' in refused ? refused.error : refused;
    };
    expect(error('COORDINATOR_LOAD_IN_PROGRESS')).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    expect(error('NOT_COORDINATOR')).toBe('NOT_COORDINATOR');
    expect(error('INVALID_REQUEST')).toBe('INVALID_REQUEST');
    expect(error('REQUEST_TIMED_OUT')).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(error('THROTTLING_QUOTA_EXCEEDED')).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(error('KAFKA_STORAGE_ERROR')).toBe('NOT_COORDINATOR');
    expect(error('NOT_LEADER_OR_FOLLOWER')).toBe('NOT_COORDINATOR');
    expect(error('RECORD_LIST_TOO_LARGE')).toBe('UNKNOWN_SERVER_ERROR');
  });

  it('takes no answer to another command for one', () => {
    expect(() => answerTo({ type: 'heartbeat', error: 'NONE' })).toThrow(
      'a delete is not answered with heartbeat',
    );
  });
});

describe('copyOf', () => {
  it('takes nothing along of what lies around, whatever memory it is', () => {
    const around = Buffer.from(new SharedArrayBuffer(100)).fill(7);
    const copy = copyOf(around.subarray(10, 13));
    around.fill(0);
    expect([...copy]).toEqual([7, 7, 7]);
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
    expect(copy.buffer.byteLength).toBe(3);
  });
});

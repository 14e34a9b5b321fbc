import { describe, expect, it } from 'vitest';
import { limitLines } from '../../src/base/limited-logger.js';
import type { LogFields, Logger } from '../../src/base/log.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

function scene() {
  const lines: Line[] = [];
  const clock = new SimulatedClock();
  const at = (level: string) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, fields });
  };
  const target: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, clock, logger: limitLines(target, clock) };
}

const LEFT_OUT = 'log lines were left out: too many in a minute';

describe('limitLines', () => {
  it('passes lines on as they are', () => {
    const { lines, logger } = scene();
    logger.info('topic created', { topic: 'a', partitions: 3 });
    logger.warn('hm');
    logger.error('no');
    expect(lines).toEqual([
      { level: 'info', message: 'topic created', fields: { topic: 'a', partitions: 3 } },
      { level: 'warn', message: 'hm', fields: undefined },
      { level: 'error', message: 'no', fields: undefined },
    ]);
  });

  it('writes a few lines of one cause, then how many were left out, then again', () => {
    const { lines, clock, logger } = scene();
    const fail = (offset: number) => logger.error('cannot be read', { file: '/a', offset });
    for (let i = 0; i < 1000; i++) fail(i);
    expect(lines).toHaveLength(5);
    clock.advance(60_000);
    expect(lines).toHaveLength(6);
    expect(lines[5]).toEqual({
      level: 'warn',
      message: LEFT_OUT,
      fields: { of: 'cannot be read', lines: 995 },
    });
    fail(1000);
    expect(lines).toHaveLength(7);
    clock.advance(600_000);
    expect(lines).toHaveLength(7);
  });

  it('tells causes apart: partition, file, reason, host of the client, not its port', () => {
    const { lines, logger } = scene();
    const repeat = (fields: LogFields) => {
      for (let i = 0; i < 10; i++) logger.warn('trouble', { ...fields, position: i });
    };
    repeat({ topic: 'a', partition: 0 });
    repeat({ topic: 'a', partition: 1 });
    repeat({ topic: 'b', partition: 0 });
    repeat({ reason: 'x' });
    expect(lines).toHaveLength(20);
    for (let port = 1; port <= 10; port++) logger.warn('closed', { client: `10.0.0.1:${port}`, reason: 'x' });
    expect(lines).toHaveLength(25);
    logger.warn('closed', { client: '10.0.0.2:1', reason: 'x' });
    expect(lines).toHaveLength(26);
  });

  it('bounds what clients that make up causes can have written', () => {
    const { lines, clock, logger } = scene();
    for (let i = 0; i < 10_000; i++)
      logger.warn('closed', { client: `10.0.0.1:${i}`, reason: `frame of ${i}` });
    expect(lines).toHaveLength(50);
    clock.advance(60_000);
    expect(lines.at(-1)?.fields).toEqual({ of: 'closed', lines: 9950 });
  });

  it('bounds all lines of a message, and leaves other messages alone', () => {
    const { lines, logger } = scene();
    for (let i = 0; i < 10_000; i++) logger.info('topic created', { topic: `t${i}` });
    expect(lines).toHaveLength(500);
    logger.error('partition worker died', { worker: 0, reason: 'x' });
    expect(lines).toHaveLength(501);
  });

  it('keeps no more causes and messages than it may, and still writes what is new', () => {
    const { lines, logger } = scene();
    for (let message = 0; message < 20; message++) {
      for (let i = 0; i < 500; i++) logger.info(`message ${message}`, { topic: `t${i}` });
    }
    expect(lines).toHaveLength(10_000);
    for (let message = 0; message < 5000; message++) logger.info(`another ${message}`);
    expect(lines.length).toBeLessThanOrEqual(10_000 + 1000);
  });

  it('leaves debug lines alone', () => {
    const { lines, logger } = scene();
    for (let i = 0; i < 100; i++) logger.debug('x');
    expect(lines).toHaveLength(100);
  });
});

import { OdradekError } from '../../base/errors.js';
import { UsageError } from './usage-error.js';

/** Says on stderr what went wrong and what to do about it. */
export function reportFailure(error: unknown): void {
  process.stderr.write(`odradek: ${describeFailure(error)}\n`);
}

/** The error in words: its message, its causes, and advice where there is some; a stack only for what should not happen. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const chain = causesOf(error);
  const expected =
    error instanceof UsageError ||
    error instanceof OdradekError ||
    chain.some((cause) => codeOf(cause) in ADVICE);
  if (!expected) return error.stack ?? error.message;
  const messages: string[] = [];
  for (const { message } of chain) {
    if (!messages.some((said) => said.includes(message))) messages.push(message);
  }
  const advice = chain.map((cause) => ADVICE[codeOf(cause)]).find((text) => text !== undefined);
  return messages.join('\n  because: ') + (advice === undefined ? '' : `\n${advice}`);
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'Another process listens at that address. Stop it, or choose another with --native-listen or --http-listen (port 0 picks a free one, off closes the door).',
  EADDRNOTAVAIL:
    'This machine has no such address. Listen on 127.0.0.1, or on 0.0.0.0 for all its addresses.',
  EACCES:
    'This user lacks the permission for it. Ports below 1024 need privileges; a data folder must be writable.',
  EPERM: 'This user lacks the permission for it.',
  EROFS: 'The file system is read-only. Choose another folder with --data-dir.',
  ENOSPC: 'The disk is full. Make room, or choose another folder with --data-dir.',
  EMFILE: 'The process has too many open files. Raise the limit (ulimit -n).',
  ENOENT: 'There is no such file.',
  EISDIR: 'A file is expected there, not a folder.',
  ECONNREFUSED: 'Start a broker with "odradek broker", or say where one is with --brokers.',
  ENOTFOUND: 'The name of the host is not known.',
};

const CAUSES_MAX = 8;

function causesOf(error: Error): Error[] {
  const chain: Error[] = [];
  let next: unknown = error;
  while (next instanceof Error && chain.length < CAUSES_MAX) {
    chain.push(next);
    next = next.cause;
  }
  return chain;
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : '';
}

/** The command line, a variable or the configuration file is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Exit codes of every command. */
export const EXIT_CODE = {
  clean: 0,
  /** It failed to start, died, or a part of what was asked for did not work. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
} as const;

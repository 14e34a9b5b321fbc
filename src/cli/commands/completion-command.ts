import { Argument, type Command } from 'commander';
import { SHELLS, type Shell } from './shells.js';

const HELP = `
The script completes commands, options and their values, and names of topics and groups, which it asks the broker for
(ODRADEK_BROKERS, or the default address).

Examples:
  odradek completion bash > ~/.local/share/bash-completion/completions/odradek
  odradek completion zsh > "\${fpath[1]}/_odradek"
  odradek completion fish > ~/.config/fish/completions/odradek.fish
`;

/** `odradek completion`. `wholeProgram` makes the program with all commands and their options. */
export function defineCompletion(command: Command, wholeProgram: () => Promise<Command>): void {
  command
    .addArgument(new Argument('<shell>', 'which shell it is for').choices(SHELLS))
    .allowExcessArguments(false)
    .addHelpText('after', HELP)
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion-script.js');
      process.stdout.write(completionScript(await wholeProgram(), shell));
    });
}

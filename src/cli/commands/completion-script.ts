// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the shells expand these.
// Scripts that complete command lines of odradek in a shell. Each walks over the words before the cursor, to find out which
// command they name (`at`) and how many arguments it has already (`count`), and then offers what may follow there.
import type { Command } from 'commander';
import { type Candidates, type CompletedCommand, completionTree } from './completion-tree.js';
import type { Shell } from './shells.js';

/** The script for a program with all its commands. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = completionTree(program);
  const lines = SCRIPTS[shell](program.name(), commands);
  return `${lines.join('\n')}\n`;
}

const SCRIPTS: Readonly<Record<Shell, (name: string, commands: readonly CompletedCommand[]) => string[]>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** In single quotes, as bash and zsh read it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const pathOf = ({ path }: CompletedCommand): string => path.join(' ');
const NAMES_OF = { topics: 'topic', groups: 'group' } as const;

/** `path|--option` of each option that takes a value. */
function valueOptions(commands: readonly CompletedCommand[]): string[] {
  return commands.flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      value ? names.map((name) => `${pathOf(command)}|${name}`) : [],
    ),
  );
}

/** `path|subcommand` of each subcommand, with its own path. */
function transitions(commands: readonly CompletedCommand[]): string[] {
  return commands.flatMap((command) => command.subcommands.map(({ name }) => `${pathOf(command)}|${name}`));
}

/** The loop over the words before the cursor, as bash and zsh understand it. */
function walk(commands: readonly CompletedCommand[], header: string): string[] {
  return [
    "  local at='' count=0 skip=0 word",
    `  ${header}`,
    '    if ((skip)); then skip=0; continue; fi',
    '    case "$at|$word" in',
    `      ${valueOptions(commands).map(quoted).join('|')}) skip=1 ;;`,
    "      *'|-'*) ;;",
    `      ${transitions(commands).map(quoted).join('|')}) at="\${at:+$at }$word" ;;`,
    '      *) count=$((count + 1)) ;;',
    '    esac',
    '  done',
  ];
}

/** One case of each place where something may stand: its patterns, and what may stand there. */
function places(commands: readonly CompletedCommand[]): { patterns: string[]; candidates: Candidates }[] {
  return commands.flatMap((command) =>
    command.arguments.map((candidates, index) => ({
      patterns: [`${pathOf(command)}|${index}`],
      candidates,
    })),
  );
}

function values(commands: readonly CompletedCommand[]): { patterns: string[]; candidates: Candidates }[] {
  return commands.flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      value ? [{ patterns: names.map((name) => `${pathOf(command)}|${name}`), candidates: value }] : [],
    ),
  );
}

// ------------------------------------------------------------------------------------------------------------- bash

function bashScript(name: string, commands: readonly CompletedCommand[]): string[] {
  const offer = (candidates: Candidates): string => {
    switch (candidates.kind) {
      case 'words': {
        const noSpace = candidates.words.some((word) => word.endsWith('=')) ? 'compopt -o nospace; ' : '';
        return `${noSpace}COMPREPLY=($(compgen -W ${quoted(candidates.words.join(' '))} -- "$current"))`;
      }
      case 'files':
        return 'compopt -o default; COMPREPLY=()';
      case 'anything':
        return 'COMPREPLY=()';
      default:
        return `COMPREPLY=($(compgen -W "$(${name} ${NAMES_OF[candidates.kind]} list 2>/dev/null | cut -f1)" -- "$current"))`;
    }
  };
  const cases = (list: { patterns: string[]; candidates: Candidates }[]) =>
    list.map(
      ({ patterns, candidates }) => `    ${patterns.map(quoted).join('|')}) ${offer(candidates)}; return ;;`,
    );
  const words = (list: readonly string[]) => `words=${quoted(list.join(' '))}`;
  return [
    `# bash completion for ${name}`,
    `_${name}() {`,
    '  local current="${COMP_WORDS[COMP_CWORD]}" words=\'\'',
    ...walk(commands, 'for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'),
    '  COMPREPLY=()',
    '  case "$at|${COMP_WORDS[COMP_CWORD-1]}" in',
    ...cases(values(commands)),
    '  esac',
    '  if [[ $current == -* ]]; then',
    '    case "$at" in',
    ...commands.map(
      (command) =>
        `      ${quoted(pathOf(command))}) ${words(command.options.flatMap(({ names }) => names))} ;;`,
    ),
    '    esac',
    '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '    return',
    '  fi',
    '  case "$at|$count" in',
    ...cases(places(commands)),
    ...commands
      .filter(({ subcommands }) => subcommands.length > 0)
      .map(
        (command) =>
          `    ${quoted(`${pathOf(command)}|0`)}) ${words(command.subcommands.map((sub) => sub.name))} ;;`,
      ),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    `complete -F _${name} ${name}`,
  ];
}

// -------------------------------------------------------------------------------------------------------------- zsh

/** `word:description`, for _describe. */
const described = (word: string, description: string): string =>
  quoted(`${word.replaceAll(':', '\\:')}:${description}`);

function zshScript(name: string, commands: readonly CompletedCommand[]): string[] {
  const offer = (candidates: Candidates): string => {
    switch (candidates.kind) {
      case 'words': {
        const noSpace = candidates.words.some((word) => word.endsWith('=')) ? "-S '' " : '';
        return `compadd ${noSpace}-- ${candidates.words.map(quoted).join(' ')}`;
      }
      case 'files':
        return '_files';
      case 'anything':
        return '_message value';
      default:
        return `compadd -- \${(f)"$(${name} ${NAMES_OF[candidates.kind]} list 2>/dev/null | cut -f1)"}`;
    }
  };
  const cases = (list: { patterns: string[]; candidates: Candidates }[]) =>
    list.map(
      ({ patterns, candidates }) => `    ${patterns.map(quoted).join('|')}) ${offer(candidates)}; return ;;`,
    );
  return [
    `#compdef ${name}`,
    `_${name}() {`,
    '  local -a offered',
    ...walk(commands, 'for word in "${(@)words[2,CURRENT-1]}"; do'),
    '  case "$at|${words[CURRENT-1]}" in',
    ...cases(values(commands)),
    '  esac',
    '  if [[ ${words[CURRENT]} == -* ]]; then',
    '    case "$at" in',
    ...commands.map((command) => {
      const options = command.options.flatMap(({ names, description }) =>
        names.map((option) => described(option, description)),
      );
      return `      ${quoted(pathOf(command))}) offered=(${options.join(' ')}) ;;`;
    }),
    '    esac',
    '    _describe option offered',
    '    return',
    '  fi',
    '  case "$at|$count" in',
    ...cases(places(commands)),
    ...commands
      .filter(({ subcommands }) => subcommands.length > 0)
      .map((command) => {
        const subcommands = command.subcommands.map((sub) => described(sub.name, sub.description));
        return `    ${quoted(`${pathOf(command)}|0`)}) offered=(${subcommands.join(' ')}) ;;`;
      }),
    '  esac',
    '  _describe command offered',
    '}',
    // Sourced, or loaded by its name from a folder of fpath.
    `if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${name} "$@"; else compdef _${name} ${name}; fi`,
  ];
}

// ------------------------------------------------------------------------------------------------------------- fish

/** In single quotes, as fish reads it. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fishScript(name: string, commands: readonly CompletedCommand[]): string[] {
  const place = `__${name}_place`;
  const offer = (candidates: Candidates): string => {
    switch (candidates.kind) {
      case 'words':
        return `-x -a ${fishQuoted(candidates.words.join(' '))}`;
      case 'files':
        return '-r -F';
      case 'anything':
        return '-x';
      default:
        return `-x -a ${fishQuoted(`(${name} ${NAMES_OF[candidates.kind]} list 2>/dev/null | cut -f1)`)}`;
    }
  };
  const at = (command: CompletedCommand, count = '*') =>
    `-n ${fishQuoted(`string match -q -- ${fishQuoted(`${pathOf(command)}|${count}`)} (${place})`)}`;
  const completions = commands.flatMap((command) => [
    ...command.subcommands.map(
      ({ name: sub, description }) =>
        `complete -c ${name} ${at(command, '0')} -f -a ${fishQuoted(sub)} -d ${fishQuoted(description)}`,
    ),
    ...command.arguments.map(
      (candidates, index) => `complete -c ${name} ${at(command, String(index))} ${offer(candidates)}`,
    ),
    ...command.options.map(({ names, description, value }) => {
      const flags = names.map((option) =>
        option.startsWith('--') ? `-l ${option.slice(2)}` : `-s ${option.slice(1)}`,
      );
      const rest = value ? ` ${offer(value)}` : '';
      return `complete -c ${name} ${at(command)} ${flags.join(' ')} -d ${fishQuoted(description)}${rest}`;
    }),
  ]);
  return [
    `# fish completion for ${name}`,
    `function ${place}`,
    "  set -l at ''",
    '  set -l count 0',
    '  set -l skip 0',
    '  for word in (commandline -opc)[2..-1]',
    '    if test $skip = 1',
    '      set skip 0',
    '      continue',
    '    end',
    '    switch "$at|$word"',
    `      case ${valueOptions(commands).map(fishQuoted).join(' ')}`,
    '        set skip 1',
    "      case '*|-*'",
    `      case ${transitions(commands).map(fishQuoted).join(' ')}`,
    '        set at (string trim -- "$at $word")',
    "      case '*'",
    '        set count (math $count + 1)',
    '    end',
    '  end',
    '  echo "$at|$count"',
    'end',
    `complete -c ${name} -f`,
    ...completions,
  ];
}

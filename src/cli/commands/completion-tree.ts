// What a shell has to know to complete a command line, taken from the program: each command with its path, its options and
// arguments, and what may stand for their values.
import type { Argument, Command, Option } from 'commander';
import { TOPIC_PROPERTIES } from '../../config/topic-properties.js';

/** What may stand somewhere: some words, names that the broker knows, files, or anything. */
export type Candidates =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'topics' | 'groups' | 'files' | 'anything' };

export interface CompletedOption {
  /** `--json`, `-h`: the long name first. */
  readonly names: readonly string[];
  readonly description: string;
  /** null: it takes no value. */
  readonly value: Candidates | null;
}

export interface CompletedCommand {
  /** Its names from the program's on, which is left out: [] is the program. */
  readonly path: readonly string[];
  readonly description: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  /** By position; a variadic one stands for all that follow. */
  readonly arguments: readonly Candidates[];
}

/** The program and all commands below it, each before its subcommands. */
export function completionTree(program: Command): CompletedCommand[] {
  return visit(program, []);
}

function visit(command: Command, path: readonly string[]): CompletedCommand[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command).map((sub) => ({
    name: sub.name(),
    description: sub.description(),
  }));
  const own: CompletedCommand = {
    path,
    description: command.description(),
    subcommands,
    options: help.visibleOptions(command).map((option) => completedOption(option, path)),
    arguments: command.registeredArguments.map(ofArgument),
  };
  return [own, ...command.commands.flatMap((sub) => visit(sub, [...path, sub.name()]))];
}

function completedOption(option: Option, path: readonly string[]): CompletedOption {
  const { long, short, description } = option;
  const names = [long, short].filter((name) => name !== undefined && name !== null);
  return { names, description, value: option.required || option.optional ? ofOption(option, path) : null };
}

const SETTING_NAMES: readonly string[] = Object.values(TOPIC_PROPERTIES).map(({ name }) => name);
/** Values that stand for settings of a topic. */
const SETTING_OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['topic create --config', SETTING_NAMES.map((name) => `${name}=`)],
  ['topic alter --set', SETTING_NAMES.map((name) => `${name}=`)],
  ['topic alter --delete', SETTING_NAMES],
]);

function ofOption({ argChoices, long, flags }: Option, path: readonly string[]): Candidates {
  const settings = SETTING_OPTIONS.get([...path, long].join(' '));
  if (settings) return { kind: 'words', words: settings };
  if (argChoices) return { kind: 'words', words: argChoices };
  const placeholder = /[<[]([^>\]]*)[>\]]/.exec(flags)?.[1] ?? '';
  return ofName(placeholder);
}

function ofArgument(argument: Argument): Candidates {
  return argument.argChoices ? { kind: 'words', words: argument.argChoices } : ofName(argument.name());
}

function ofName(name: string): Candidates {
  if (name === 'file' || name === 'folder') return { kind: 'files' };
  if (name === 'topic' || name.startsWith('topic[')) return { kind: 'topics' };
  if (name === 'group') return { kind: 'groups' };
  return { kind: 'anything' };
}

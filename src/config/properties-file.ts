export interface PropertyLine {
  readonly name: string;
  readonly value: string;
  /** From 1 on. */
  readonly line: number;
}

export type ParsedProperties =
  | { readonly lines: readonly PropertyLine[] }
  | { readonly problems: readonly [string, ...string[]] };

/**
 * Parses a configuration file: `name=value` lines; empty lines and those that begin with `#` or `!` do not count. Blanks
 * around name and value do not either. Unlike in Java's properties there are no escapes and no continued lines; a name that
 * occurs twice is a problem.
 */
export function parseProperties(text: string): ParsedProperties {
  const lines = new Map<string, PropertyLine>();
  const problems: string[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith('!')) continue;
    const equals = content.indexOf('=');
    const name = content.slice(0, equals).trim();
    const first = lines.get(name);
    if (equals < 0 || name === '') {
      problems.push(`line ${line}: ${JSON.stringify(content.slice(0, 100))} is not of the form name=value.`);
    } else if (content.endsWith('\\')) {
      problems.push(`line ${line}: a backslash at the end of a line does not continue it here.`);
    } else if (first !== undefined) {
      problems.push(`line ${line}: ${name} is set already in line ${first.line}.`);
    } else {
      lines.set(name, { name, value: content.slice(equals + 1).trim(), line });
    }
  }
  const [problem, ...rest] = problems;
  return problem === undefined ? { lines: [...lines.values()] } : { problems: [problem, ...rest] };
}

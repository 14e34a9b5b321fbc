// The text of a generated function: lines with indentation, names that are used once, constants that come from outside.

export class SourceWriter {
  readonly #lines: string[] = [];
  readonly #constants: unknown[] = [];
  #depth = 1;
  #names = 0;

  /** Adds lines. A line that ends with `{` indents what follows, one that begins with `}` ends that. */
  add(...lines: string[]): void {
    for (const line of lines) {
      if (line.startsWith('}')) this.#depth--;
      this.#lines.push('  '.repeat(this.#depth) + line);
      if (line.endsWith('{')) this.#depth++;
    }
  }

  /** A name that nothing else has; `word` makes the text readable. */
  name(word: string): string {
    return `${word}${this.#names++}`;
  }

  /** The name of a constant with this value. */
  constant(value: unknown): string {
    const index = this.#constants.indexOf(value);
    return `k${index === -1 ? this.#constants.push(value) - 1 : index}`;
  }

  text(name: string, parameters: string): string {
    const constants = this.#constants.map((_, index) => `const k${index} = k[${index}];`);
    return [
      '"use strict";',
      ...constants,
      `return function ${name}(${parameters}) {`,
      ...this.#lines,
      '};',
    ].join('\n');
  }

  /** The function; it finds `context` under the name `t`. */
  build(name: string, parameters: string, context: object): unknown {
    // Field names are checked when a table is made and all else comes from the two compilers: no foreign text gets here.
    return new Function('t', 'k', this.text(name, parameters))(context, this.#constants);
  }
}

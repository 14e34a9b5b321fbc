// Text of generated functions: lines with indentation, names that are used once, constants that come from outside.

export class SourceWriter {
  readonly #lines: string[] = [];
  readonly constants: unknown[] = [];
  #depth = 1;
  #names = 0;

  /** Adds lines. A line that ends with `{` indents what follows, one that begins with `}` ends that. */
  add(...lines: string[]): void {
    for (const line of lines) {
      if (line.startsWith('}')) this.#depth--;
      this.#lines.push('  '.repeat(this.#depth) + line);
      if (line.endsWith('{') || line.endsWith(':')) this.#depth++;
      if (line === 'break;') this.#depth--;
    }
  }

  /** A name that nothing else has; `word` makes the text readable. */
  name(word: string): string {
    return `${word}${this.#names++}`;
  }

  /** The name of a constant with this value. */
  constant(value: unknown): string {
    const index = this.constants.indexOf(value);
    return `k${index === -1 ? this.constants.push(value) - 1 : index}`;
  }

  /** The function, given the object that it works with (`t`) and the names of its parameters. */
  build(name: string, parameters: string): (context: object) => unknown {
    const hoisted = this.constants.map((_, index) => `const k${index} = k[${index}];`);
    const source = [
      '"use strict";',
      ...hoisted,
      `return function ${name}(${parameters}) {`,
      ...this.#lines,
      '};',
    ].join('\n');
    // Names of fields are checked when a table is made, all else is written by the two compilers: no foreign text gets here.
    const make = new Function('t', 'k', source);
    return (context) => make(context, this.constants);
  }
}

/** Narrower than this a column of prose is no pleasure to read. */
const PROSE_WIDTH_MIN = 30;
const GAP = 2;

/**
 * Breaks the text of the last column between words, so that a table with two spaces between its columns fits into a terminal of
 * `width` characters; the lines that follow have empty cells before it. A column is 30 wide at least.
 */
export function wrapLastColumn(rows: readonly (readonly string[])[], width: number): string[][] {
  const columns = rows[0]?.length ?? 0;
  let before = 0;
  for (let column = 0; column < columns - 1; column++) {
    before += GAP + rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0);
  }
  const room = Math.max(PROSE_WIDTH_MIN, width - before);
  return rows.flatMap((row) => {
    const [first = '', ...more] = linesOf(row.at(-1) ?? '', room);
    const rest = more.map((line) => [...row.slice(0, -1).map(() => ''), line]);
    return [[...row.slice(0, -1), first], ...rest];
  });
}

function linesOf(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= room || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

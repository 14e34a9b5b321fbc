const BOLD = '\u001b[1m';
const PLAIN = '\u001b[0m';

export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: 'left' | 'right';
}

/** Names of groups and clients may hold anything: what would steer a terminal, or break a row, is written as JSON writes it. */
const visible = (cell: string): string =>
  cell.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Rows in columns of equal width under their titles, which are bold if `color`. Control characters in cells are escaped. */
export function renderTable(
  columns: readonly Column[],
  texts: readonly (readonly string[])[],
  color: boolean,
): string {
  const rows = texts.map((row) => row.map(visible));
  const widths = columns.map(({ title }, index) =>
    rows.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), title.length),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? '';
        const width = widths[index] ?? 0;
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const titles = line(columns.map(({ title }) => title));
  return [color ? `${BOLD}${titles}${PLAIN}` : titles, ...rows.map(line)].map((text) => `${text}\n`).join('');
}

/** Rows with tabs between the cells and no titles, for pipes. Control characters in cells are escaped. */
export function renderRows(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(visible).join('\t')}\n`).join('');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: 1536 as `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

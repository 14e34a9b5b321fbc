/** What `/metrics` of a broker says of a metric, all its series together; 0 if it has none. */
export async function scrape(httpPort: number, name: string): Promise<number> {
  const series = await seriesOf(httpPort, name);
  return series.reduce((sum, { value }) => sum + value, 0);
}

/** The same by the value of a label. */
export async function scrapeByLabel(
  httpPort: number,
  name: string,
  label: string,
): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const { labels, value } of await seriesOf(httpPort, name)) {
    const [, key] = new RegExp(`[{,]${label}="([^"]*)"`).exec(labels) ?? [];
    if (key !== undefined) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

/** Its series, with their labels as they stand there. */
async function seriesOf(httpPort: number, name: string): Promise<{ labels: string; value: number }[]> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  if (!answer.ok) throw new Error(`/metrics answers with ${answer.status}.`);
  const lines = (await answer.text()).split('\n');
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => {
      const end = line.lastIndexOf(' ');
      return { labels: line.slice(name.length, end), value: Number(line.slice(end)) };
    });
}

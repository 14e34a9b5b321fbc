/** What `/metrics` of a broker says of a metric, all its series together; 0 if it has none. */
export async function scrape(httpPort: number, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  if (!answer.ok) throw new Error(`/metrics answers with ${answer.status}.`);
  let sum = 0;
  for (const line of (await answer.text()).split('\n')) {
    if (line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      sum += Number(line.slice(line.lastIndexOf(' ')));
  }
  return sum;
}

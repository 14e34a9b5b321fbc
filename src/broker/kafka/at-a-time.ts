/**
 * Does `work` for each item, for so many at a time, in order; `done` is called once, when each has called its `ended`. May
 * call at once.
 */
export function atATime<Item>(
  items: readonly Item[],
  count: number,
  work: (item: Item, index: number, ended: () => void) => void,
  done: () => void,
): void {
  let index = 0;
  let running = 0;
  let isStarting = false;
  const ended = () => {
    running--;
    start();
  };
  const start = () => {
    if (isStarting) return; // Work that ends at once goes on in the loop, not one inside the other.
    isStarting = true;
    for (let item = items[index]; item !== undefined && running < count; item = items[index]) {
      running++;
      work(item, index++, ended);
    }
    isStarting = false;
    if (running === 0 && index === items.length) done();
  };
  start();
}

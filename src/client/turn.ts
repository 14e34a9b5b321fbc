/** Resolves in a later turn of the event loop, when sockets and timers that were due have been served. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

// Loaded before the broker by a row that measures what its threads keep (`node --expose-gc --require`): on SIGUSR2 each of them
// collects its garbage. Only the main thread hears the signal. It is CommonJS, so that a start remains what it is.
{
  const channel = new BroadcastChannel('collect-garbage');
  const collect = (): void => {
    const { gc } = globalThis;
    gc?.();
  };
  channel.onmessage = collect;
  channel.unref();
  process.on('SIGUSR2', () => {
    channel.postMessage(null);
    collect();
  });
}

/** How long computing may hold the thread before timers, input and abort signals get a turn, in milliseconds. */
const SLICE = 12;

/**
 * Lets the event loop run once every few milliseconds: a synchronous backend would otherwise never let an abort signal through.
 * @returns a function to await between steps
 */
export function turns(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < SLICE) return;
    await new Promise<void>((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.addEventListener('message', () => resolve(port1.close()), { once: true });
      port1.start();
      port2.postMessage(0);
    });
    last = performance.now();
  };
}

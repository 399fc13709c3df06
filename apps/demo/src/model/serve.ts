import { failureFrom } from './failure.js';
import type { FromWorker, RequestName, Requests, ToWorker } from './protocol.js';

/** What a request's handler gets besides its argument. */
export interface Call<N extends RequestName> {
  report(report: Requests[N]['report']): void;
  signal: AbortSignal;
}

/** One handler for each request. */
export type Handlers = {
  [N in RequestName]: (ask: Requests[N]['ask'], call: Call<N>) => Promise<Requests[N]['answer']>;
};

/** Answers requests as they come; several may be under way at once. */
export function serve(handlers: Handlers): void {
  const running = new Map<number, AbortController>();
  const post = (message: FromWorker, transfer: Transferable[] = []) => globalThis.postMessage(message, { transfer });

  async function handle<N extends RequestName>(id: number, name: N, ask: Requests[N]['ask']): Promise<void> {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const call = { report: (report: Requests[N]['report']) => post({ id, report }), signal: controller.signal };
      const answer = await (handlers[name] as Handlers[N])(ask, call);
      post({ id, answer }, answer instanceof Uint8Array ? [answer.buffer] : []);
    } catch (error) {
      post({ id, failure: failureFrom(error) });
    } finally {
      running.delete(id);
    }
  }

  globalThis.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
    if ('cancel' in data) running.get(data.id)?.abort();
    else void handle(data.id, data.name, data.ask);
  });
}

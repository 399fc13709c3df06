import { Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';

// In the page itself …
const output = document.querySelector('#page');
const model = await Mamba2.load(storyteller);
for await (const { text } of model.generate('Once upon a time', { seed: 1, maxTokens: 24 })) output.append(text);
output.dataset.done = 'yes';

// … and in a worker of the app's own.
const fromWorker = document.querySelector('#worker');
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }) => {
  if (data.text) fromWorker.append(data.text);
  else fromWorker.dataset.done = 'yes';
});

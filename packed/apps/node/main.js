import { Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';

const model = await Mamba2.load(storyteller);
for await (const { text } of model.generate('Once upon a time', { seed: 1, maxTokens: 24 })) process.stdout.write(text);
model.dispose();

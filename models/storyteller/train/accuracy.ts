/**
 * What storing the weights in fewer bits costs: bits per byte of both validation texts (the last 10% of each, see data.py) on the WebAssembly
 * backend, and the logits' relative L2 error ‖z − z₆₄‖ / ‖z₆₄‖ over the first 1024 tokens of each against the weights as stored in float64: fed
 * at once, as prompts are, and one by one, as text is written (in 8 and 4 bits the products with one row round x, too).
 *
 *     tsx --conditions=@mamba2/source models/storyteller/train/accuracy.ts FOLDER_WITH_THE_TWO_TEXTS [dtype …]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mamba2, type LoadDtype, loadDtypes } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';

const [folder, ...given] = process.argv.slice(2);
if (folder === undefined) throw new Error('give the folder that holds tinyshakespeare.txt and fairy-tales.txt');
const dtypes = (given.length > 0 ? given : ['f32', 'f16', 'q8', 'q4']) as LoadDtype[];
for (const dtype of dtypes) if (!loadDtypes.includes(dtype)) throw new Error(`no dtype ${dtype}`);

/** The last 10% of a text's bytes. */
function validation(file: string): string {
  const bytes = readFileSync(join(folder!, file));
  return bytes.subarray(Math.floor((bytes.length * 9) / 10)).toString('utf8');
}

const texts = { Shakespeare: validation('tinyshakespeare.txt'), 'fairy tales': validation('fairy-tales.txt') };

const beginning = (model: Mamba2, text: string) => model.encode(text).slice(0, 1024);

async function logits(model: Mamba2, text: string): Promise<ArrayLike<number>> {
  return (await model.forward(beginning(model, text))).data;
}

async function logitsOfSteps(model: Mamba2, text: string): Promise<ArrayLike<number>> {
  const state = model.newState();
  const all: number[] = [];
  for (const id of beginning(model, text)) {
    for (const logit of (await model.forward([id], { state })).data) all.push(logit);
  }
  state.dispose();
  return all;
}

function relativeL2(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [error, norm] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += (got[i]! - want[i]!) ** 2;
    norm += want[i]! ** 2;
  }
  return Math.sqrt(error / norm);
}

const exact = await Mamba2.load(storyteller, { backend: 'reference' });
const truth = new Map<string, ArrayLike<number>>();
for (const [name, text] of Object.entries(texts)) truth.set(name, await logits(exact, text));
exact.dispose();

for (const dtype of dtypes) {
  const model = await Mamba2.load(storyteller, { backend: 'wasm', dtype });
  for (const [name, text] of Object.entries(texts)) {
    const error = relativeL2(await logits(model, text), truth.get(name)!);
    const ofSteps = relativeL2(await logitsOfSteps(model, text), truth.get(name)!);
    const { bitsPerByte, tokens } = await model.score(text);
    const columns = [dtype, name, `${tokens.length} tokens`, `${bitsPerByte.toFixed(4)} bits per byte`];
    console.log(
      [...columns, `logits off by ${error.toExponential(2)}, ${ofSteps.toExponential(2)} one by one`].join('\t'),
    );
  }
  model.dispose();
}

import { Mamba2 } from '@mamba2/model';
import { readFileSync } from 'node:fs';
const m = await Mamba2.load('/tmp/st', { backend: 'wasm' });
console.log(JSON.stringify(m.backend.describe()).slice(0,300));
for (let k=0;k<2;k++){
const t1=performance.now(); let n=0; let text='';
for await (const p of m.generate('Once upon a time', {seed: 3+k, maxTokens: 200, temperature: 0.8})) { text+=p.text; n++; }
console.log(text, n/((performance.now()-t1)/1000), 'tok/s');
}
const t2=performance.now();
const s = await m.score(readFileSync('/tmp/st/val.txt','utf8'));
console.log(s.bitsPerByte, s.tokens.length, s.tokens.length/((performance.now()-t2)/1000), 'tok/s');
m.dispose();
process.exit(0);

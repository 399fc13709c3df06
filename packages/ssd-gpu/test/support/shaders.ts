import { readFileSync } from 'node:fs';
import { shadersModule, target } from '../../scripts/shaders.js';

/** Tests run what `shaders.generated.ts` holds: none starts while that is not what lies in `src/wgsl`. */
export function setup(): void {
  if (readFileSync(target, 'utf8') !== shadersModule())
    throw new Error(
      'src/wgsl has changed since src/shaders.generated.ts was made from it; to mend it: npm run shaders',
    );
}

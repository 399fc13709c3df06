import { findBrowser } from '../browser/browser.js';
import { prepareDrivers } from '../gpu/drivers.js';

/** What `npm test` could not run on this machine, said at its end, where it is seen. Fails where `REQUIRE_GPU=1` wants everything run. */
const { missing } = await prepareDrivers();
const lines = missing.map((line) => `WebGPU tests on ${line}`);
await findBrowser().catch((error: unknown) => {
  lines.push(`tests in a browser: ${error instanceof Error ? error.message : String(error)}`);
});
for (const line of lines) console.error(`not run here: ${line}`);
if (lines.length > 0 && process.env['REQUIRE_GPU'] === '1') process.exitCode = 1;

import { prepareDrivers } from './drivers.js';

/** Prints the environment that makes the software drivers known: `eval "$(tsx tools/gpu/main.ts)"`. */
const { drivers, missing } = await prepareDrivers();
for (const line of missing) console.error(line);
if (drivers.length === 0) process.exitCode = 1;
for (const name of ['LD_LIBRARY_PATH', 'VK_ICD_FILENAMES']) console.log(`export ${name}='${process.env[name] ?? ''}'`);

import { prepareDrivers } from './drivers.js';

/**
 * Prints the environment that makes the software drivers known, or the one that is named:
 * `eval "$(tsx tools/gpu/main.ts)"`, `eval "$(tsx tools/gpu/main.ts lavapipe)"`.
 */
const [, , name] = process.argv;
const { drivers, missing } = await prepareDrivers();
for (const line of missing) console.error(line);
const wanted = name === undefined ? drivers : drivers.filter((driver) => driver.name === name);
if (wanted.length === 0) process.exitCode = 1;
if (name !== undefined) process.env['VK_ICD_FILENAMES'] = wanted.map(({ icd }) => icd).join(':');
for (const key of ['LD_LIBRARY_PATH', 'VK_ICD_FILENAMES']) console.log(`export ${key}='${process.env[key] ?? ''}'`);

import { findBrowser } from './browser.js';

/** Prints the path of the browser that tests run in, after fetching it if need be. */
console.log((await findBrowser()).executablePath);

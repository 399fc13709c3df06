import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('peers', import.meta.url));

/** Fetches the libraries that benchmarks compare with, unless they are there; their versions. */
export function peers(): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const missing = Object.keys(dependencies).filter((name) => !existsSync(`${folder}/node_modules/${name}`));
  if (missing.length > 0) {
    console.error(`fetching ${missing.join(', ')} from npm, about 40 MB`);
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefix', folder], { stdio: 'inherit' });
  }
  return dependencies;
}

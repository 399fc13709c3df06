import { spawnSync } from 'node:child_process';
import { katex } from '@mdit/plugin-katex';

const packages = ['core', 'scan', 'tokenizer', 'ssd-cpu', 'ssd-gpu', 'model'];

const validation = {
  notExported: true,
  invalidLink: true,
  rewrittenLink: true,
  notDocumented: true,
  unusedMergeModuleWith: true,
};

// Whatever is exported, and every property of it: shapes and units, where names don't say them.
const requiredToBeDocumented = [
  'Class',
  'Enum',
  'Function',
  'Interface',
  'Method',
  'Accessor',
  'TypeAlias',
  'Variable',
  'Property',
];

// Sources are linked on the forge that this is a clone of; a copy without one has none to link to.
const cloned = spawnSync('git', ['remote', 'get-url', 'origin']).status === 0;

/** @type {import('typedoc').TypeDocOptions} */
const options = {
  name: 'mamba2',
  entryPointStrategy: 'packages',
  entryPoints: packages.map((name) => `../packages/${name}`),
  packageOptions: {
    entryPoints: ['src/index.ts'],
    readme: 'README.md',
    validation,
    requiredToBeDocumented,
    excludeInternal: true,
    disableSources: !cloned,
  },
  requiredToBeDocumented,
  packagesRequiringDocumentation: packages.map((name) => `@mamba2/${name}`),
  excludeInternal: true,
  disableSources: !cloned,
  out: 'dist',
  readme: 'start.md',
  projectDocuments: ['../docs/*.md'],
  plugin: [],
  markdownItLoader(parser) {
    parser.use(katex, { output: 'mathml', delimiters: 'dollars', mathFence: true, throwOnError: true });
  },
  validation,
  treatWarningsAsErrors: true,
};
export default options;

// Makes a component of a JavaScript module: `node componentize.mjs SOURCE WIT WORLD OUTPUT`.
//
// Without the engine's features it imports nothing but the contract: no console, clock, randomness or network.

import { writeFile } from 'node:fs/promises';

import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName,
  disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
});
await writeFile(output, component);

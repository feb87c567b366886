/**
 * Writes the generated files of src/engine/wide: each is the file of the same name in `narrow/` under a
 * header, and imports `./unit.ts`, which there is written over bigint. `npm run wide` refreshes them;
 * a test compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const generated = [
  'ascent.ts',
  'best-fit.ts',
  'bins.ts',
  'check.ts',
  'earliest.ts',
  'fit.ts',
  'guided-tree.ts',
  'joining.ts',
  'loading.ts',
  'nodes.ts',
  'random-fit.ts',
  'run.ts',
  'saving.ts',
  'search.ts',
  'segments.ts',
  'tree.ts',
  'unit-space.ts',
  'windowed.ts',
];

/** The text that a generated file must have. */
export function expected(name: string): string {
  const source = readFileSync(new URL(`../../src/engine/narrow/${name}`, import.meta.url), 'utf8');
  return `// Generated from ../narrow/${name} by \`npm run wide\`. Do not edit.\n${source}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of generated)
    writeFileSync(new URL(`../../src/engine/wide/${name}`, import.meta.url), expected(name));
}

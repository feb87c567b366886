import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expected, generated } from './generate-wide.ts';

test.each(generated)('src/engine/wide/%s is what `npm run wide` writes', (name) => {
  const file = new URL(`../../src/engine/wide/${name}`, import.meta.url);
  expect(readFileSync(file, 'utf8'), 'run `npm run wide`').toBe(expected(name));
});

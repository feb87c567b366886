/** Lines for spreadsheets: nothing in them is a formula, and an import reads what was written. */
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvEntries } from '../../src/cli/csv-entries.ts';
import { guarded, sheetLine, unguarded } from '../../src/cli/csv-line.ts';

const dangerous = ['=', '+', '-', '@', '\t', '\r', '\n', '\0'];
/** Texts as labels and owners are, but more often such as need a guard. */
const text = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({ unit: fc.constantFrom("'", '"', ',', ' ', 'a', 'ü', ...dangerous), minLength: 1 }),
);

async function read(lines: string): Promise<unknown[]> {
  const options = { netbox: false, arena: 'a', arenaOf: undefined, owner: 'owner' } as const;
  const chunks = (async function* () {
    yield Buffer.from(lines);
  })();
  const rows: unknown[] = [];
  for await (const row of csvEntries(chunks, { ...options, labels: undefined })) rows.push(row);
  return rows;
}

test('what is written for a spreadsheet is read back, and none of it is a formula', async () => {
  await fc.assert(
    fc.asyncProperty(text, text, async (owner, note) => {
      const head = sheetLine(['address', 'owner', 'externalId', 'note']);
      const line = sheetLine(['7', owner, undefined, note]);
      const [cells] = parse(line, { record_delimiter: '\n' }) as string[][];
      expect(cells).toHaveLength(4);
      for (const cell of cells!) expect(dangerous).not.toContain(cell[0]);
      const [row] = await read(head + line);
      expect(row).toMatchObject({ kind: 'entry', owner, labels: { note } });
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['=1+1', "'=1+1"],
  ["'=1+1", "''=1+1"],
  ["'", "'"],
  ["o'neill", "o'neill"],
  ["'quoted'", "'quoted'"],
  ['1-1', '1-1'],
  ['', ''],
])('%j is written as %j', (plain, written) => {
  expect(guarded(plain)).toBe(written);
  expect(unguarded(written)).toBe(plain);
});

/**
 * `vmemd import` into a service that is killed in the middle of it: afterwards every row is there as
 * the file has it, or not at all, and the same import again completes it, with nothing there twice.
 *
 *   VMEMD_SEED   replays when it is killed, counted in changes
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import type { Allocation } from '../../src/http/wire/allocation.ts';
import { run } from '../cli/shell.ts';
import { Random } from '../model/random.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';
import { incoherences, readState } from './state.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
/** Rows without an external id go in lots of so many, those with one alone. */
const lotRows = 200;
const plainRows = 6 * lotRows;
const namedRows = 150;

interface Row {
  readonly arena: string;
  readonly address: string;
  readonly size: string;
  readonly owner: string;
  readonly externalId?: string;
  readonly labels: { readonly note: string };
}

let folder: string;
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmemd-import-'));
});
afterEach(async () => {
  if (server?.running === true) await server.kill();
  await rm(folder, { recursive: true, force: true });
});

test(`every row is there or not, and then once, seed ${seed}`, { timeout: 120_000 }, async () => {
  const rows = Array.from({ length: plainRows + namedRows }, (_, i) => rowOf(i));
  const path = join(folder, 'rows.csv');
  const lines = rows.map((row) =>
    [row.arena, row.address, row.size, row.owner, row.externalId ?? '', row.labels.note].join(),
  );
  await writeFile(path, ['arena,address,size,owner,externalId,note', ...lines, ''].join('\n'));
  const importing = (url: string) => run(['import', '--json', '--url', url, '--from', path]);
  const data = join(folder, 'data');

  server = await Server.start({ data });
  const client = new Client(server.url);
  for (const [name, size] of [
    ['plain', plainRows],
    ['named', namedRows],
  ] as const) {
    const spans = [{ base: 0, size: 4 * size }];
    expect(await client.ask('POST', '/v1/arenas', { name, spans })).toMatchObject({ status: 201 });
  }
  // Two arenas, then a change for each lot and each row: in the first part, or in the second.
  const random = new Random(seed, 'import');
  const killAt = random.chance(0.5) ? 3 + random.int(4) : 8 + random.int(namedRows - 50);
  const first = importing(server.url);
  while ((await revisionOf(client)) < killAt) await delay(1);
  await server.kill();
  client.close();

  server = await Server.start({ data });
  const there = await check(server.url, rows);
  expect(there.size).toBeGreaterThan(0);
  expect(there.size).toBeLessThan(rows.length);
  for (let lot = 0; lot < plainRows; lot += lotRows) {
    const placed = rows.slice(lot, lot + lotRows).filter((row) => there.has(row));
    expect([0, lotRows], `the lot of row ${lot}`).toContain(placed.length);
  }
  const second = await importing(server.url);
  expect(JSON.parse(second.output), second.errors).toMatchObject({
    ok: true,
    rows: rows.length,
    imported: rows.length - there.size,
    present: there.size,
    refused: 0,
  });
  expect((await check(server.url, rows)).size).toBe(rows.length);
  // The one that was broken off asks some times more before it gives up.
  expect(await first).toMatchObject({ code: exitCode.transferFailed });
});

function rowOf(index: number): Row {
  const named = index >= plainRows;
  const at = named ? index - plainRows : index;
  const about = { owner: `o${index % 7}`, labels: { note: `row ${index}` } };
  const place = { address: String(4 * at), size: String(1 + (index % 4)) };
  if (!named) return { arena: 'plain', ...place, ...about };
  return { arena: 'named', ...place, ...about, externalId: `id-${at}` };
}

async function revisionOf(client: Client): Promise<number> {
  return (JSON.parse(await client.get('/readyz')) as { revision: number }).revision;
}

/** The rows that are there. Throws where something is there that is none, or not as the row has it. */
async function check(url: string, rows: readonly Row[]): Promise<Set<Row>> {
  const client = new Client(url);
  const state = await readState(client);
  client.close();
  expect(incoherences(state)).toEqual([]);
  const byPlace = new Map(rows.map((row) => [`${row.arena} ${row.address}`, row]));
  const there = new Set<Row>();
  for (const { allocations } of state.arenas.values()) {
    for (const allocation of allocations) {
      const row = byPlace.get(keyOf(allocation));
      expect(allocation).toMatchObject(row ?? { row: 'of this allocation' });
      there.add(row!);
    }
  }
  return there;
}

function keyOf({ arena, address }: Allocation): string {
  return `${arena} ${address}`;
}

/**
 * `vmemd import`: allocates in a running service what the rows of a file say, row by row: a row that
 * is refused is told, and the others are done. What is there already, with the same owner and
 * labels, stays as it is, so that a file may be imported again and again.
 *
 * The file is read as a stream. Rows gather into lots, and a few lots are under way at a time.
 */
import { createReadStream, existsSync, realpathSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { InvalidSetting, type Flags } from '../config.ts';
import { exitCode } from '../exit-code.ts';
import { blockIn, requestOf, type Block } from './block.ts';
import { Client } from './client.ts';
import { csvEntries } from './csv-entries.ts';
import { pathOf } from './data-source.ts';
import { refusedRow, type Entry, type ReadRow, type RefusedRow } from './entry.ts';
import { choiceOf, creationOf, labelsOf, mapOf, nameOf, textOf } from './import-settings.ts';
import { Placing, type Settled } from './placing.ts';
import { Progress } from './progress.ts';
import { RefusedRows } from './refused-rows.ts';
import { Rehearsal } from './rehearsal.ts';
import { bytesOf } from './row-text.ts';
import { serviceOf, type Service } from './service.ts';
import { protocolArenas, servicesEntries } from './services-entries.ts';
import { Targets, type Creation } from './target.ts';
import { print, type Terminal } from './terminal.ts';
import { fileError, ToolError } from './tool-error.ts';

/** A batch of so many is decided in a millisecond, and is far from the largest that is taken. */
const lotRowsMax = 200;
const lotBytesMax = 1 << 20;
/** Lots under way: while one waits for the disk, the next are decided. */
const lotsMax = 4;

export const formats = ['csv', 'netbox', 'services'] as const;

/** All ports: what an arena of a protocol is made with. */
const ports: Creation = { notation: 'decimal', width: 32, spans: [{ base: 0n, size: 65_536n }] };

interface Settings {
  readonly service: Service;
  readonly path: string | undefined;
  readonly entries: (chunks: AsyncIterable<Buffer>) => AsyncIterable<ReadRow>;
  /** Where rows go unless they say otherwise. */
  readonly arena: string | undefined;
  readonly creation: Creation | undefined;
  readonly rehearsed: boolean;
  /** Whether rows may take what rests. */
  readonly reuse: boolean;
  readonly report: string | undefined;
}

/** How many rows came to what. */
interface Tally {
  rows: number;
  imported: number;
  present: number;
  skipped: number;
  refused: number;
}

/** Runs the tool. Rejects with InvalidSetting or ToolError. */
export async function importFile(flags: Flags, terminal: Terminal): Promise<void> {
  const settings = settingsOf(flags, terminal);
  const client = new Client(settings.service);
  const progress = new Progress(terminal.errors);
  const refused = await RefusedRows.open(settings.report, terminal.errors, progress);
  const tally: Tally = { rows: 0, imported: 0, present: 0, skipped: 0, refused: 0 };
  try {
    await new Import(settings, client, refused, tally).run(inputOf(settings, terminal, progress));
  } catch (error) {
    throw settings.path === undefined ? error : fileError(error, settings.path);
  } finally {
    progress.end();
    await refused.close();
    client.close();
  }
  await tell(tally, settings, flags['json'] === true, terminal);
}

function isSameFile(one: string, other: string): boolean {
  return existsSync(one) && existsSync(other) && realpathSync(one) === realpathSync(other);
}

function settingsOf(flags: Flags, { environment, input }: Terminal): Settings {
  const { from, arena, format, owner, label, map, report, reuse, 'dry-run': rehearsed } = flags;
  const path = from === undefined || from === '-' ? undefined : pathOf('from', from);
  if (from === undefined && input.isTTY === true) {
    throw new InvalidSetting('--from is missing: the file to import, or - to type it.');
  }
  const to = report === undefined ? undefined : pathOf('report', report);
  if (path !== undefined && to !== undefined && isSameFile(path, to)) {
    throw new InvalidSetting('--report must be another file than --from, which it would replace.');
  }
  const name = textOf('arena', arena);
  const chosen = choiceOf('format', format, formats);
  const shared = {
    service: serviceOf(flags, environment),
    path,
    arena: name === undefined ? undefined : nameOf('arena', name),
    rehearsed: rehearsed === true,
    reuse: reuse === true,
    report: to,
  };
  const arenaOf = mapOf(map);
  if (chosen === 'services') {
    for (const [flag, value] of Object.entries({ arena, owner, label })) {
      if (value !== undefined)
        throw new InvalidSetting(`--${flag} is not for services: see --map.`);
    }
    const options = { arenaOf: new Map([...protocolArenas, ...(arenaOf ?? [])]) };
    return {
      ...shared,
      creation: creationOf(flags, ports),
      entries: (chunks) => servicesEntries(chunks, options),
    };
  }
  const netbox = chosen === 'netbox';
  if (arenaOf !== undefined && !netbox) {
    throw new InvalidSetting('--map is for netbox, whose VRFs it maps, and services.');
  }
  const options = {
    netbox,
    arena: shared.arena,
    arenaOf,
    owner: textOf('owner', owner) ?? 'owner',
    labels: labelsOf(label),
  };
  return {
    ...shared,
    creation: creationOf(flags, undefined),
    entries: (chunks) => csvEntries(chunks, options),
  };
}

async function* inputOf(
  { path }: Settings,
  terminal: Terminal,
  progress: Progress,
): AsyncGenerator<Buffer> {
  const input: Readable = path === undefined ? terminal.input : createReadStream(path);
  const total = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size;
  let read = 0;
  yield* bytesOf(input, (bytes) => {
    read += bytes;
    progress.update('bytes read', read, total);
  });
}

class Import {
  readonly #settings: Settings;
  readonly #targets: Targets;
  readonly #placing: Placing | Rehearsal;
  readonly #refused: RefusedRows;
  readonly #tally: Tally;
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;
  #lot: Block[] = [];
  #lotBytes = 0;

  constructor(settings: Settings, client: Client, refused: RefusedRows, tally: Tally) {
    const { creation, rehearsed } = settings;
    this.#settings = settings;
    this.#targets = new Targets(client, creation, rehearsed);
    this.#placing = rehearsed ? new Rehearsal(client) : new Placing(client);
    this.#refused = refused;
    this.#tally = tally;
  }

  /** Rejects with ToolError where the file is not of its format, or the service is gone. */
  async run(chunks: AsyncIterable<Buffer>): Promise<void> {
    await this.#findArena();
    let broken: unknown;
    try {
      await this.#read(chunks);
    } catch (error) {
      broken = error;
    }
    // Also where the file is broken: what came before that is imported.
    await this.#send();
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined || broken !== undefined) throw this.#failure ?? broken;
  }

  async #read(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const row of this.#settings.entries(chunks)) {
      this.#tally.rows += 1;
      if (row.kind === 'skipped') this.#tally.skipped += 1;
      else if (row.kind === 'refused') await this.#refuse(row);
      else await this.#take(row);
      if (this.#failure !== undefined) return;
    }
  }

  /** The arena that was named has to be there: else every row would be refused, for one mistake. */
  async #findArena(): Promise<void> {
    const { arena } = this.#settings;
    if (arena === undefined || (await this.#targets.of(arena)) !== undefined) return;
    const message = `There is no arena ${arena}. ${remedy} Nothing was imported.`;
    throw new ToolError(exitCode.usage, message);
  }

  async #take(entry: Entry): Promise<void> {
    const target = await this.#targets.of(entry.arena);
    if (target === undefined) {
      await this.#refuse(refusedRow(entry, `there is no arena ${entry.arena}: ${remedy}`));
      return;
    }
    const block = blockIn(target, entry, this.#settings.reuse);
    if ('kind' in block) {
      await this.#refuse(block);
      return;
    }
    this.#lot.push(block);
    this.#lotBytes += JSON.stringify(requestOf(block)).length;
    if (this.#lot.length >= lotRowsMax || this.#lotBytes >= lotBytesMax) await this.#send();
  }

  /** Sends the lot that has gathered, when there is room for one more under way. */
  async #send(): Promise<void> {
    const lot = this.#lot;
    this.#lot = [];
    this.#lotBytes = 0;
    if (lot.length === 0 || this.#failure !== undefined) return;
    while (this.#underWay.size >= lotsMax) await Promise.race(this.#underWay);
    const sent = this.#settle(lot).catch((error: unknown) => {
      this.#failure ??= error;
    });
    this.#underWay.add(sent);
    void sent.then(() => this.#underWay.delete(sent));
  }

  async #settle(lot: readonly Block[]): Promise<void> {
    const settled = await this.#placing.place(lot);
    const inOrder = settled.toSorted((a, b) => a.block.row.line - b.block.row.line);
    for (const one of inOrder) await this.#count(one);
  }

  async #count(settled: Settled): Promise<void> {
    if (settled.is === 'refused') await this.#refuse(refusedRow(settled.block.row, settled.reason));
    else this.#tally[settled.is] += 1;
  }

  async #refuse(row: RefusedRow): Promise<void> {
    this.#tally.refused += 1;
    await this.#refused.add(row);
  }
}

const remedy = 'create it first, or give --create and --span.';

async function tell(
  tally: Tally,
  { rehearsed, report }: Settings,
  json: boolean,
  { output }: Terminal,
): Promise<void> {
  const { rows, imported, present, skipped, refused } = tally;
  const result = { ...(rehearsed && { dryRun: true }), ...tally };
  if (!json) {
    const verb = rehearsed ? 'would be imported' : 'imported';
    const text = `${rows} rows: ${imported} ${verb}, ${present} already there, ${skipped} skipped, ${refused} refused.\n`;
    await print(output, text);
  } else if (refused === 0) await print(output, `${JSON.stringify({ ok: true, ...result })}\n`);
  if (refused === 0) return;
  const where = report === undefined ? 'above' : `in ${report}`;
  const message = `${refused} of ${rows} rows were refused; each is named ${where}, with the reason.`;
  throw new ToolError(exitCode.rowsRefused, message, { report: result });
}

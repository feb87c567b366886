/**
 * `vmemd export`: writes the allocations of arenas of a running service as a file that `vmemd import`
 * takes. It is read page by page while others write: what is there all the time is in it.
 */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { InvalidSetting, type Flags } from '../config.ts';
import { exitCode } from '../exit-code.ts';
import type { Allocation } from '../http/wire/allocation.ts';
import { limits } from '../limits.ts';
import { problemOf, Client } from './client.ts';
import { csvWriter, keysIn } from './csv-export.ts';
import { pathOf } from './data-source.ts';
import { choiceOf, labelsOf, listOf, mapOf, nameOf, textOf } from './import-settings.ts';
import { makeFile } from './new-file.ts';
import { Progress } from './progress.ts';
import { serviceOf, type Service } from './service.ts';
import { servicesWriter } from './services-export.ts';
import { print, type Terminal } from './terminal.ts';
import { ToolError } from './tool-error.ts';

export const exportFormats = ['csv', 'netbox', 'netbox-addresses', 'services'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Text is written so many characters at a time. */
const writeCharacters = 65_536;

export interface ExportOptions {
  readonly format: ExportFormat;
  readonly arenas: readonly string[];
  readonly owner: string;
  /** Labels that become columns; all there are unless given. */
  readonly labels: ReadonlySet<string> | undefined;
  /** Words of the file by arena. */
  readonly wordOf: ReadonlyMap<string, string>;
}

/** What an allocation is in the file: a line, or why it can't be one. */
export type Written = { readonly line: string } | { readonly leftOut: string };

export interface Writer {
  readonly head: string;
  write(allocation: Allocation): Written;
}

/** Runs the tool. Rejects with InvalidSetting or ToolError. */
export async function exportFile(flags: Flags, terminal: Terminal): Promise<void> {
  const { to, force } = flags;
  if (to === undefined && force !== undefined) {
    throw new InvalidSetting('--force is for a file: give one with --to.');
  }
  const service = serviceOf(flags, terminal.environment);
  const options = optionsOf(flags);
  const path = to === undefined || to === '-' ? undefined : pathOf('to', to);
  const run = (output: Writable) => new Export(service, options, terminal).run(output);
  if (path === undefined) return run(terminal.output);
  let leftOut: unknown;
  await makeFile(path, force === true, async (partial) => {
    const file = createWriteStream(partial, { flags: 'wx', mode: 0o600 });
    // An error is met where it is waited for; without a listener it would end the process.
    file.on('error', () => undefined);
    try {
      await run(file);
    } catch (error) {
      // The file has all that it can have.
      if (!(error instanceof ToolError) || error.exitCode !== exitCode.rowsRefused) throw error;
      leftOut = error;
    }
    file.end();
    await finished(file);
  });
  if (leftOut !== undefined) throw leftOut;
}

function optionsOf(flags: Flags): ExportOptions {
  const format = choiceOf('format', flags['format'], exportFormats);
  const names = listOf('arena', flags['arena']);
  if (names === undefined) throw new InvalidSetting('--arena is missing: what to export.');
  const arenas = names.map((name) => nameOf('arena', name));
  if (arenas.length > 1 && format.startsWith('netbox')) {
    throw new InvalidSetting('--arena must be one with this format: NetBox knows no arenas.');
  }
  for (const name of ['owner', 'label'] as const) {
    if (format !== 'services' || flags[name] === undefined) continue;
    throw new InvalidSetting(`--${name} is not for services, whose lines have a name alone.`);
  }
  const map = mapOf(flags['map']);
  if (map !== undefined && format !== 'services') {
    throw new InvalidSetting('--map is for services: it names the protocol of an arena.');
  }
  return {
    format,
    arenas,
    owner: textOf('owner', flags['owner']) ?? 'owner',
    labels: labelsOf(flags['label']),
    wordOf: new Map([...(map ?? [])].map(([word, arena]) => [arena, word])),
  };
}

class Export {
  readonly #client: Client;
  readonly #options: ExportOptions;
  readonly #terminal: Terminal;
  readonly #progress: Progress;
  #leftOut = 0;

  constructor(service: Service, options: ExportOptions, terminal: Terminal) {
    this.#client = new Client(service);
    this.#options = options;
    this.#terminal = terminal;
    this.#progress = new Progress(terminal.errors);
  }

  async run(output: Writable): Promise<void> {
    try {
      const writer = await this.#writer();
      let text = writer.head;
      for await (const allocation of this.#allocations('written')) {
        const written = writer.write(allocation);
        if ('leftOut' in written) await this.#leaveOut(allocation, written.leftOut);
        else text += written.line;
        if (text.length < writeCharacters) continue;
        await print(output, text);
        text = '';
      }
      await print(output, text);
    } finally {
      this.#progress.end();
      this.#client.close();
    }
    if (this.#leftOut === 0) return;
    const message = `${this.#leftOut} allocations were left out; each is named above, with the reason.`;
    throw new ToolError(exitCode.rowsRefused, message);
  }

  /** The columns are those of all labels there are, so these have to be known first. */
  async #writer(): Promise<Writer> {
    if (this.#options.format === 'services') return servicesWriter(this.#options);
    const { labels } = this.#options;
    const keys = labels ?? (await keysIn(this.#allocations('looked at')));
    return csvWriter(this.#options, [...keys].toSorted());
  }

  async *#allocations(verb: string): AsyncGenerator<Allocation> {
    let count = 0;
    for (const arena of this.#options.arenas) {
      let cursor = '';
      do {
        const path = `v1/arenas/${arena}/allocations?limit=${limits.pageItemsMax}${cursor}`;
        const reply = await this.#client.send('GET', path);
        const problem = problemOf(reply);
        if (problem !== undefined) {
          throw new ToolError(exitCode.usage, `${arena} can't be exported: ${problem.detail}`);
        }
        const page = reply.body as { items: Allocation[]; nextCursor?: string };
        for (const allocation of page.items) {
          // Spans of other arenas are theirs: what they hold is in those.
          if (allocation.importedBy === undefined) yield allocation;
        }
        count += page.items.length;
        this.#progress.update(`allocations ${verb}`, count);
        cursor = page.nextCursor === undefined ? '' : `&cursor=${page.nextCursor}`;
      } while (cursor !== '');
    }
  }

  async #leaveOut({ arena, address }: Allocation, reason: string): Promise<void> {
    this.#leftOut += 1;
    this.#progress.end();
    await print(this.#terminal.errors, `${arena} ${address} is left out: ${reason}\n`);
  }
}

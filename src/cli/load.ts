/**
 * `vmemd load`: makes a data directory with the state that a dump describes, and nothing else: there
 * is no history. Every line is checked like any input, because dumps are edited by hand; what is
 * wrong is refused with the number of the line, and nothing is left behind.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { InvalidSetting, type Flags } from '../config.ts';
import { AssertionError } from '../engine/assert.ts';
import { Engine } from '../engine/engine.ts';
import { exitCode } from '../exit-code.ts';
import { InvalidInput, invalidInput } from '../http/invalid-input.ts';
import { createDataDirectory } from '../journal/data-directory.ts';
import { encodePart } from '../journal/snapshot-part.ts';
import { ArenaLoader, type LoadedArena } from './arena-loader.ts';
import { pathOf, sharedSettings } from './data-source.ts';
import { readLine, type DumpLine } from './dump-line.ts';
import { fillDirectory } from './empty-directory.ts';
import { LeaseLoader } from './lease-loader.ts';
import { Progress } from './progress.ts';
import { stateHashOf } from './state-hash.ts';
import { print, type Terminal } from './terminal.ts';
import { fileError, ToolError } from './tool-error.ts';

/** Longer than any line that a dump can have. */
const lineCharactersMax = 1 << 20;
const arenasPerPage = 1000;

export interface LoadReport {
  readonly revision: number;
  readonly lines: number;
  readonly stateHash: string;
}

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function load(flags: Flags, terminal: Terminal): Promise<void> {
  const { from, edited, json, ...others } = flags;
  const path = from === undefined || from === '-' ? undefined : pathOf('from', from);
  if (from === undefined && terminal.input.isTTY === true) {
    throw new InvalidSetting('--from is missing: the dump to load, or - to type it.');
  }
  const directory = sharedSettings(others, terminal.environment).data;
  const report = await fillDirectory(directory, async () => {
    const progress = new Progress(terminal.errors);
    const engine = new Engine();
    try {
      const input = path === undefined ? terminal.input : createReadStream(path);
      const loaded = await loadDump(input, engine, { edited: edited === true, progress });
      const { revision } = engine;
      await createDataDirectory({ directory, revision, parts: encodedParts(engine) });
      return loaded;
    } catch (error) {
      throw path === undefined ? error : fileError(error, path);
    } finally {
      progress.end();
    }
  });
  const text =
    json === true
      ? `${JSON.stringify({ ok: true, directory, ...report })}\n`
      : `${directory} is made of ${report.lines} lines, at revision ${report.revision}, ` +
        `with the state hash ${report.stateHash}.\n`;
  await print(terminal.output, text);
}

/**
 * Loads a dump into an empty engine. Rejects with ToolError, which names the line, where the dump is
 * not one, was cut off, contradicts itself, or is not the state that its first line says; `edited`
 * lets that last one pass.
 */
export async function loadDump(
  input: Readable,
  engine: Engine,
  { edited, progress }: { readonly edited: boolean; readonly progress: Progress },
): Promise<LoadReport> {
  const loader = new DumpLoader(engine, edited);
  let number = 0;
  for await (const text of linesOf(input)) {
    number += 1;
    try {
      loader.take(readLine(text), number);
    } catch (error) {
      throw refusalOf(error, number);
    }
    progress.update('lines read', number);
  }
  if (number === 0) throw refused('There is nothing in the dump.', 'Nothing was made.');
  try {
    loader.ended();
  } catch (error) {
    throw refusalOf(error, number);
  }
  const stateHash = stateHashOf(engine);
  const { header } = loader;
  if (header?.stateHash !== stateHash && !edited) {
    throw refused(
      header?.stateHash === undefined
        ? 'Line 1 has no stateHash to compare the state with.'
        : `The state is ${stateHash}, but line 1 says ${header.stateHash}.`,
      'Give --edited if the dump was changed on purpose.',
    );
  }
  return { revision: engine.revision, lines: number, stateHash };
}

class DumpLoader {
  readonly #engine: Engine;
  readonly #edited: boolean;
  readonly #arenas = new Map<string, LoadedArena>();
  readonly #leases: LeaseLoader;
  header: DumpLine<'dump'> | undefined;
  #open: ArenaLoader | undefined;
  #ended = false;

  constructor(engine: Engine, edited: boolean) {
    this.#engine = engine;
    this.#edited = edited;
    this.#leases = new LeaseLoader((part) => engine.restore(part));
  }

  /** Throws InvalidInput. */
  take(line: DumpLine, number: number): void {
    if (this.header === undefined) {
      if (line.type !== 'dump') throw invalidInput('/type', 'must be dump on the first line');
      if (line.revision === 0) {
        throw invalidInput('/revision', 'must be at least 1: of nothing there is nothing to load');
      }
      this.header = line;
      return;
    }
    if (this.#ended) throw invalidInput('', 'comes after the end: remove it, or move the end line');
    switch (line.type) {
      case 'dump':
        throw invalidInput('/type', 'must not be dump again: load one dump at a time');
      case 'lease':
        if (this.#open !== undefined) {
          throw invalidInput('/type', 'a lease comes before the arenas: move the line');
        }
        return this.#leases.lease(line, number, this.header.revision);
      case 'arena':
        this.#open?.end();
        this.#open = new ArenaLoader(line, {
          arenas: this.#arenas,
          leases: this.#leases,
          revision: this.header.revision,
          edited: this.#edited,
          onPart: (part) => this.#engine.restore(part),
        });
        this.#arenas.set(line.name, this.#open);
        return;
      case 'span':
        return this.#arena(line.arena).span(line);
      case 'slab':
        return this.#arena(line.arena).slab(line);
      case 'allocation':
        return this.#arena(line.arena).allocation(line, number);
      case 'resting':
        return this.#arena(line.arena).resting(line);
      case 'gaps':
        return this.#arena(line.arena).gaps(line);
      case 'end':
        return this.#end(line, number);
    }
  }

  /** No line comes any more. Throws InvalidInput. */
  ended(): void {
    if (this.#ended) return;
    const what = 'is the last, but not the end line: the dump was cut off; make another one';
    throw invalidInput('', what);
  }

  #end({ lines }: DumpLine<'end'>, number: number): void {
    if (lines !== number - 1 && !this.#edited) {
      throw invalidInput(
        '/lines',
        `says ${lines} lines, but ${number - 1} were read: lines are missing; make another dump, ` +
          'or give --edited',
      );
    }
    this.#open?.end();
    this.#ended = true;
    for (const [name, { held }] of this.#arenas) this.#returned(name, held);
    this.#leases.end();
    this.#engine.restored(this.header!.revision);
    this.#check();
  }

  #returned(name: string, held: LoadedArena['held']): void {
    for (const { by, line } of held.values()) {
      throw invalidInput(
        '',
        `the allocation of ${name} on line ${line} is importedBy ${by}, which has no such span: ` +
          'add the span there, or leave importedBy out',
      );
    }
  }

  /** What the lines could not be seen to lack each by itself. */
  #check(): void {
    let after: string | undefined;
    for (;;) {
      const page = this.#engine.arenas(after, arenasPerPage);
      for (const { arena } of page) {
        const { problems } = this.#engine.check(arena);
        if (problems.length === 0) continue;
        throw invalidInput('', `arena ${arena} breaks an invariant: ${problems.join('; ')}`);
      }
      after = page.at(-1)?.arena;
      if (page.length < arenasPerPage) return;
    }
  }

  #arena(name: string): ArenaLoader {
    if (this.#open?.name === name) return this.#open;
    throw invalidInput(
      '/arena',
      this.#arenas.has(name)
        ? `the lines of ${name} ended where the next arena began: move this one there`
        : `there is no arena ${name} on an earlier line`,
    );
  }
}

function refusalOf(error: unknown, number: number): unknown {
  if (error instanceof InvalidInput) {
    return refused(`Line ${number}: ${error.message}.`, 'Nothing was made.', error);
  }
  // What the checks before do not look at, the engine asserts when it takes the parts.
  if (error instanceof AssertionError) {
    const what = `Line ${number}, or one before, contradicts the others: ${error.message}.`;
    return refused(what, 'Nothing was made.', error);
  }
  return error;
}

function refused(what: string, remedy: string, cause?: Error): ToolError {
  return new ToolError(exitCode.dumpRefused, `${what} ${remedy}`, { cause });
}

/** The lines of a stream of UTF-8; the last one may lack its end. */
async function* linesOf(input: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let number = 1;
  const next = (chunk?: Uint8Array): string[] => {
    try {
      rest += decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (cause) {
      throw refused(
        `Line ${number}, or one behind, is not UTF-8.`,
        'Is it a dump?',
        cause as Error,
      );
    }
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    number += lines.length;
    if (rest.length <= lineCharactersMax) return lines;
    throw refused(`Line ${number} is longer than any line of a dump.`, 'Is it a dump?');
  };
  for await (const chunk of input as AsyncIterable<Uint8Array>) yield* next(chunk);
  yield* next();
  if (rest !== '') yield rest;
}

function* encodedParts(engine: Engine): Generator<string> {
  for (const part of engine.snapshot()) yield encodePart(part);
}

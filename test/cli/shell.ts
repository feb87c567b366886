/**
 * The tools as a shell runs them, but in this process: words in, exit code and texts out. And a data
 * directory for them to work on, with a bit of everything that a state can have.
 */
import { Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { parseArguments, toolNames } from '../../src/cli/arguments.ts';
import { runTool } from '../../src/cli/tool.ts';
import type { Command } from '../../src/engine/command.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { Store } from '../journal/store.ts';

export interface Result {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

export interface ShellOptions {
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What takes less shows no progress; on a busy machine anything may take longer. */
const quietMs = 1500;
const progress =
  /^[0-9]+(?: of [0-9]+ \([0-9]+ %\))? (?:bytes|lines|records)(?: of the (?:backup|history))? (?:copied|read|received|written)\n/gm;

/** Runs a tool to its end; of one that took long, the errors are told without the lines of its progress. */
export async function run(words: readonly string[], options: ShellOptions = {}): Promise<Result> {
  const request = parseArguments(words);
  if (!('flags' in request) || !isTool(request.command)) {
    throw new Error(`no tool: ${JSON.stringify(request)}`);
  }
  const output = new Sink();
  const errors = new Sink();
  const terminal = {
    input: Readable.from([Buffer.from(options.input ?? '')]),
    output,
    errors,
    environment: options.environment ?? {},
  };
  const startedAt = performance.now();
  const code = await runTool(request.command, request.flags, terminal);
  const isLong = performance.now() - startedAt >= quietMs;
  const text = isLong ? errors.text.replaceAll(progress, '') : errors.text;
  return { code, output: output.text, errors: text };
}

/** Runs a tool that has to do what it is asked, with --json, and gives its report. */
export async function reportOf(
  words: readonly string[],
  options?: ShellOptions,
): Promise<Record<string, any>> {
  const { code, output, errors } = await run([...words, '--json'], options);
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return JSON.parse(output) as Record<string, any>;
}

function isTool(name: string): name is (typeof toolNames)[number] {
  return toolNames.some((tool) => tool === name);
}

class Sink extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const plain = {
  notation: 'decimal',
  width: 64,
  quantum: 1n,
  policy: 'instantfit',
  ...plainSettings,
  spans: [],
} as const;

const at = Date.parse('2026-01-31T12:00:00.000Z');

function alloc(arena: string, size: bigint, extra: object = {}): Command {
  return { type: 'alloc', at, arena, size, constraint: {}, labels: {}, seed: 0, ...extra };
}

/** Commands that leave a state with imports, slabs, labels, holes, and every notation. */
const leases = ['0', '1', '2'].map((digit) => `${digit}0000000-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
];

export const mixedCommands: readonly Command[] = [
  {
    type: 'createArena',
    at,
    arena: 'pods',
    ...plain,
    notation: 'ipv4',
    width: 32,
    labels: { env: 'prod', '7': 'seven' },
    spans: [
      { base: 0x0a000000n, size: 0x10000n },
      { base: 0x0a010000n, size: 0x100n },
      { base: 0x0b000000n, size: 0x100n },
    ],
  },
  {
    type: 'createArena',
    at,
    arena: 'pods.small',
    ...plain,
    notation: 'ipv4',
    width: 32,
    source: 'pods',
    importSize: 256n,
    keepSpans: 2,
    quantumCacheMax: 4n,
    limit: 1000n,
    ownerLimit: 900n,
    ownerLimits: [
      { owner: 'ü', limit: 0n },
      { owner: 'node "17"', limit: 800n },
    ],
  },
  {
    type: 'createArena',
    at,
    arena: 'net6',
    ...plain,
    notation: 'ipv6',
    width: 128,
    policy: 'nextfit',
    spans: [{ base: 0x20010db8n << 96n, size: 1n << 96n }],
  },
  {
    type: 'createArena',
    at,
    arena: 'gpu',
    ...plain,
    notation: 'hex',
    quantum: 4096n,
    spans: [{ base: 1n << 63n, size: 1n << 63n }],
  },
  { type: 'createLease', at, lease: leases[1], ttlSeconds: 60, labels: { a: 'ü' } },
  { type: 'createLease', at, lease: leases[0], ttlSeconds: 31_536_000, labels: {}, owner: 'ü' },
  ...Array.from({ length: 12 }, () => alloc('pods', 64n, { owner: 'node "17"' })),
  ...Array.from({ length: 7 }, () => alloc('pods.small', 3n, { labels: { a: 'ü' } })),
  alloc('pods.small', 200n, { lease: leases[1] }),
  ...Array.from({ length: 5 }, () => alloc('net6', 1n << 64n)),
  ...Array.from({ length: 5 }, () => alloc('gpu', 8192n, { at: at + 1 })),
  ...[1n, 6n, 3n].map((index): Command => {
    const address = 0x0a000000n + index * 64n;
    return { type: 'free', at: at + 2, arena: 'pods', address };
  }),
  { type: 'free', at, arena: 'net6', address: (0x20010db8n << 96n) + (1n << 64n) },
  alloc('gpu', 4096n, { lease: leases[2], ttlSeconds: 9, owner: 'node "17"' }),
  alloc('gpu', 4096n, { lease: leases[1], labels: { a: 'b' }, externalId: 'ü "1"' }),
];

/** Fills a data directory, closes it, and gives the revision and the hash of its state. */
export async function fill(
  directory: string,
  work: (store: Store) => Promise<unknown> = async () => undefined,
  options: Partial<SqliteOptions> = {},
): Promise<{ revision: number; stateHash: string }> {
  const store = await Store.open(directory, options);
  try {
    for (const command of mixedCommands) {
      const outcome = await store.sequencer.execute(command, () => undefined);
      expect(outcome).not.toHaveProperty('refused');
    }
    await work(store);
    return { revision: store.engine.revision, stateHash: store.hash() };
  } finally {
    await store.close();
  }
}

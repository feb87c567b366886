/**
 * The benchmark of scale, at a size that takes no time: a service is in the state that a row says, the
 * load finds it there, and what is shown is what was measured. Times themselves are not tested.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseScaleOptions } from '../bench/scale-options.ts';
import { showScale, type ScaleFigures, type ScaleReport } from '../bench/scale-report.ts';
import { planScale, scaleNameOf, type Shape } from '../bench/scale-row.ts';
import { ScaleState } from '../bench/scale-state.ts';
import { Server } from './crash/server.ts';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 90_000;
const hasWrk = isThere();

function isThere(): boolean {
  try {
    execFileSync('which', ['wrk']);
    return true;
  } catch {
    process.stderr.write('wrk is not installed: the benchmark of scale is not rehearsed.\n');
    return false;
  }
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vmemd-bench-scale-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test.runIf(hasWrk)('a run leaves a table, figures and plots', { timeout: timeMsMax }, async () => {
  const json = join(directory, 'scale.json');
  const few = ['scale', '--quick', '--connections', '1', '--only', 'nesting/4'];
  const words = [program, ...few, '--json', json, '--results', directory];
  const { stdout } = await execute(process.execPath, words, { timeout: timeMsMax });
  const report = JSON.parse(await readFile(json, 'utf8')) as ScaleReport;
  expect(report.results).toMatchObject([{ row: { dimension: 'nesting', shape: { nesting: 4 } } }]);
  const { run, empty, ratio, memory, bytesPerLive } = report.results[0]!.figures!;
  expect(ratio).toBeCloseTo(run.rate / empty.rate);
  for (const { rate, p50, p99, cpu } of [run, empty]) {
    expect(rate).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    expect(cpu).toBeGreaterThan(0);
  }
  expect(memory.peak).toBeGreaterThanOrEqual(memory.kept);
  expect(memory.kept).toBeGreaterThan(2 ** 20);
  // So few allocations tell nothing about the memory of each.
  expect([memory.restarted, bytesPerLive]).toEqual([undefined, undefined]);
  expect(stdout).toBe(showScale(report, false));
  expect(await readFile(join(directory, 'scale.md'), 'utf8')).toContain(
    showScale(report, true).trimEnd(),
  );
  expect(await readFile(join(directory, 'scale.svg'), 'utf8')).toContain('>nesting<');
});

describe('the state of a row', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ data: join(directory, 'data') });
  });
  afterAll(() => server.stop());

  /** What is there, and what the load is told to begin with. */
  async function made(shape: Shape) {
    const state = new ScaleState(shape, false);
    await state.make(server.url);
    const [kind, body, file] = await state.load(server.url, join(directory, 'held'));
    const held = (await readFile(file!, 'utf8')).split('\n');
    const { items } = (await (await fetch(`${server.url}/v1/arenas?limit=1000`)).json()) as {
      items: { name: string; allocations: number; size: string }[];
    };
    for (const { name } of items.toReversed()) {
      await fetch(`${server.url}/v1/arenas/${name}?force=true`, { method: 'DELETE' });
    }
    return { kind, body, held, items };
  }

  test('has its allocations over its arenas', async () => {
    const { kind, held, items } = await made({ live: 60, arenas: 20, nesting: 1, labels: 0 });
    expect(kind).toBe('spread');
    expect(items.map(({ allocations }) => allocations)).toEqual(Array(20).fill(3));
    expect(new Set(held).size).toBe(60);
    for (const line of held) expect(line).toMatch(/^ids\.[0-9]+\/allocations\/[0-9]+$/);
  });

  test('has its allocations in all arenas of a chain', async () => {
    const { held, items } = await made({ live: 5, arenas: 1, nesting: 3, labels: 0 });
    expect(items.map(({ name, allocations }) => [name, allocations])).toEqual([
      ['ids.0', 5],
      ['ids.0.above.1', 5],
      ['ids.0.above.2', 5],
    ]);
    expect(held).toHaveLength(5);
  });

  test('has its labels, and so has what the load asks for', async () => {
    const { body } = await made({ live: 1, arenas: 1, nesting: 1, labels: 2 });
    const labels = { 'label-0': 'value-0', 'label-1': 'value-0' };
    expect(JSON.parse(body!)).toEqual({ size: '1', labels });
  });
});

test('goals are judged by the row with a million', () => {
  const run = { rate: 900, p50: 1, p99: 2, cpu: 100 };
  const memory = { kept: 250e6, peak: 500 * 2 ** 20, restarted: 230 * 2 ** 20 };
  const figures: ScaleFigures = {
    run,
    empty: { ...run, rate: 1000 },
    ratio: 0.9,
    memory,
    bytesPerLive: 151,
  };
  const [row] = planScale({ quick: false, large: false, only: ['live/1000000'] });
  const [other] = planScale({ quick: false, large: false, only: ['labels/0'] });
  const report: ScaleReport = {
    machine: { processor: 'one', processors: 2, memoryGiB: 1, node: 'v24', date: '2026-01-31' },
    syncMs: 1,
    connections: 64,
    seconds: 1,
    rounds: 1,
    emptyMemory: { ...memory, kept: 100e6 },
    results: [
      { row: row!, figures },
      { row: other!, failure: 'it broke' },
    ],
  };
  const shown = showScale(report, false);
  expect(shown).toMatch(/rate against the empty service +≥ 0\.9 × +0\.90 × +yes$/m);
  expect(shown).toMatch(/memory of each, after a restart +≤ 150 bytes +151 bytes +NO$/m);
  expect(shown).toMatch(/in the service that was filled +≤ 150 bytes +150 bytes +yes$/m);
  expect(shown).toMatch(/^labels 0 +1e5 +failed$/m);
  expect(shown).toContain('labels/0 failed: it broke.');
  expect(showScale({ ...report, results: [] }, false)).toMatch(/not measured$/m);
});

test('rows and options are as they are asked for', () => {
  const names = planScale({ quick: false, large: true, only: [] }).map(scaleNameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('live/10000000');
  expect(parseScaleOptions(['--help'])).toBeUndefined();
  expect(parseScaleOptions([])?.results).toMatch(/bench\/results\/$/);
  for (const words of [['--quick'], ['--only', 'live'], ['--connections', '8']]) {
    expect(parseScaleOptions(words)).not.toHaveProperty('results');
  }
  for (const words of [['--only', 'nothing'], ['--rounds', '0'], ['--unknown']]) {
    expect(() => parseScaleOptions(words)).toThrow();
  }
});

/**
 * A benchmark that measures something else than it says is worse than none: the workloads do what
 * their descriptions promise under every policy and on every layer, and the whole way from the
 * command line to the plots holds, at sizes that take no time. Times themselves are not tested.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Mistake } from '../bench/arguments.ts';
import { Samples, median, quantile } from '../bench/clock.ts';
import { judge } from '../bench/goals.ts';
import { measureGrowth } from '../bench/growth.ts';
import { measure } from '../bench/measure.ts';
import { Operation } from '../bench/operation.ts';
import { parseOptions } from '../bench/engine-options.ts';
import { Xorshift32 } from '../bench/random.ts';
import { plan } from '../bench/plan.ts';
import { nameOf } from '../bench/row.ts';
import type { Figures, Result, Row } from '../bench/row.ts';
import { layers, openSubject } from '../bench/subject.ts';
import type { Subject } from '../bench/subject.ts';
import { nanoseconds, render } from '../bench/table.ts';
import { workloadNames, workloads } from '../bench/workload.ts';
import type { WorkloadName } from '../bench/workload.ts';
import { policies } from '../src/engine/command.ts';

const LIVE = 64;

function row<W extends Row['workload']>(workload: W, changes: Partial<Row> = {}) {
  const usual = { policy: 'instantfit', layer: 'units', live: LIVE, pairs: 300, secondsMax: 0.05 };
  return { ...usual, ...changes, workload } as Row & { readonly workload: W };
}

function verdictOn(results: Result[], goal: RegExp) {
  return judge(results).filter((verdict) => goal.test(verdict.goal));
}

/** Runs a workload's warm-up and gives back the arena, and how many requests were refused. */
function worked(name: WorkloadName, policy: Row['policy'], layer: Row['layer']) {
  const workload = workloads[name].open(LIVE);
  const { span, slots } = workload;
  const subject: Subject = openSubject({ layer, policy, span, slots });
  const operation = new Operation();
  let refused = 0;
  workload.setUp(subject);
  for (let i = 0; i < workload.warmUp; i++) {
    workload.draw(operation, subject);
    const { drop, take, size, ask, back } = operation;
    if (drop >= 0) subject.free(drop);
    if (take < 0 || subject.alloc(take, size, ask)) continue;
    refused++;
    if (back > 0) subject.putBack(take, back);
  }
  return { workload, subject, refused };
}

describe('workloads', () => {
  test('draw what the bench in C draws', () => {
    const random = new Xorshift32();
    const drawn = [random.next(), random.next(), random.next()];
    expect(drawn).toEqual([723471715, 2497366906, 2064144800]);
  });

  test.each(policies)('churn keeps its live allocations under %s', (policy) => {
    for (const name of ['churn', 'prefix', 'bounded', 'constrained', 'mixed'] as const) {
      const { subject, workload, refused } = worked(name, policy, 'units');
      const slots = Array.from({ length: workload.slots }, (_, slot) => subject.sizeOf(slot));
      expect({ name, refused, empty: slots.filter((size) => size === 0).length }).toEqual({
        name,
        refused: 0,
        empty: 0,
      });
    }
  });

  test.each(policies)('what cannot be had is refused under %s', (policy) => {
    for (const name of workloadNames.filter((found) => /checkerboard|impossible/.test(found))) {
      const { subject, workload, refused } = worked(name, policy, 'units');
      expect(refused).toBe(workload.warmUp);
      expect(subject.census().segments).toBe(LIVE * 2);
    }
  });

  test.each(policies)('a full arena stays full under %s', (policy) => {
    const { subject, workload } = worked('full', policy, 'units');
    expect(subject.used).toBeGreaterThanOrEqual(workload.span * 0.999 - 64);
    expect(subject.used).toBeLessThanOrEqual(workload.span);
  });

  test.each(policies)('a sawtooth ends as it began under %s', (policy) => {
    const { subject } = worked('sawtooth', policy, 'units');
    expect(subject.used).toBe(0);
    expect(subject.census().segments).toBe(1);
  });

  test('layers come to the same arena', () => {
    const [first, ...others] = layers.map((layer) => {
      const { subject, refused } = worked('churn', 'bestfit', layer);
      // A wide span is no multiple of the workload's, so the last segment may be longer.
      return { layer, used: subject.used, refused, segments: subject.census().segments };
    });
    for (const other of others) expect(other).toEqual({ ...first, layer: other.layer });
  });
});

describe('figures', () => {
  test('every workload and policy can be measured', () => {
    for (const name of workloadNames) {
      const policy = policies[workloadNames.indexOf(name) % policies.length]!;
      const { mean, alloc, pairs, segments } = measure(row(name, { policy }));
      expect(pairs).toBeGreaterThan(0);
      expect(mean).toBeGreaterThan(0);
      expect(alloc.p99).toBeGreaterThanOrEqual(alloc.p50);
      expect(segments).toBeGreaterThan(0);
    }
  });

  test('growth counts every allocation', () => {
    const figures = measureGrowth(row('growth', { layer: 'engine', live: 1000 }));
    // Its allocations, and then the bounded one with a free segment on either side.
    expect(figures).toMatchObject({ pairs: 1000, segments: 1003, refused: 0 });
    expect(figures.firstOrdered).toBeGreaterThan(0);
    expect(figures.rss).toBeGreaterThan(0);
  });

  test('quantiles are those of the samples, less the cost of the clock', () => {
    const samples = new Samples(100, 10);
    for (let i = 1; i <= 100; i++) samples.add(i);
    samples.add(5000);
    expect(samples.summary()).toEqual({ p50: 40, p99: 89, max: 4990 });
    expect(quantile([], 0.5)).toBe(0);
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });

  test('cells align, in Markdown too', () => {
    const table = { head: ['name', 'ns'], rows: [['a', '12,345']], figuresFrom: 1 };
    expect(render(table, false)).toBe('name      ns\n----  ------\na     12,345');
    expect(render(table, true)).toBe('| name |     ns |\n| ---- | -----: |\n| a    | 12,345 |');
    expect([nanoseconds(1240.4), nanoseconds(2.14e6)]).toEqual(['1,240', '2.1 ms']);
  });
});

describe('goals', () => {
  const summary = { p50: 100, p99: 9_000, max: 20_000 };
  const figures: Figures = {
    mean: 500,
    pairs: 1000,
    alloc: summary,
    free: summary,
    refused: 0,
    segments: 10,
    bytesPerSegment: 41,
    rss: 2 ** 30,
    cutShort: false,
  };
  const reference = { mean: 1000, ours: 500, ratio: 0.5, rounds: 5 };
  const result: Result = { row: row('churn', { live: 1e6 }), figures, reference };
  test('are met or missed by what was measured', () => {
    expect(verdictOn([result], /instantfit.* at 1e6/)).toMatchObject([{ met: true }]);
    const missed = { goal: 'memory of the indexes a segment', figure: '41 bytes', met: false };
    expect(verdictOn([result], /memory of/)).toMatchObject([missed]);
  });

  test('are judged by the worst row, which is named', () => {
    const slow = { ...figures, free: { ...summary, p99: 11_000 } };
    const other: Result = { row: row('comb', { live: 1e6, policy: 'lastfit' }), figures: slow };
    expect(verdictOn([result, other], /any policy/)).toMatchObject([
      { figure: '11,000 ns', met: false, worst: 'comb/lastfit/units/1000000' },
    ]);
  });

  test('each have a row in the run that is only for them', () => {
    const options = parseOptions(['--goals'], {})!;
    const named = plan(options).map((planned) => ({ row: planned, figures, reference }));
    const grown = named.map((said) => ({ ...said, figures: { ...figures, firstOrdered: 1 } }));
    expect(judge(grown).filter(({ figure }) => figure === undefined)).toEqual([]);
    expect(new Set(named.map(({ row: planned }) => nameOf(planned))).size).toBe(named.length);
  });

  test('are open where nothing was measured', () => {
    expect(judge([]).map(({ met }) => met)).toEqual(judge([]).map(() => undefined));
  });
});

describe('command line', () => {
  const execute = promisify(execFile);
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vmemd-bench-test-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const bench = (...words: string[]) =>
    execute(process.execPath, ['bench/bench.ts', ...words], {
      cwd: new URL('..', import.meta.url).pathname,
      env: { ...process.env, VMEMD_SEED_BENCH: '' },
      timeout: 60_000,
    });
  const tiny = ['engine', '--live', '64', '--pairs', '300', '--seconds', '1'];

  test('a run leaves a table, figures and plots', async () => {
    const json = join(directory, 'figures.json');
    const only = ['--only', 'churn/bestfit/units', '--only', 'growth'];
    const files = ['--json', json, '--results', directory];
    const { stdout, stderr } = await bench(...tiny, ...only, ...files);
    expect(stdout).toMatch(/^churn +bestfit +units +64 +[\d,]+ /m);
    expect(stderr).toContain('100 %');
    expect(JSON.parse(await readFile(json, 'utf8'))).toMatchObject({
      complete: true,
      results: [{ row: { workload: 'churn' } }, { row: { workload: 'growth' } }],
    });
    expect(await readFile(join(directory, 'engine.md'), 'utf8')).toContain('| churn ');
    expect(await readFile(join(directory, 'engine.svg'), 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/);
    const again = await bench('engine', '--from', json, '--results', directory);
    expect(again.stdout).toBe(stdout);
  }, 60_000);

  test('the allocator in C is run in turn where its bench is given', async () => {
    const program = join(directory, 'bench');
    await writeFile(program, '#!/bin/sh\necho "seed $3 live=$1 0.5 ns/pair fail=0"\n');
    await chmod(program, 0o755);
    const only = ['--only', 'churn/instantfit/units', '--rounds', '3', '--seed-bench', directory];
    const json = join(directory, 'figures.json');
    await bench(...tiny, ...only, '--json', json);
    const { results } = JSON.parse(await readFile(json, 'utf8')) as { results: Result[] };
    expect(results[0]?.reference).toMatchObject({ mean: 0.5, rounds: 3 });
    expect(results[0]?.reference?.ratio).toBe(results[0]!.reference!.ours / 0.5);
  }, 60_000);

  test('where there is none the comparison is skipped, and that is said', async () => {
    const missing = join(directory, 'none');
    const { stderr } = await bench(...tiny, '--only', 'growth', '--seed-bench', missing);
    expect(stderr).toMatch(/no comparison .*none/);
  }, 60_000);

  test('a mistake ends with 2 and the help', async () => {
    for (const words of [['nothing'], ['engine', '--only', 'nothing']]) {
      const failure = { code: 2, stderr: expect.stringMatching(/(nothing|No row)[^]*Usage: /) };
      await expect(bench(...words)).rejects.toMatchObject(failure);
    }
  }, 60_000);

  test('options are read', () => {
    expect(parseOptions(['--help'], {})).toBeUndefined();
    expect(parseOptions(['--live', '1e3', '--live', '50'], {})).toMatchObject({ live: [1000, 50] });
    expect(parseOptions([], { VMEMD_SEED_BENCH: '/there' })).toMatchObject({ seedBench: '/there' });
    for (const words of [['--live', '0'], ['--pairs', 'many'], ['--unknown'], ['word']]) {
      expect(() => parseOptions(words, {})).toThrow(Mistake);
    }
  });

  test('only a whole run touches the committed results', () => {
    expect(parseOptions([], {})?.results).toMatch(/bench\/results\/$/);
    for (const words of [['--quick'], ['--goals'], ['--only', 'churn'], ['--live', '10']]) {
      expect(parseOptions(words, {})).not.toHaveProperty('results');
    }
  });
});

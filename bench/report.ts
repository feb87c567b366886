/**
 * What a run has measured, for people: the goals, the table, and in the results the plots. The
 * committed `engine.md` is written from the same report as the terminal's.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judge } from './goals.ts';
import type { Verdict } from './goals.ts';
import { machineText, type Machine } from './machine.ts';
import { plot } from './plot.ts';
import { nameOf } from './row.ts';
import type { Result } from './row.ts';
import { nanoseconds, power, render } from './table.ts';
import type { Table } from './table.ts';
import { workloads } from './workload.ts';

export interface Report {
  readonly machine: Machine;
  readonly results: readonly Result[];
  /** Not interrupted. */
  readonly complete: boolean;
}

/** The report as text. */
export function show({ machine, results, complete }: Report, markdown: boolean): string {
  return [
    machineText(machine),
    ...(complete ? [] : ['Interrupted: some rows are missing.']),
    render(goalTable(judge(results)), markdown),
    'Nanoseconds, unless said. "mean" is a pair (a free and an allocation), or one request where ' +
      'all are refused.\n"alloc" and "free" are single ones, less what reading the clock costs. ' +
      '"C" is the allocator in C on the same operations.',
    render(resultTable(results), markdown),
    ...notes(results),
    '',
  ].join('\n\n');
}

/** Writes engine.md and engine.svg. */
export async function writeResults(directory: string, report: Report): Promise<void> {
  await mkdir(directory, { recursive: true });
  const page = [
    '# The engine, measured',
    'Written by `npm run bench -- engine`; do not edit.',
    '![Mean cost of a pair against live allocations](engine.svg)',
    '## Goals and figures',
    show(report, true).trimEnd(),
    '## Workloads',
    workloadList(),
    '',
  ].join('\n\n');
  await writeFile(join(directory, 'engine.md'), page);
  await writeFile(join(directory, 'engine.svg'), plot(report.results));
}

function workloadList(): string {
  const items = Object.entries(workloads).map(([name, { about }]) => `- \`${name}\`: ${about}`);
  return items.join('\n');
}

function goalTable(verdicts: readonly Verdict[]): Table {
  return {
    head: ['goal', 'target', 'figure', 'met', 'decided by'],
    rows: verdicts.map(({ goal, target, figure, met, worst }) => [
      goal,
      target,
      figure ?? 'not measured',
      met === undefined ? '' : met ? 'yes' : 'NO',
      worst ?? '',
    ]),
    figuresFrom: 5,
  };
}

const HEAD =
  'workload,policy,layer,live,mean,alloc p50,p99,max,free p50,p99,refused,B/seg,C,ours/C'.split(
    ',',
  );

function resultTable(results: readonly Result[]): Table {
  return {
    head: HEAD,
    rows: results.map(cells),
    figuresFrom: 3,
  };
}

function cells({ row, figures, reference, failure }: Result): string[] {
  const name = [row.workload, row.policy, row.layer, power(row.live)];
  if (figures === undefined) return [...name, failure === undefined ? '' : 'failed'];
  const { mean, alloc, free, refused, bytesPerSegment } = figures;
  return [
    ...name,
    nanoseconds(mean) + (figures.cutShort ? ' *' : ''),
    ...[alloc.p50, alloc.p99, alloc.max].map(nanoseconds),
    ...(free === undefined ? ['', ''] : [free.p50, free.p99].map(nanoseconds)),
    refused === 0 ? '' : `${(refused * 100).toFixed(refused < 0.1 ? 2 : 0)} %`,
    bytesPerSegment === undefined ? '' : bytesPerSegment.toFixed(1),
    reference === undefined ? '' : nanoseconds(reference.mean),
    reference === undefined ? '' : reference.ratio.toFixed(2),
  ];
}

function notes(results: readonly Result[]): string[] {
  const said: string[] = [];
  if (results.some(({ figures }) => figures?.cutShort === true)) {
    said.push('\\* Its warm-up took too long and was cut short.');
  }
  for (const { row, figures } of results) {
    if (row.workload !== 'growth' || figures === undefined) continue;
    const pause = (figures.alloc.max / 1e6).toFixed(1);
    const ordered = ((figures.firstOrdered ?? 0) / 1e6).toFixed(1);
    const memory = Math.round(figures.rss / 2 ** 20);
    said.push(
      `Growth to ${power(row.live)} live allocations: ${memory} MiB resident at most, ` +
        `longest single allocation ${pause} ms, first bounded request afterwards ${ordered} ms.`,
    );
  }
  for (const { row, failure } of results) {
    if (failure !== undefined) said.push(`${nameOf(row)} failed: ${failure}.`);
  }
  return said;
}

/** What a run over HTTP has measured, for people: the goals, the table, and in the results the plot. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { svgOf, type Line } from './chart.ts';
import { judgeHttp } from './http-goals.ts';
import { startsOf } from './http-options.ts';
import { BATCH_SECONDS, httpWorkloads } from './http-workload.ts';
import { machineText, type Machine } from './machine.ts';
import { render, type Table } from './table.ts';

/** One of the two in one row: medians of the rounds; times in milliseconds. */
export interface Side {
  /** Requests a second. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Of all threads of the process, a request. */
  readonly cpuMicroseconds: number;
  /** The 99th percentile of how late the event loop came round. */
  readonly loopDelay: number;
  /** Records in a commit, where there were any. */
  readonly group?: number;
}

export interface HttpRow {
  readonly workload: string;
  readonly connections: number;
  /** Grants of a request. */
  readonly grants: number;
  /** Median of vmemd's rate by that of the bare route, of each round. */
  readonly ratio: number;
  /** What the disk took to make 4 KiB durable, measured before each round; in milliseconds. */
  readonly syncMs: number;
  readonly bare: Side;
  readonly vmemd: Side;
}

export interface HttpReport {
  readonly machine: Machine;
  /** Milliseconds. */
  readonly syncMs: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly rows: readonly HttpRow[];
}

/** The report as text. */
export function showHttp(report: HttpReport, markdown: boolean): string {
  const { machine, syncMs, seconds, rounds, rows } = report;
  return [
    `${machineText(machine)} fdatasync of 4 KiB: ${syncMs.toFixed(2)} ms.`,
    render(goalTable(report), markdown),
    `Medians of ${rounds} × ${seconds} s (batches: at least ${BATCH_SECONDS} s), by turns; both were started ` +
      `${startsOf(rounds)} × for a workload.\n"bare" is a Fastify route with the same requests and ` +
      'replies, without validation, allocator and disk. Times are in\nmilliseconds, as wrk tells ' +
      'them; "loop" is how late the event loop of vmemd was at the 99th percentile, "group" the\n' +
      'records in a commit, "CPU" microseconds of all threads of a process for a request.',
    render(rowTable(rows), markdown),
    '',
  ].join('\n\n');
}

/** Writes http.md and http.svg. */
export async function writeHttpResults(directory: string, report: HttpReport): Promise<void> {
  await mkdir(directory, { recursive: true });
  const abouts = Object.entries(httpWorkloads).map(
    ([name, { about }]) => `- \`${name}\`: ${about}`,
  );
  const page = [
    '# The service over HTTP, measured',
    'Written by `npm run bench -- http`; do not edit.',
    '![Requests a second against connections](http.svg)',
    '## Goals and figures',
    showHttp(report, true).trimEnd(),
    '## Workloads',
    abouts.join('\n'),
    '',
  ].join('\n\n');
  await writeFile(join(directory, 'http.md'), page);
  await writeFile(join(directory, 'http.svg'), plotHttp(report.rows));
}

function goalTable(report: HttpReport): Table {
  return {
    head: ['goal', 'target', 'figure', 'met'],
    rows: judgeHttp(report).map(({ goal, target, figure, met }) => [
      goal,
      target,
      figure ?? 'not measured',
      met === undefined ? '' : met ? 'yes' : 'NO',
    ]),
    figuresFrom: 4,
  };
}

const HEAD =
  'workload,conn.,bare/s,vmemd/s,ratio,grants/s,p50,p99,p99.9,bare p50,p99,loop,group,CPU,bare'.split(
    ',',
  );

function rowTable(rows: readonly HttpRow[]): Table {
  return { head: HEAD, rows: rows.map(cells), figuresFrom: 1 };
}

function cells({ workload, connections, grants, ratio, bare, vmemd }: HttpRow): string[] {
  const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
  return [
    workload,
    String(connections),
    whole(bare.rate),
    whole(vmemd.rate),
    ratio.toFixed(2),
    grants === 1 ? '' : whole(vmemd.rate * grants),
    ...[vmemd.p50, vmemd.p99, vmemd.p999, bare.p50, bare.p99, vmemd.loopDelay].map((ms) =>
      ms.toFixed(2),
    ),
    vmemd.group === undefined ? '' : vmemd.group.toFixed(1),
    ...[vmemd.cpuMicroseconds, bare.cpuMicroseconds].map((us) => us.toFixed(us < 100 ? 1 : 0)),
  ];
}

/** Requests a second against connections, a panel a workload. */
function plotHttp(rows: readonly HttpRow[]): string {
  const lineOf = (own: readonly HttpRow[], side: 'bare' | 'vmemd', colour: number): Line => ({
    colour,
    points: own.map((row) => ({ x: row.connections, y: row[side].rate })),
  });
  return svgOf({
    label: 'Requests a second against connections, one panel a workload',
    caption: 'Requests a second against connections',
    legend: [
      { text: 'vmemd', colour: 0 },
      { text: 'bare route', colour: 6 },
    ],
    panels: Object.entries(httpWorkloads)
      .map(([name, { about }]) => {
        const own = rows.filter(({ workload }) => workload === name);
        return { title: name, about, lines: [lineOf(own, 'vmemd', 0), lineOf(own, 'bare', 6)] };
      })
      .filter(({ lines }) => lines.every(({ points }) => points.length > 0)),
    xText: String,
    yText: (value) => value.toLocaleString('en-US'),
  });
}

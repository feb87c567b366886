/** What the benchmark of scale has shown, for people: the goals, the table, and the plot. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { svgOf, type Line } from './chart.ts';
import { machineText, type Machine } from './machine.ts';
import { dimensions, EMPTY, scaleNameOf, type ScaleRow, type Shape } from './scale-row.ts';
import type { Memory, ScaleRun } from './scale-service.ts';
import { power, render, type Table } from './table.ts';

export interface ScaleResult {
  readonly row: ScaleRow;
  readonly figures?: ScaleFigures;
  /** Why there are no figures. */
  readonly failure?: string;
}

/** Medians of the rounds. */
export interface ScaleFigures {
  readonly run: ScaleRun;
  /** The service that is nearly empty, in the same rounds. */
  readonly empty: ScaleRun;
  /** Median of the rate by that of the empty one, of each round. */
  readonly ratio: number;
  readonly memory: Memory;
  /** Resident bytes for a live allocation after a restart, above those of the empty service. */
  readonly bytesPerLive?: number;
}

export interface ScaleReport {
  readonly machine: Machine;
  /** Milliseconds. */
  readonly syncMs: number;
  readonly connections: number;
  readonly seconds: number;
  readonly rounds: number;
  /** Of the service that is nearly empty. */
  readonly emptyMemory: Memory;
  readonly results: readonly ScaleResult[];
}

const GOAL = { live: 1e6, ratio: 0.9, bytes: 150 };
const MIB = 2 ** 20;

/** The report as text. */
export function showScale(report: ScaleReport, markdown: boolean): string {
  const { machine, syncMs, connections, seconds, rounds, emptyMemory, results } = report;
  return [
    `${machineText(machine)} fdatasync of 4 KiB: ${syncMs.toFixed(2)} ms.`,
    render(goalTable(report), markdown),
    `Medians of ${rounds} × ${seconds} s at ${connections} connections, by turns with a service that has ` +
      `${EMPTY.live} live allocations:\n"empty/s" is that one, "ratio" the other by it. Requests are ` +
      'frees and allocations by turns, durable all. p50 and p99 are\nmilliseconds; "CPU" and ' +
      '"empty" microseconds of all threads of a service for a request. Memory is what is resident of\n' +
      'the process, in MiB: "kept" when it has nothing to do and garbage is collected, "peak" the ' +
      'most until then, "restarted" as\n"kept" after a restart. "B/live" is, after a restart, what ' +
      'is there beyond the empty service, for each live allocation.',
    `The empty service: kept ${mib(emptyMemory.kept)}, peak ${mib(emptyMemory.peak)}, ` +
      `restarted ${mib(emptyMemory.restarted) || 'not measured'}.`,
    render({ head: HEAD, rows: results.map(cells), figuresFrom: 1 }, markdown),
    ...results.flatMap(({ row, failure }) =>
      failure === undefined ? [] : [`${scaleNameOf(row)} failed: ${failure}.`],
    ),
    '',
  ].join('\n\n');
}

/** Writes scale.md and scale.svg. */
export async function writeScaleResults(directory: string, report: ScaleReport): Promise<void> {
  await mkdir(directory, { recursive: true });
  const page = [
    '# The service as it grows',
    'Written by `npm run bench -- scale`; do not edit.',
    '![Requests a second against what is varied](scale.svg)',
    '## Goals and figures',
    showScale(report, true).trimEnd(),
    '## What is varied',
    Object.entries(dimensions)
      .map(([name, about]) => `- \`${name}\`: ${about}`)
      .join('\n'),
    '',
  ].join('\n\n');
  await writeFile(join(directory, 'scale.md'), page);
  await writeFile(join(directory, 'scale.svg'), plotScale(report.results));
}

function goalTable({ results, emptyMemory }: ScaleReport): Table {
  const figures = results.find(
    ({ row }) => row.dimension === 'live' && row.shape.live === GOAL.live,
  )?.figures;
  const verdict = (text: string | undefined, met: boolean): string[] =>
    text === undefined ? ['not measured', ''] : [text, met ? 'yes' : 'NO'];
  const live = `${power(GOAL.live)} live allocations, 99.9 % full`;
  const { ratio = 0, bytesPerLive = Infinity, memory } = figures ?? {};
  const asFilled = ((memory?.kept ?? Infinity) - emptyMemory.kept) / GOAL.live;
  return {
    head: ['goal', 'target', 'figure', 'met'],
    rows: [
      [
        `${live}: rate against the empty service`,
        `≥ ${GOAL.ratio} ×`,
        ...verdict(figures && `${ratio.toFixed(2)} ×`, ratio >= GOAL.ratio),
      ],
      [
        `${live}: memory of each, after a restart`,
        `≤ ${GOAL.bytes} bytes`,
        ...verdict(figures && `${bytesPerLive.toFixed(0)} bytes`, bytesPerLive <= GOAL.bytes),
      ],
      [
        `${live}: memory of each, in the service that was filled`,
        `≤ ${GOAL.bytes} bytes`,
        ...verdict(figures && `${asFilled.toFixed(0)} bytes`, asFilled <= GOAL.bytes),
      ],
    ],
    figuresFrom: 4,
  };
}

const HEAD = 'row,live,req/s,empty/s,ratio,p50,p99,CPU,empty,kept,peak,restarted,B/live'.split(',');

function cells({ row, figures }: ScaleResult): string[] {
  const { live } = row.shape;
  const name = `${row.dimension} ${countText(row.shape[row.dimension])}`;
  if (figures === undefined) return [name, power(live), 'failed'];
  const { run, empty, ratio, memory, bytesPerLive } = figures;
  return [
    name,
    power(live),
    ...[run.rate, empty.rate].map((rate) => Math.round(rate).toLocaleString('en-US')),
    ratio.toFixed(2),
    ...[run.p50, run.p99].map((ms) => ms.toFixed(2)),
    ...[run.cpu, empty.cpu].map((us) => us.toFixed(0)),
    ...[memory.kept, memory.peak, memory.restarted].map(mib),
    bytesPerLive?.toFixed(0) ?? '',
  ];
}

/** `16`, `1e4`. */
function countText(value: number): string {
  return value < 1000 ? String(value) : power(value);
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? '' : (bytes / MIB).toFixed(0);
}

/** Requests a second against what is varied, with the empty service in the same rounds. */
function plotScale(results: readonly ScaleResult[]): string {
  const lineOf = (dimension: keyof Shape, side: 'run' | 'empty', colour: number): Line => ({
    colour,
    points: results.flatMap(({ row, figures }) => {
      const x = row.shape[dimension];
      // None has no place on a logarithmic axis.
      if (row.dimension !== dimension || figures === undefined || x === 0) return [];
      return [{ x, y: figures[side].rate }];
    }),
  });
  return svgOf({
    label: 'Requests a second against what is varied, one panel each',
    caption: 'Durable frees and allocations a second against what is varied',
    legend: [
      { text: 'so many', colour: 0 },
      { text: 'nearly empty', colour: 6 },
    ],
    panels: Object.entries(dimensions)
      .map(([name, about]) => ({
        title: name,
        about,
        lines: [lineOf(name as keyof Shape, 'run', 0), lineOf(name as keyof Shape, 'empty', 6)],
      }))
      .filter(({ lines }) => lines.every(({ points }) => points.length > 0)),
    xText: countText,
    yText: (value) => value.toLocaleString('en-US'),
  });
}

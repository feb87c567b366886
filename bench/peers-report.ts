/** What the comparison with others has shown, for people: the goal, the table, and the plot. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { svgOf, type Line } from './chart.ts';
import { machineText, type Machine } from './machine.ts';
import { peers } from './peers/all.ts';
import type { Figures } from './peers/contestant.ts';
import { render, type Table } from './table.ts';

export interface PeerRow {
  readonly peer: string;
  readonly clients: number;
  /** Medians of the rounds. */
  readonly figures?: Figures;
  /** Median of vmemd's rate by this one's, of each round. */
  readonly ratio?: number;
  /** Why there are no figures. */
  readonly failure?: string;
}

export interface PeersReport {
  readonly machine: Machine;
  /** Milliseconds. */
  readonly syncMs: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly held: number;
  readonly pool: number;
  /** Name and version of each that was measured. */
  readonly versions: Readonly<Record<string, string>>;
  /** Of each that could not be started, why. */
  readonly skipped: Readonly<Record<string, string>>;
  readonly rows: readonly PeerRow[];
}

const GOAL = { clients: 64, ratio: 5 };

/** The report as text. */
export function showPeers(report: PeersReport, markdown: boolean): string {
  const { machine, syncMs, seconds, rounds, held, pool, versions, skipped, rows } = report;
  const whole = (value: number): string => value.toLocaleString('en-US');
  return [
    `${machineText(machine)} fdatasync of 4 KiB: ${syncMs.toFixed(2)} ms.\n` +
      `${[...new Set(Object.values(versions))].join(', ')}.`,
    render(goalTable(rows), markdown),
    `Medians of ${rounds} × ${seconds} s, in turn. ${whole(held)} of ${whole(pool)} numbers are held: ` +
      'a client frees one of them,\nand asks for another. "grants/s" are such pairs, durable both; ' +
      'p50 and p99 are milliseconds that a client waits for a\ngrant. "vmemd" is how often its ' +
      'rate is the other’s. "server" and "client" are microseconds of processors for a pair, of\n' +
      'all threads and processes; for sqlite "server" is the thread that has the database.',
    render(rowTable(rows), markdown),
    ...Object.entries(skipped).map(([name, why]) => `${name} is left out: ${why}.`),
    ...rows.flatMap(({ peer, clients, failure }) =>
      failure === undefined ? [] : [`${peer}, ${clients} clients, failed: ${failure}.`],
    ),
    '',
  ].join('\n\n');
}

/** Writes peers.md and peers.svg. */
export async function writePeersResults(directory: string, report: PeersReport): Promise<void> {
  await mkdir(directory, { recursive: true });
  const page = [
    '# vmemd beside others',
    'Written by `npm run bench -- peers`; do not edit.',
    '![Durable grants a second against clients](peers.svg)',
    '## Goal and figures',
    showPeers(report, true).trimEnd(),
    '## What is compared',
    Object.entries(peers)
      .map(([name, { about }]) => `- \`${name}\`: ${about}`)
      .join('\n'),
    '',
  ].join('\n\n');
  await writeFile(join(directory, 'peers.md'), page);
  await writeFile(join(directory, 'peers.svg'), plotPeers(report.rows));
}

function goalTable(rows: readonly PeerRow[]): Table {
  const best = rows
    .filter(({ peer, clients }) => peer !== 'vmemd' && clients === GOAL.clients)
    .flatMap(({ peer, ratio }) => (ratio === undefined ? [] : [{ peer, ratio }]))
    .toSorted((a, b) => a.ratio - b.ratio)[0];
  const verdict =
    best === undefined
      ? ['not measured', '', '']
      : [`${best.ratio.toFixed(2)} ×`, best.ratio >= GOAL.ratio ? 'yes' : 'NO', best.peer];
  const goal = `vmemd against the best of the others at ${GOAL.clients} clients`;
  return {
    head: ['goal', 'target', 'figure', 'met', 'decided by'],
    rows: [[goal, `≥ ${GOAL.ratio} ×`, ...verdict]],
    figuresFrom: 5,
  };
}

function rowTable(rows: readonly PeerRow[]): Table {
  const head = ['peer', 'clients', 'grants/s', 'vmemd', 'p50', 'p99', 'server', 'client'];
  return { head, rows: rows.map(cells), figuresFrom: 1 };
}

function cells({ peer, clients, figures, ratio }: PeerRow): string[] {
  if (figures === undefined) return [peer, String(clients), 'failed'];
  const { rate, p50, p99, serverCpu, clientCpu } = figures;
  return [
    peer,
    String(clients),
    Math.round(rate).toLocaleString('en-US'),
    ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
    ...[p50, p99].map((ms) => ms.toFixed(2)),
    ...[serverCpu, clientCpu].map((us) => us.toFixed(0)),
  ];
}

/** Grants a second against clients, a panel a peer, each with vmemd's line. */
function plotPeers(rows: readonly PeerRow[]): string {
  const lineOf = (name: string, colour: number): Line => ({
    colour,
    points: rows.flatMap(({ peer, clients, figures }) =>
      peer === name && figures !== undefined ? [{ x: clients, y: figures.rate }] : [],
    ),
  });
  return svgOf({
    label: 'Durable grants a second against clients, one panel a system beside vmemd',
    caption: 'Durable grants a second against clients',
    legend: [
      { text: 'vmemd', colour: 0 },
      { text: 'the other', colour: 1 },
    ],
    panels: Object.entries(peers)
      .filter(([name]) => name !== 'vmemd')
      .map(([name, { about }]) => ({
        title: name,
        about,
        lines: [lineOf('vmemd', 0), lineOf(name, 1)].filter(({ points }) => points.length > 0),
      }))
      .filter(({ lines }) => lines.length > 1),
    xText: String,
    yText: (value) => value.toLocaleString('en-US'),
  });
}

/** The goals of the service over HTTP, and what a report says of each. */
import type { HttpReport, HttpRow } from './http-report.ts';

export interface HttpVerdict {
  readonly goal: string;
  readonly target: string;
  /** Absent where it was not measured. */
  readonly figure?: string;
  readonly met?: boolean;
}

export function judgeHttp({ rows }: HttpReport): HttpVerdict[] {
  const row = (workload: string, connections: number): HttpRow | undefined =>
    rows.find((one) => one.workload === workload && one.connections === connections);
  const alloc = row('alloc', 64);
  const lone = row('alloc', 1);
  const read = row('get', 64);
  const [empty, full] = [row('mixed-0', 64), row('mixed-99.9', 64)];
  return [
    atLeast('alloc at 64 connections against the bare route', 0.85, alloc?.ratio, times),
    atMost(
      '… its p99 against the bare route’s',
      2,
      alloc && alloc.vmemd.p99 / alloc.bare.p99,
      times,
    ),
    atMost(
      'alloc at one connection: p50 beyond one fdatasync',
      0.2,
      lone && lone.vmemd.p50 - lone.syncMs,
      milliseconds,
    ),
    atLeast('get at 64 connections against the bare route', 0.9, read?.ratio, times),
    atLeast('batches of 1000', 500_000, most(rows, 'batch-1000'), grants),
    atLeast('batches of 100', 250_000, most(rows, 'batch-100'), grants),
    atLeast(
      'a full arena against an empty one, at 64 connections',
      0.9,
      // They were measured minutes apart: each is held against the bare route that was measured beside it.
      empty && full && full.ratio / empty.ratio,
      times,
    ),
  ];
}

/** Grants a second at the number of connections that is best. */
function most(rows: readonly HttpRow[], workload: string): number | undefined {
  const own = rows.filter((row) => row.workload === workload);
  if (own.length === 0) return undefined;
  return Math.max(...own.map((row) => row.vmemd.rate * row.grants));
}

type Write = (value: number) => string;

const times: Write = (value) => `${value.toFixed(2)} ×`;
const milliseconds: Write = (value) => `${value.toFixed(2)} ms`;
const grants: Write = (value) => `${Math.round(value).toLocaleString('en-US')} grants/s`;

function atLeast(goal: string, least: number, figure: number | undefined, write: Write) {
  const target = `≥ ${write(least)}`;
  if (figure === undefined) return { goal, target };
  return { goal, target, figure: write(figure), met: figure >= least };
}

function atMost(goal: string, most: number, figure: number | undefined, write: Write) {
  const target = `≤ ${write(most)}`;
  if (figure === undefined) return { goal, target };
  return { goal, target, figure: write(figure), met: figure <= most };
}

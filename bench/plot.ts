/**
 * The plots of the engine: nanoseconds against live allocations, a panel a workload and a line a
 * policy.
 */
import { policies } from '../src/engine/command.ts';
import { svgOf, type Line } from './chart.ts';
import type { Result } from './row.ts';
import { power } from './table.ts';
import { workloadNames, workloads } from './workload.ts';
import type { WorkloadName } from './workload.ts';

const legend: readonly string[] = [...policies, 'in C'];

/** The picture in SVG: workloads on the bare segments, with the C allocator where it was run. */
export function plot(results: readonly Result[]): string {
  const bare = results.filter(({ row, figures }) => row.layer === 'units' && figures !== undefined);
  return svgOf({
    label: 'Nanoseconds against live allocations, one panel a workload, one line a policy',
    caption: 'Mean of a pair, or of a refused request, against live allocations',
    legend: legend.map((text, colour) => ({ text, colour })),
    panels: workloadNames
      .map((name) => ({ title: name, about: workloads[name].about, lines: linesOf(bare, name) }))
      .filter(({ lines }) => lines.length > 0),
    xText: power,
    yText: time,
  });
}

function linesOf(results: readonly Result[], workload: WorkloadName): Line[] {
  const own = results.filter(({ row }) => row.workload === workload);
  const lines: Line[] = policies.map((policy, colour) => {
    const line = own.filter(({ row }) => row.policy === policy);
    return {
      colour,
      points: line.map(({ row, figures }) => ({ x: row.live, y: figures!.mean })),
    };
  });
  // The C allocator has two policies; its instant fit is the one shown.
  const theirs = own.filter(({ row, reference }) => reference && row.policy === 'instantfit');
  lines.push({
    colour: legend.length - 1,
    points: theirs.map(({ row, reference }) => ({ x: row.live, y: reference!.mean })),
  });
  return lines.filter(({ points }) => points.length > 0);
}

/** Nanoseconds, a power of ten, in the unit that needs the fewest digits. */
function time(value: number): string {
  const exponent = Math.round(Math.log10(value));
  const unit = ['ns', 'µs', 'ms', 's'][Math.floor(exponent / 3)] ?? 's';
  return `${10 ** (exponent % 3)} ${unit}`;
}

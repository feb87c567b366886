/**
 * The plots: nanoseconds against live allocations, both axes logarithmic, a panel a workload and a
 * line a policy. Constant time is level, linear time is the diagonal of a decade by a decade. The
 * picture brings its own background, and takes the dark one where the reader prefers it.
 */
import { policies } from '../src/engine/command.ts';
import type { Result } from './row.ts';
import { power } from './table.ts';
import { workloadNames, workloads } from './workload.ts';
import type { WorkloadName } from './workload.ts';

const COLUMNS = 3;
const PANEL = { width: 300, height: 210, left: 48, right: 14, top: 34, bottom: 30 } as const;
const HEADER = 44;

const style = `
  .ground { fill: #ffffff } .text { fill: #24292f } .faint { fill: #656d76 }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  text { font: 11px ui-sans-serif, system-ui, sans-serif }
  .title { font-weight: 600; font-size: 12px }
  .line, .grid { fill: none } .line { stroke-width: 1.8 }
  .c0 { color: #0969da } .c1 { color: #bc4c00 } .c2 { color: #1a7f37 }
  .c3 { color: #8250df } .c4 { color: #9a6700 } .c5 { color: #bf3989 } .c6 { color: #57606a }
  .line { stroke: currentColor } .dot { fill: currentColor } .c6 .line { stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #8d96a0 }
    .grid { stroke: #30363d }
    .c0 { color: #58a6ff } .c1 { color: #ff9b5e } .c2 { color: #3fb950 }
    .c3 { color: #bc8cff } .c4 { color: #e3b341 } .c5 { color: #ff7bc0 } .c6 { color: #b1bac4 }
  }`;

/** A line: what is measured once for every number of live allocations. */
interface Series {
  /** Its place in the legend, and its colour. */
  readonly index: number;
  readonly points: readonly Point[];
}

interface Point {
  readonly live: number;
  readonly nanoseconds: number;
}

/** Decades that an axis shows, as exponents of ten. */
interface Decades {
  readonly from: number;
  readonly to: number;
}

const caption = 'Mean of a pair, or of a refused request, against live allocations';
const legend: readonly string[] = [...policies, 'in C'];

/** The picture in SVG: workloads on the bare segments, with the C allocator where it was run. */
export function plot(results: readonly Result[]): string {
  const bare = results.filter(({ row, figures }) => row.layer === 'units' && figures !== undefined);
  const panels = workloadNames
    .map((name) => ({ name, series: seriesOf(bare, name) }))
    .filter(({ series }) => series.length > 0);
  const points = panels.flatMap(({ series }) => series.flatMap((line) => line.points));
  const x = decadesOf(points.map(({ live }) => live));
  const y = decadesOf(points.map((point) => point.nanoseconds));
  const width = COLUMNS * PANEL.width;
  const height = HEADER + Math.ceil(panels.length / COLUMNS) * PANEL.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="Nanoseconds against live allocations, one panel a workload, one line a policy">
<style>${style}
</style>
<rect class="ground" width="${width}" height="${height}" rx="6"/>
<text class="text" x="${PANEL.left}" y="18">${caption}</text>
${legend.map(legendEntry).join('\n')}
${panels
  .map(({ name, series }, i) => {
    const left = (i % COLUMNS) * PANEL.width;
    const top = HEADER + Math.floor(i / COLUMNS) * PANEL.height;
    return `<g transform="translate(${left} ${top})">${panel(name, series, x, y)}</g>`;
  })
  .join('\n')}
</svg>
`;
}

function seriesOf(results: readonly Result[], workload: WorkloadName): Series[] {
  const own = results.filter(({ row }) => row.workload === workload);
  const lines: Series[] = policies.map((policy, index) => {
    const line = own.filter(({ row }) => row.policy === policy);
    return {
      index,
      points: line.map(({ row, figures }) => ({ live: row.live, nanoseconds: figures!.mean })),
    };
  });
  // The C allocator has two policies; its instant fit is the one shown.
  const theirs = own.filter(({ row, reference }) => reference && row.policy === 'instantfit');
  lines.push({
    index: legend.length - 1,
    points: theirs.map(({ row, reference }) => ({
      live: row.live,
      nanoseconds: reference!.mean,
    })),
  });
  return lines.filter(({ points }) => points.length > 0);
}

function decadesOf(values: readonly number[]): Decades {
  if (values.length === 0) return { from: 0, to: 1 };
  const from = Math.floor(Math.log10(Math.max(1, Math.min(...values))));
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values)))) };
}

function legendEntry(name: string, index: number): string {
  const x = PANEL.left + index * 112;
  return (
    `<g class="c${index}"><path class="line" d="M${x} 34h20"/>` +
    `<circle class="dot" cx="${x + 10}" cy="34" r="2.5"/></g>` +
    `<text class="text" x="${x + 26}" y="38">${name}</text>`
  );
}

function panel(name: WorkloadName, series: readonly Series[], x: Decades, y: Decades): string {
  const right = PANEL.width - PANEL.right;
  const bottom = PANEL.height - PANEL.bottom;
  const across = scale(x, PANEL.left + 8, right - 8);
  const up = scale(y, bottom - 4, PANEL.top);
  const grid = exponents(y).map(
    (exponent) =>
      `<path class="grid" d="M${PANEL.left} ${up(10 ** exponent)}H${right}"/>` +
      `<text class="faint" x="${PANEL.left - 6}" y="${up(10 ** exponent)}" dy="4"` +
      ` text-anchor="end">${time(exponent)}</text>`,
  );
  const ticks = exponents(x).map(
    (exponent) =>
      `<text class="faint" x="${across(10 ** exponent)}" y="${bottom + 16}"` +
      ` text-anchor="middle">${power(10 ** exponent)}</text>`,
  );
  const lines = series.map(({ index, points }) => {
    const at = points.map(({ live, nanoseconds }) => `${across(live)} ${up(nanoseconds)}`);
    const dots = points.map(
      ({ live, nanoseconds }) =>
        `<circle class="dot" cx="${across(live)}" cy="${up(nanoseconds)}" r="2.5"/>`,
    );
    return `<g class="c${index}"><path class="line" d="M${at.join('L')}"/>${dots.join('')}</g>`;
  });
  const title =
    `<text class="text title" x="${PANEL.left}" y="${PANEL.top - 12}">${name}` +
    `<title>${workloads[name].about}</title></text>`;
  return [title, ...grid, ...ticks, ...lines].join('\n');
}

/** From a value to a place between `from` and `to`, in tenths of a pixel. */
function scale(decades: Decades, from: number, to: number): (value: number) => number {
  const length = decades.to - decades.from;
  return (value) => {
    const share = (Math.log10(Math.max(value, 10 ** decades.from)) - decades.from) / length;
    return Math.round((from + share * (to - from)) * 10) / 10;
  };
}

function exponents({ from, to }: Decades): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** 10^exponent nanoseconds, in the unit that needs the fewest digits. */
function time(exponent: number): string {
  const unit = ['ns', 'µs', 'ms', 's'][Math.floor(exponent / 3)] ?? 's';
  return `${10 ** (exponent % 3)} ${unit}`;
}

/**
 * Charts in SVG: panels of lines over two logarithmic axes, with one legend. What is constant is
 * level, what is linear is the diagonal of a decade by a decade. The picture brings its own
 * background, and takes the dark one where the reader prefers it.
 */
const COLUMNS = 3;
const PANEL = { width: 300, height: 210, left: 48, right: 14, top: 34, bottom: 30 } as const;
const HEADER = 44;
const LEGEND_STEP = 112;

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

export interface Chart {
  /** For those who cannot see it. */
  readonly label: string;
  readonly caption: string;
  readonly legend: readonly LegendEntry[];
  readonly panels: readonly Panel[];
  /** What stands at a power of ten. */
  readonly xText: (value: number) => string;
  readonly yText: (value: number) => string;
}

export interface LegendEntry {
  readonly text: string;
  /** 0 to 6; 6 is grey and dashed. */
  readonly colour: number;
}

export interface Panel {
  readonly title: string;
  /** Shown where the title is pointed at. */
  readonly about: string;
  readonly lines: readonly Line[];
}

export interface Line {
  readonly colour: number;
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Decades that an axis shows, as exponents of ten. */
interface Decades {
  readonly from: number;
  readonly to: number;
}

/** The chart in SVG. All panels have the same axes. */
export function svgOf(chart: Chart): string {
  const { label, caption, legend, panels } = chart;
  const points = panels.flatMap(({ lines }) => lines.flatMap((line) => line.points));
  const x = decadesOf(points.map((point) => point.x));
  const y = decadesOf(points.map((point) => point.y));
  const width = COLUMNS * PANEL.width;
  const height = HEADER + Math.ceil(panels.length / COLUMNS) * PANEL.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="${label}">
<style>${style}
</style>
<rect class="ground" width="${width}" height="${height}" rx="6"/>
<text class="text" x="${PANEL.left}" y="18">${caption}</text>
${legend.map(legendEntry).join('\n')}
${panels
  .map((one, i) => {
    const left = (i % COLUMNS) * PANEL.width;
    const top = HEADER + Math.floor(i / COLUMNS) * PANEL.height;
    return `<g transform="translate(${left} ${top})">${panelOf(one, chart, x, y)}</g>`;
  })
  .join('\n')}
</svg>
`;
}

function decadesOf(values: readonly number[]): Decades {
  if (values.length === 0) return { from: 0, to: 1 };
  const from = Math.floor(Math.log10(Math.min(...values)));
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values)))) };
}

function legendEntry({ text, colour }: LegendEntry, index: number): string {
  const x = PANEL.left + index * LEGEND_STEP;
  return (
    `<g class="c${colour}"><path class="line" d="M${x} 34h20"/>` +
    `<circle class="dot" cx="${x + 10}" cy="34" r="2.5"/></g>` +
    `<text class="text" x="${x + 26}" y="38">${text}</text>`
  );
}

function panelOf({ title, about, lines }: Panel, chart: Chart, x: Decades, y: Decades): string {
  const right = PANEL.width - PANEL.right;
  const bottom = PANEL.height - PANEL.bottom;
  const across = scale(x, PANEL.left + 8, right - 8);
  const up = scale(y, bottom - 4, PANEL.top);
  const grid = powers(y).map(
    (value) =>
      `<path class="grid" d="M${PANEL.left} ${up(value)}H${right}"/>` +
      `<text class="faint" x="${PANEL.left - 6}" y="${up(value)}" dy="4"` +
      ` text-anchor="end">${chart.yText(value)}</text>`,
  );
  const ticks = powers(x).map(
    (value) =>
      `<text class="faint" x="${across(value)}" y="${bottom + 16}"` +
      ` text-anchor="middle">${chart.xText(value)}</text>`,
  );
  const drawn = lines.map(({ colour, points }) => {
    const at = points.map((point) => `${across(point.x)} ${up(point.y)}`);
    const dots = points.map(
      (point) => `<circle class="dot" cx="${across(point.x)}" cy="${up(point.y)}" r="2.5"/>`,
    );
    return `<g class="c${colour}"><path class="line" d="M${at.join('L')}"/>${dots.join('')}</g>`;
  });
  const head =
    `<text class="text title" x="${PANEL.left}" y="${PANEL.top - 12}">${title}` +
    `<title>${about}</title></text>`;
  return [head, ...grid, ...ticks, ...drawn].join('\n');
}

/** From a value to a place between `from` and `to`, in tenths of a pixel. */
function scale(decades: Decades, from: number, to: number): (value: number) => number {
  const length = decades.to - decades.from;
  return (value) => {
    const share = (Math.log10(Math.max(value, 10 ** decades.from)) - decades.from) / length;
    return Math.round((from + share * (to - from)) * 10) / 10;
  };
}

function powers({ from, to }: Decades): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

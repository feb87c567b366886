/**
 * Which rows there are: every policy under every workload on the bare segments, then the layers
 * above (addresses, commands, 128 bits) under instantfit and bestfit, and growth.
 */
import { policies } from '../src/engine/command.ts';
import type { Policy } from '../src/engine/command.ts';
import type { Options } from './engine-options.ts';
import { nameOf } from './row.ts';
import type { Row, RowKind } from './row.ts';
import type { Layer } from './subject.ts';
import { workloadNames } from './workload.ts';

const LIVE = [1e3, 1e4, 1e5, 1e6];
const LIVE_QUICK = [1e3, 1e4];
const LIVE_LARGE = 1e7;
const GROWTH = 1e7;
const GROWTH_QUICK = 1e5;

export function plan(options: Options): Row[] {
  const { only } = options;
  const rows = options.goals ? goalRows(options) : allRows(options);
  return rows.filter((row) => only.length === 0 || only.some((text) => nameOf(row).includes(text)));
}

/**
 * At least one row for every goal, and for the costs of single requests those that decided them so
 * far: every policy, without a constraint, with the one that an index serves exactly, with all at
 * once, and with all of them drawn anew for every request.
 */
function goalRows({ pairs, seconds }: Options): Row[] {
  const rows: Row[] = [];
  const add = (workload: RowKind, policy: Policy, layer: Layer, lives: readonly number[]): void => {
    for (const live of lives)
      rows.push({ workload, policy, layer, live, pairs, secondsMax: seconds });
  };
  add('churn', 'instantfit', 'units', LIVE);
  add('churn', 'bestfit', 'units', [1e5]);
  for (const workload of ['churn', 'prefix', 'constrained', 'mixed'] as const) {
    for (const policy of policies) {
      if (workload !== 'churn' || policy !== 'instantfit')
        add(workload, policy, 'units', [1e4, 1e6]);
    }
  }
  add('checkerboard-bounded', 'bestfit', 'units', [1e6]);
  add('churn', 'instantfit', 'wide', [1e4, 1e6]);
  add('churn', 'bestfit', 'wide', [1e4, 1e6]);
  add('growth', 'instantfit', 'engine', [GROWTH]);
  return rows;
}

function allRows(options: Options): Row[] {
  const { quick, large, pairs, seconds } = options;
  const usual = quick ? LIVE_QUICK : LIVE;
  const sizes = options.live ?? (large ? [...usual, LIVE_LARGE] : usual);
  const rows: Row[] = [];
  const add = (workload: RowKind, policy: Policy, layer: Layer, live: number): void => {
    rows.push({ workload, policy, layer, live, pairs, secondsMax: seconds });
  };
  for (const workload of workloadNames) {
    for (const policy of policies) for (const live of sizes) add(workload, policy, 'units', live);
  }
  for (const layer of ['space', 'engine', 'wide'] as const) {
    for (const policy of ['instantfit', 'bestfit'] as const) {
      for (const live of sizes) add('churn', policy, layer, live);
    }
  }
  for (const live of sizes) add('checkerboard-bounded', 'bestfit', 'engine', live);
  const grown = options.live === undefined ? (quick ? GROWTH_QUICK : GROWTH) : Math.max(...sizes);
  add('growth', 'instantfit', 'engine', grown);
  return rows;
}

/** How long a row takes, relative to others: for the progress line. */
export function weightOf({ live, workload }: Row): number {
  const setUp = workload === 'comb' || /checkerboard|impossible/.test(workload) ? 1 : 2;
  return 1 + (live / 1e6) * setUp * 3;
}

// Generated from ../narrow/saving.ts by `npm run wide`. Do not edit.
/**
 * All that a space is, read out in pieces: its segments in order of address, then its gaps in the
 * order in which they are filed. It reads the list of a run or the leaves of a tree alike, without
 * searching or building anything, and what comes out tells neither from the other.
 */
import type { Quanta, SavedColumns, Saving } from '../space.ts';
import type { Bins } from './bins.ts';
import { quantaOf } from './quanta.ts';
import { FREE, VOID } from './segments.ts';
import type { Unit } from './unit.ts';

/** What a run and ordered segments have in common: a list of segments, named by numbers. */
interface Tiling {
  readonly bins: Bins;
  first(): number;
  after(at: number): number;
  /** What `after` answers with behind the last one. */
  readonly none: number;
  startOf(at: number): Unit;
  endOf(at: number): Unit;
  stateOf(at: number): number;
  idOf(at: number): number;
  gapOf(at: number): number;
}

export class Saver implements Saving {
  readonly #tiling: Tiling;
  /** Place of each gap among the gaps in order of address, from 0. */
  readonly #ordinals: Uint32Array;

  constructor(tiling: Tiling) {
    this.#tiling = tiling;
    this.#ordinals = new Uint32Array(tiling.bins.used);
  }

  *segments(most: number): Generator<SavedColumns> {
    const tiling = this.#tiling;
    let gaps = 0;
    let sizes: Quanta[] = [];
    let states: number[] = [];
    let ids: number[] = [];
    for (let at = tiling.first(); at !== tiling.none; at = tiling.after(at)) {
      const state = tiling.stateOf(at);
      if (state === VOID) continue;
      if (sizes.length === most) {
        yield { sizes, states, ids };
        sizes = [];
        states = [];
        ids = [];
      }
      sizes.push(quantaOf(tiling.endOf(at) - tiling.startOf(at)));
      states.push(state);
      ids.push(state === FREE ? 0 : tiling.idOf(at));
      if (state === FREE) this.#ordinals[tiling.gapOf(at)] = gaps++;
    }
    if (sizes.length > 0) yield { sizes, states, ids };
  }

  *gaps(most: number): Generator<number[]> {
    const { bins } = this.#tiling;
    let ordinals: number[] = [];
    for (let index = bins.nextFilled(0); index >= 0; index = bins.nextFilled(index + 1)) {
      for (let gap = bins.oldest(index); gap !== 0; gap = bins.younger(gap)) {
        if (ordinals.length === most) {
          yield ordinals;
          ordinals = [];
        }
        ordinals.push(this.#ordinals[gap]!);
      }
    }
    if (ordinals.length > 0) yield ordinals;
  }
}

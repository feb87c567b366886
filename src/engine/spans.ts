/**
 * The spans of one arena, in order of address: static ones, which were added, and imported ones,
 * which were taken from the source and go back to it once they are wholly free.
 */
import { assert } from './assert.ts';
import type { SpanRun } from './space.ts';

export interface Span {
  readonly base: bigint;
  readonly size: bigint;
  readonly imported: boolean;
  readonly revision: number;
  /** Busy segments inside; counted for imported spans alone. */
  busy: number;
  /** Revision since which an imported span is wholly free; meaningful while `busy` is 0. */
  idleSince: number;
}

/** What a segment may reach over: an imported span, or adjacent static ones. */
export interface SpanStretch extends SpanRun {
  readonly imported?: Span;
}

export class Spans {
  readonly #spans: Span[] = [];
  /** Imported spans, and those of them that are wholly free. */
  imported = 0;
  idle = 0;

  get count(): number {
    return this.#spans.length;
  }

  /** End of the last span; 0 where there is none. */
  get end(): bigint {
    const last = this.#spans.at(-1);
    return last === undefined ? 0n : last.base + last.size;
  }

  add(span: Span): void {
    const index = this.#after(span.base);
    this.#spans.splice(index, 0, span);
    if (!span.imported) return;
    this.imported++;
    if (span.busy === 0) this.idle++;
  }

  /** Says how many busy segments there are in an imported span, which seemed wholly free. */
  occupy(span: Span, busy: number): void {
    assert(span.imported && span.busy === 0, 'segments are counted in imported spans');
    span.busy = busy;
    if (busy > 0) this.idle--;
  }

  remove(base: bigint): Span {
    const index = this.#after(base) - 1;
    const span = this.#spans[index];
    assert(span?.base === base, 'a span is removed by its base');
    this.#spans.splice(index, 1);
    if (span.imported) {
      assert(span.busy === 0, 'an imported span is given back wholly free');
      this.imported--;
      this.idle--;
    }
    return span;
  }

  /** The span with this base. */
  get(base: bigint): Span | undefined {
    const span = this.holding(base);
    return span?.base === base ? span : undefined;
  }

  /** The span that holds an address. */
  holding(address: bigint): Span | undefined {
    const span = this.#spans[this.#after(address) - 1];
    return span !== undefined && address < span.base + span.size ? span : undefined;
  }

  /** A span that overlaps `[base, base + size)`. */
  overlapping(base: bigint, size: bigint): Span | undefined {
    const span = this.#spans[this.#after(base + size - 1n) - 1];
    return span !== undefined && base < span.base + span.size ? span : undefined;
  }

  /** Spans whose base is `from` or above, in order. */
  *from(from: bigint): Generator<Span> {
    for (let i = this.#after(from - 1n); i < this.#spans.length; i++) yield this.#spans[i]!;
  }

  /** Static spans, adjacent ones as one, in order: the runs that a request may use. */
  *runs(): Generator<{ base: bigint; end: bigint }> {
    let run: { base: bigint; end: bigint } | undefined;
    for (const span of this.#spans) {
      if (span.imported) continue;
      if (run !== undefined && run.end === span.base) run.end = span.base + span.size;
      else {
        if (run !== undefined) yield run;
        run = { base: span.base, end: span.base + span.size };
      }
    }
    if (run !== undefined) yield run;
  }

  /** Adjacent static spans as one, and every imported span by itself, in order: all of the arena. */
  *stretches(): Generator<SpanStretch> {
    let before: SpanStretch | undefined;
    for (const span of this.#spans) {
      const { base, size, imported } = span;
      const beside = before !== undefined && before.base + before.size === base;
      if (beside && !imported && before?.imported === undefined) {
        before = { ...before!, size: before!.size + size };
        continue;
      }
      if (before !== undefined) yield before;
      const edge = imported || (beside && before?.imported !== undefined);
      before = { base, size, edge, ...(imported ? { imported: span } : {}) };
    }
    if (before !== undefined) yield before;
  }

  /**
   * The wholly free imported spans beyond the `keep` that stay, those free longest first, of which
   * each is free since the revision `freeSince` or an earlier one.
   */
  surplus(keep: number, freeSince: number): Span[] {
    if (this.idle <= keep) return [];
    return this.#spans
      .filter((span) => span.imported && span.busy === 0 && span.idleSince <= freeSince)
      .toSorted((a, b) => a.idleSince - b.idleSince)
      .slice(0, this.idle - keep);
  }

  /** Revision since which the imported span that is wholly free for longest is so. */
  idleSince(): number {
    let since = Infinity;
    for (const span of this.#spans) {
      if (span.imported && span.busy === 0 && span.idleSince < since) since = span.idleSince;
    }
    return since;
  }

  /** Counts a segment taken in, or given back to, a span; `revision` is that of the event. */
  tally(span: Span, by: 1 | -1, revision: number): void {
    if (!span.imported) return;
    if (span.busy === 0) this.idle--;
    span.busy += by;
    assert(span.busy >= 0, 'a span holds no fewer than no segments');
    if (span.busy > 0) return;
    this.idle++;
    span.idleSince = revision;
  }

  /** Index of the first span whose base is above `address`. */
  #after(address: bigint): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#spans[middle]!.base <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Addresses to units and back: a Space over the segments of this folder's number system. The origin
 * is a multiple of LIMIT quanta, so that alignments and boundaries mean the same in units as they
 * do in addresses.
 */
import { assert } from '../assert.ts';
import type { Constraint } from '../command.ts';
import type {
  BlockCount,
  Found,
  Holds,
  Joint,
  Loading,
  Placement,
  RestOrder,
  Saving,
  Space,
  SpanRun,
} from '../space.ts';
import { Undo } from '../undo.ts';
import { narrowed } from '../windows.ts';
import type { Window } from '../windows.ts';
import { verify, verifyRun } from './check.ts';
import { placeEarliest } from './earliest.ts';
import { Fit } from './fit.ts';
import { Joining } from './joining.ts';
import { Loader } from './loading.ts';
import { Run } from './run.ts';
import { Saver } from './saving.ts';
import { plainFit } from './ascent.ts';
import type { Request } from './ascent.ts';
import { count, largestFitting, largestFree, place } from './search.ts';
import { BUSY, FREE, HELD, Segments, VOID } from './segments.ts';
import { LIMIT, LIMIT_BITS, NONE, ONE, ZERO, toBigint, toUnit, unitArray } from './unit.ts';
import type { Unit } from './unit.ts';
import { placeAmong, placeInRunAmong } from './windowed.ts';

interface Bounds {
  readonly fit: Fit;
  readonly from: Unit;
  readonly to: Unit;
}

const UNITS = 1n << BigInt(LIMIT_BITS);

export class UnitSpace implements Space {
  /** The segments as an unordered run, until a question needs more. */
  #run: Run | undefined;
  #segments: Segments | undefined;
  readonly #shift: bigint;
  /** Whether addresses are units as they are: every operator on bigints allocates, even by zero. */
  readonly #alike: boolean;
  /** In quanta. */
  readonly #origin: bigint;
  /** The addresses of the window, in number. */
  readonly #whole: bigint;
  /** The size that was asked for last, and of how many quanta it is. */
  #lastLength: Unit = ZERO;
  #lastSize = 0n;
  readonly #undo: Undo;

  /** `quantum` is 2^shift; the space is the window of 2^LIMIT_BITS quanta that holds `within`. */
  constructor(shift: number, within: bigint, undo: Undo = new Undo()) {
    this.#undo = undo;
    this.#shift = BigInt(shift);
    const quanta = within >> this.#shift;
    this.#origin = quanta - (quanta % UNITS);
    this.#whole = UNITS << this.#shift;
    this.#alike = shift === 0 && this.#origin === 0n;
  }

  /** The segments in order, indexed now if they were not. */
  get segments(): Segments {
    if (this.#segments === undefined) {
      const run = this.#run;
      this.#segments = run === undefined ? new Segments() : Segments.of(run);
      this.#run = undefined;
      if (this.#undo.trying) this.#undo.push(() => this.#become(run, undefined));
    }
    return this.#segments;
  }

  /** What the space was before: a run from which segments were made is still as it was then. */
  #become(run: Run | undefined, segments: Segments | undefined): void {
    this.#run = run;
    this.#segments = segments;
  }

  holds(base: bigint, size: bigint): boolean {
    const start = (base >> this.#shift) - this.#origin;
    return start >= 0n && start + (size >> this.#shift) <= UNITS;
  }

  add(base: bigint, size: bigint, edgeStart: boolean, edgeEnd: boolean): void {
    assert(this.holds(base, size), 'a span is added within the window');
    const start = this.#unit(base);
    const end = start + this.#length(size);
    const alone = this.#run === undefined && this.#segments === undefined;
    if (alone && !edgeStart && !edgeEnd) {
      this.#run = new Run(start, end);
      if (this.#undo.trying) this.#undo.push(() => this.#become(undefined, undefined));
      return;
    }
    const { segments } = this;
    segments.addRun(start, end, edgeStart, edgeEnd);
    if (!this.#undo.trying) return;
    assert(edgeStart && edgeEnd, 'in a trial, only imported spans are added');
    this.#undo.push(() => segments.removeRun(start, end));
  }

  remove(base: bigint, size: bigint): void {
    const start = this.#unit(base);
    const end = start + this.#length(size);
    const { segments } = this;
    if (this.#undo.trying) {
      const younger = segments.younger(start);
      this.#undo.push(() => {
        segments.addRun(start, end, true, true);
        segments.refile(start, younger);
      });
    }
    segments.removeRun(start, end);
  }

  place(placement: Placement): bigint | undefined {
    if (placement.size > this.#whole) return undefined;
    const size = this.#length(placement.size);
    if (this.#run !== undefined && isInstant(placement)) {
      const at = this.#run.place(size);
      if (at !== NONE) return this.#address(at);
    }
    const at =
      placement.windows === undefined
        ? this.#placeInOne(placement)
        : placeAmong(this.segments, this.#requests(placement));
    return at === NONE ? undefined : this.#address(at);
  }

  #placeInOne(placement: Placement): Unit {
    const request = this.#request(placement, placement.constraint);
    return request === undefined ? NONE : place(this.segments, request);
  }

  /** The placement as requests, one for each window that has room for it at all. */
  #requests(placement: Placement): Request[] {
    const requests: Request[] = [];
    for (const narrow of eachNarrowed(placement.constraint, placement.windows)) {
      const request = this.#request(placement, narrow);
      if (request !== undefined && request.from + request.size <= request.to)
        requests.push(request);
    }
    return requests;
  }

  /** The placement under a constraint in place of its own; undefined where that excludes every start. */
  #request(placement: Placement, constraint: Constraint): Request | undefined {
    const { policy, seed } = placement;
    const size = this.#length(placement.size);
    const bounds = this.#bounds(constraint, size);
    if (bounds === undefined) return undefined;
    const { fit, from, to } = bounds;
    const cursor = policy === 'nextfit' ? this.#cursor(placement.cursor) : ZERO;
    return { fit, from, to, size, policy, cursor, seed };
  }

  placeJoining(placement: Placement, joints: Iterable<Joint>): bigint | undefined {
    if (placement.size > this.#whole) return undefined;
    const requests = this.#requests(placement);
    const joining = new Joining(this.segments);
    for (const joint of joints) {
      this.#join(joining, joint);
      const at = placeInRunAmong(requests, joining.start, joining.end);
      if (at !== NONE) return this.#address(at);
    }
    return undefined;
  }

  placeEarliest(placement: Placement, { ids, count, slabs }: RestOrder): bigint | undefined {
    if (placement.size > this.#whole) return undefined;
    const all = slabs.map(({ base, size, since }) => {
      const start = this.#unit(base);
      return [start, { end: start + this.#length(size), since }] as const;
    });
    const order = { ids, count, slabs: new Map(all) };
    const at = placeEarliest(this.segments, this.#requests(placement), order);
    return at === NONE ? undefined : this.#address(at);
  }

  #join(joining: Joining, { base, size }: Joint): void {
    const start = this.#unit(base);
    joining.join(start, size === undefined ? undefined : start + this.#length(size));
  }

  largestFitting(constraint: Constraint, windows?: readonly Window[]): bigint {
    let most = 0n;
    for (const narrow of eachNarrowed(constraint, windows)) {
      const there = this.#largestWithin(narrow);
      if (there > most) most = there;
    }
    return most;
  }

  #largestWithin(constraint: Constraint): bigint {
    const { segments } = this;
    if (constraint.address !== undefined) {
      // From exactly there to the end of what is free, or to the first boundary.
      if (!this.holds(constraint.address, 1n << this.#shift)) return 0n;
      const start = this.#unit(constraint.address);
      if (!segments.isFree(start, start + ONE)) return 0n;
      const window = this.#bounds(constraint, segments.endOf(segments.find(start)) - start);
      if (window === undefined || window.from > start || window.to <= start) return 0n;
      if (window.fit.lowest(start, start + ONE, ONE) !== start) return 0n;
      return toBigint(window.fit.capacity(start, window.to)) << this.#shift;
    }
    const window = this.#bounds(constraint, ONE);
    if (window === undefined) return 0n;
    return toBigint(largestFitting(segments, window.fit, window.from, window.to)) << this.#shift;
  }

  count(
    size: bigint,
    constraint: Constraint,
    most: number,
    windows?: readonly Window[],
  ): BlockCount {
    if (size > this.#whole) return { blocks: 0n, more: false };
    const length = this.#length(size);
    const total = { blocks: 0n, more: false };
    for (const narrow of eachNarrowed(constraint, windows)) {
      const bounds = this.#bounds(narrow, length);
      if (bounds === undefined) continue;
      const { blocks, more } = count(this.segments, { ...bounds, size: length }, most);
      total.blocks += toBigint(blocks);
      total.more ||= more;
    }
    return total;
  }

  fill(placement: Placement, count: number, name: (base: bigint) => number): void {
    let taken = 0;
    if (this.#run !== undefined && placement.size <= this.#whole && isInstant(placement)) {
      taken = this.#fillRun(this.#run, this.#length(placement.size), count, name);
    }
    for (; taken < count; taken++) {
      const base = this.place(placement);
      if (base === undefined) return;
      this.occupy(base, placement.size, BUSY, name(base));
    }
  }

  /**
   * Returns how many blocks are taken without an order. They are taken back in one step: a step for
   * each is half of what a block costs.
   */
  #fillRun(run: Run, size: Unit, count: number, name: (base: bigint) => number): number {
    const { trying } = this.#undo;
    const starts = unitArray(trying ? count : 0);
    const gaps = new Uint32Array(starts.length);
    const behind = new Uint32Array(starts.length);
    let taken = 0;
    if (trying) {
      this.#undo.push(() => {
        for (let i = taken - 1; i >= 0; i--) run.unoccupy(starts[i]!, gaps[i]!, behind[i]!);
      });
    }
    for (; taken < count; taken++) {
      const start = run.place(size);
      if (start === NONE) break;
      if (trying) {
        const gap = run.chosen;
        starts[taken] = start;
        gaps[taken] = gap;
        behind[taken] = run.bins.younger(gap);
      }
      const id = name(this.#address(start));
      assert(run.occupy(start, size, BUSY, id), 'a block is taken where it is placed');
    }
    return taken;
  }

  occupy(base: bigint, size: bigint, state: number, id: number): void {
    const start = this.#unit(base);
    const length = this.#length(size);
    if (this.#undo.trying) this.#tryToOccupy(start, length, state, id);
    else if (this.#run?.occupy(start, length, state, id) !== true) {
      this.segments.occupy(start, length, state, id);
    }
  }

  #tryToOccupy(start: Unit, length: Unit, state: number, id: number): void {
    const run = this.#run;
    const gap = run?.standing(start, length) ?? 0;
    if (run !== undefined && gap !== 0) {
      const behind = run.bins.younger(gap);
      assert(run.occupy(start, length, state, id), 'a block is taken where it is placed');
      this.#undo.push(() => run.unoccupy(start, gap, behind));
      return;
    }
    const { segments } = this;
    const from = segments.startOf(segments.find(start));
    const younger = segments.younger(from);
    segments.occupy(start, length, state, id);
    this.#undo.push(() => {
      segments.vacate(start);
      segments.refile(from, younger);
    });
  }

  vacate(base: bigint): void {
    const start = this.#unit(base);
    if (this.#undo.trying) this.#tryToVacate(start);
    else if (this.#run?.vacate(start) !== true) this.segments.vacate(start);
  }

  #tryToVacate(start: Unit): void {
    const run = this.#run;
    if (run !== undefined && run.find(start) !== 0) {
      const before = run.neighbours(start);
      run.vacate(start);
      this.#undo.push(() => run.unvacate(start, before));
      return;
    }
    const { segments } = this;
    const at = segments.find(start);
    const end = segments.endOf(at);
    const state = segments.stateOf(at);
    const id = segments.idOf(at);
    const left = segments.edgeOf(at) ? -1 : segments.tree.before(at);
    const from = left >= 0 && segments.stateOf(left) === FREE ? segments.startOf(left) : NONE;
    const behindLeft = from === NONE ? NONE : segments.younger(from);
    const behindRight = this.#behindGapAt(end);
    segments.vacate(start);
    this.#undo.push(() => {
      segments.occupy(start, end - start, state, id);
      // One may stand in the queue right before the other.
      const rightFirst = behindLeft === end;
      if (behindRight !== undefined && rightFirst) segments.refile(end, behindRight);
      if (from !== NONE) segments.refile(from, behindLeft);
      if (behindRight !== undefined && !rightFirst) segments.refile(end, behindRight);
    });
  }

  /** Which gap is filed behind the one that starts at `end` and would merge with what ends there. */
  #behindGapAt(end: Unit): Unit | undefined {
    const { segments } = this;
    if (end >= LIMIT) return undefined;
    const at = segments.find(end);
    const merges = segments.stateOf(at) === FREE && !segments.edgeOf(at);
    return merges ? segments.younger(end) : undefined;
  }

  resize(base: bigint, size: bigint): void {
    const { segments } = this;
    const start = this.#unit(base);
    const length = this.#length(size);
    if (this.#undo.trying) {
      const end = segments.endOf(segments.find(start));
      const behind = this.#behindGapAt(end);
      this.#undo.push(() => {
        segments.resize(start, end - start);
        if (behind !== undefined) segments.refile(end, behind);
      });
    }
    segments.resize(start, length);
  }

  relabel(base: bigint, state: number, id: number): void {
    const start = this.#unit(base);
    const run = this.#run;
    const tiling = run !== undefined && run.find(start) !== 0 ? run : this.segments;
    if (this.#undo.trying) {
      const at = tiling.find(start);
      const before = { state: tiling.stateOf(at), id: tiling.idOf(at) };
      this.#undo.push(() => tiling.relabel(start, before.state, before.id));
    }
    tiling.relabel(start, state, id);
  }

  cut(at: bigint, id: number): void {
    const { segments } = this;
    const unit = this.#unit(at);
    segments.cut(unit, id);
    if (this.#undo.trying) this.#undo.push(() => segments.join(unit));
  }

  join(at: bigint): void {
    const { segments } = this;
    const unit = this.#unit(at);
    const id = segments.idOf(segments.find(unit));
    segments.join(unit);
    if (this.#undo.trying) this.#undo.push(() => segments.cut(unit, id));
  }

  hold(which: Holds): void {
    assert(!this.#undo.trying, 'no trial frees all');
    const tiling = this.#run ?? this.segments;
    for (let at = tiling.first(); at !== tiling.none; at = tiling.after(at)) {
      if (tiling.stateOf(at) !== BUSY) continue;
      const start = tiling.startOf(at);
      const length = tiling.endOf(at) - start;
      const id = tiling.idOf(at);
      const isHeld = this.#alike
        ? which(start, length, id)
        : which(this.#address(start), toBigint(length) << this.#shift, id);
      if (isHeld) tiling.mark(at, HELD);
    }
  }

  isFree(base: bigint, size: bigint): boolean {
    if (!this.holds(base, size)) return false;
    const start = this.#unit(base);
    return this.segments.isFree(start, start + this.#length(size));
  }

  find(address: bigint): Found {
    // Every operator on bigints allocates, and so does every number that becomes one.
    const unit = this.#alike ? address : (address >> this.#shift) - this.#origin;
    if (unit < 0n || unit >= UNITS) return { base: address, size: 0n, state: VOID, id: 0 };
    const run = this.#run;
    const start = toUnit(unit);
    const cell = run?.find(start) ?? 0;
    if (run === undefined || cell === 0) return this.#found(this.segments.find(start));
    return {
      base: this.#alike ? address : this.#address(start),
      size: this.#size(run.endOf(cell) - start),
      state: run.stateOf(cell),
      id: run.idOf(cell),
    };
  }

  each(visit: (state: number, id: number, found: () => Found) => void): Found | undefined {
    const run = this.#run;
    const tiling = run ?? this.segments;
    let at: number = tiling.none;
    const found = (): Found => (run === undefined ? this.#found(at) : this.#foundIn(run, at));
    for (let next = tiling.first(); next !== tiling.none; next = tiling.after(next)) {
      const state = tiling.stateOf(next);
      if (state === VOID) continue;
      at = next;
      visit(state, tiling.idOf(at), found);
    }
    return at === tiling.none ? undefined : found();
  }

  walk(from: bigint, visit: (segment: Found) => boolean): void {
    const unit = (from >> this.#shift) - this.#origin;
    if (unit >= UNITS) return;
    // All of a run is there in order; only a place within it has to be looked up.
    const run = this.#run;
    if (run !== undefined && unit <= toBigint(run.start)) {
      for (let cell = run.first(); cell !== 0; cell = run.after(cell)) {
        if (!visit(this.#foundIn(run, cell))) return;
      }
      return;
    }
    const { segments } = this;
    let at = segments.find(unit < 0n ? ZERO : toUnit(unit));
    for (; at >= 0; at = segments.after(at)) {
      if (segments.stateOf(at) !== VOID && !visit(this.#found(at))) return;
    }
  }

  resting(visit: (segment: Found) => void): void {
    const run = this.#run;
    const tiling = run ?? this.segments;
    for (let at = tiling.first(); at !== tiling.none; at = tiling.after(at)) {
      if (tiling.stateOf(at) !== HELD || tiling.idOf(at) === 0) continue;
      visit(run === undefined ? this.#found(at) : this.#foundIn(run, at));
    }
  }

  save(): Saving {
    return new Saver(this.#run ?? this.segments);
  }

  load(runs: readonly SpanRun[], ordered: boolean): Loading {
    assert(this.#run === undefined && this.#segments === undefined, 'a fresh space is filled');
    const bounds = runs.map(({ base, size, edge }) => {
      assert(this.holds(base, size), 'a span is added within the window');
      const start = this.#unit(base);
      return { start, end: start + this.#length(size), edge };
    });
    const [only] = bounds;
    if (ordered || bounds.length !== 1 || only === undefined || only.edge) {
      return new Loader({ ordered: this.segments }, bounds);
    }
    this.#run = new Run(only.start, only.end, true);
    return new Loader({ unordered: this.#run }, bounds);
  }

  get free(): bigint {
    return toBigint((this.#run ?? this.segments).free) << this.#shift;
  }

  get size(): bigint {
    const run = this.#run;
    return toBigint(run === undefined ? this.segments.size : run.end - run.start) << this.#shift;
  }

  get largestFree(): bigint {
    const most = this.#run === undefined ? NONE : this.#run.largestFree();
    return toBigint(most === NONE ? largestFree(this.segments) : most) << this.#shift;
  }

  get holes(): number {
    return (this.#run ?? this.segments).bins.count;
  }

  get histogram(): readonly number[] {
    return (this.#run ?? this.segments).bins.histogram();
  }

  get bytes(): number {
    return (this.#run ?? this.segments).bytes;
  }

  check(): string[] {
    const run = this.#run;
    return run === undefined ? verify(this.segments) : verifyRun(run);
  }

  /** The fit and the window of a constraint; undefined where they exclude every start. */
  #bounds(constraint: Constraint, size: Unit): Bounds | undefined {
    const { align, phase, nocross, min, max, address } = constraint;
    const shift = this.#shift;
    const origin = this.#origin;
    let from = ZERO;
    let to = LIMIT;
    if (min !== undefined) {
      const least = ((min + (1n << shift) - 1n) >> shift) - origin;
      if (least >= UNITS) return undefined;
      if (least > 0n) from = toUnit(least);
    }
    if (max !== undefined) {
      const most = ((max + 1n) >> shift) - origin;
      if (most <= 0n) return undefined;
      if (most < UNITS) to = toUnit(most);
    }
    let exact = address === undefined ? undefined : (address >> shift) - origin;
    let step = align === undefined ? 1n : align >> shift;
    let first = 0n;
    if (step <= 1n) step = 1n;
    else first = (((((phase ?? 0n) >> shift) - origin) % step) + step) % step;
    if (step > UNITS) {
      // So coarse an alignment leaves one start in the window, or none.
      if (exact !== undefined && exact !== first) return undefined;
      exact = first;
      step = 1n;
      first = 0n;
    }
    if (exact !== undefined) {
      if (exact < 0n || exact >= UNITS) return undefined;
      const start = toUnit(exact);
      if (start < from || start + size > to) return undefined;
      from = start;
      to = start + size;
    }
    const boundary = nocross === undefined ? 0n : nocross >> shift;
    if (step === 1n && boundary === 0n) return { fit: plainFit, from, to };
    const crossing = boundary >= UNITS ? ZERO : toUnit(boundary);
    return { fit: new Fit(toUnit(step), toUnit(first), crossing), from, to };
  }

  #cursor(address: bigint): Unit {
    const unit = (address >> this.#shift) - this.#origin;
    if (unit <= 0n) return ZERO;
    return unit >= UNITS ? LIMIT : toUnit(unit);
  }

  #foundIn(run: Run, cell: number): Found {
    const size = this.#size(run.endOf(cell) - run.startOf(cell));
    const base = this.#address(run.startOf(cell));
    return { base, size, state: run.stateOf(cell), id: run.idOf(cell) };
  }

  #found(at: number): Found {
    const { segments } = this;
    const start = segments.startOf(at);
    return {
      base: this.#address(start),
      size: this.#size(segments.endOf(at) - start),
      state: segments.stateOf(at),
      id: segments.idOf(at),
    };
  }

  #unit(address: bigint): Unit {
    return toUnit(this.#alike ? address : (address >> this.#shift) - this.#origin);
  }

  #length(size: bigint): Unit {
    return toUnit(this.#alike ? size : size >> this.#shift);
  }

  /** The size of so many quanta: mostly that of the one before. */
  #size(length: Unit): bigint {
    if (length !== this.#lastLength) {
      this.#lastSize = toBigint(length) << this.#shift;
      this.#lastLength = length;
    }
    return this.#lastSize;
  }

  #address(unit: Unit): bigint {
    const quanta = toBigint(unit);
    return this.#alike ? quanta : (quanta + this.#origin) << this.#shift;
  }
}

/** The constraint within each of the windows that it does not exclude; as it is where there are none. */
function* eachNarrowed(
  constraint: Constraint,
  windows: readonly Window[] | undefined,
): Generator<Constraint> {
  if (windows === undefined) return yield constraint;
  for (const window of windows) {
    const narrow = narrowed(constraint, window);
    if (narrow !== undefined) yield narrow;
  }
}

/** Whether a block goes where the bins say, in the whole of the space. */
function isInstant({ constraint, policy, windows }: Placement): boolean {
  return policy === 'instantfit' && windows === undefined && free(constraint);
}

function free({ align, phase, nocross, min, max, address }: Constraint): boolean {
  return (align ?? phase ?? nocross ?? min ?? max ?? address) === undefined;
}

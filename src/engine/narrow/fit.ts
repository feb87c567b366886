/**
 * The arithmetic of one request inside one free range: where a block may start, given align, phase
 * and nocross. Ranges are half-open units `[start, end)`. Bounds (min, max, address) are no business
 * of this file: the caller clips the range.
 *
 * A block of `size` may start at `p` when `p ≡ phase (mod align)` and `[p, p + size)` contains no
 * interior multiple of `nocross`. Since a block that may start at `p` may also be shorter, "the
 * largest block that fits in this range" (`capacity`) answers for every size at once: a size fits if
 * and only if it is at most the capacity. The indexes keep maxima of capacities, and are exact.
 */
import { LIMIT, NONE, ONE, ZERO, distanceTo, floorTo, floorToPower, order } from './unit.ts';
import { power, toBigint, toUnit } from './unit.ts';
import type { Unit } from './unit.ts';

export class Fit {
  readonly align: Unit;
  readonly phase: Unit;
  /** A power of two, or ZERO for none. */
  readonly nocross: Unit;
  /** Neither alignment nor nocross: capacity is the length of the range. */
  readonly plain: boolean;
  /** `align` is a power of two, as it is in all but exotic requests. */
  readonly #binary: boolean;

  /** `phase < align`; `align` at least ONE. */
  constructor(align: Unit, phase: Unit, nocross: Unit) {
    this.align = align;
    this.phase = phase;
    this.nocross = nocross;
    this.plain = align === ONE && nocross === ZERO;
    this.#binary = power(order(align)) === align;
  }

  same(other: Fit): boolean {
    return (
      this.align === other.align && this.phase === other.phase && this.nocross === other.nocross
    );
  }

  /** Whether a block of `size` may start anywhere at all, the space being large enough. */
  admits(size: Unit): boolean {
    if (this.nocross === ZERO || !this.#binary) return true;
    return this.phase - floorToPower(this.phase, this.nocross) + size <= this.nocross;
  }

  /** The lowest start of a block of `size` in the range, or NONE. */
  lowest(start: Unit, end: Unit, size: Unit): Unit {
    if (start + size > end) return NONE;
    if (this.plain) return start;
    let at = this.#up(start);
    if (this.nocross !== ZERO && at + size > floorToPower(at, this.nocross) + this.nocross) {
      if (!this.#binary) at = this.#escape(at, size, this.align);
      else if (this.align >= this.nocross)
        return NONE; // every start has the same residue
      else at = floorToPower(at, this.nocross) + this.nocross + this.phase;
      if (at === NONE || at + size > floorToPower(at, this.nocross) + this.nocross) return NONE;
    }
    return at + size <= end ? at : NONE;
  }

  /** The highest start of a block of `size` in the range, or NONE. */
  highest(start: Unit, end: Unit, size: Unit): Unit {
    if (start + size > end) return NONE;
    let at = end - size;
    if (this.plain) return at;
    if (at < this.phase) return NONE;
    at = this.phase + floorTo(at - this.phase, this.align);
    if (this.nocross !== ZERO && at + size > floorToPower(at, this.nocross) + this.nocross) {
      if (!this.#binary) at = this.#escape(at, size, -this.align);
      else if (this.align >= this.nocross) return NONE;
      else {
        const last = floorToPower(at, this.nocross) + this.nocross - size;
        if (last < this.phase) return NONE;
        at = this.phase + floorTo(last - this.phase, this.align);
      }
      if (at < ZERO || at + size > floorToPower(at, this.nocross) + this.nocross) return NONE;
    }
    return at >= start ? at : NONE;
  }

  /** The size of the largest block that fits in the range; ZERO when none does. */
  capacity(start: Unit, end: Unit): Unit {
    if (this.plain) return end - start;
    const first = this.#up(start);
    if (first >= end) return ZERO;
    if (this.nocross === ZERO) return end - first;
    if (!this.#binary) return this.#bisect(start, end);
    const boundary = floorToPower(first, this.nocross) + this.nocross;
    if (boundary >= end) return end - first;
    if (this.align >= this.nocross) return boundary - first;
    // The first start of the next block leaves as much as any later one, or runs into the end.
    const second = boundary + this.phase;
    const next = boundary + this.nocross < end ? boundary + this.nocross : end;
    const there = next > second ? next - second : ZERO;
    return boundary - first > there ? boundary - first : there;
  }

  /** How many blocks of `size` fit in the range side by side: each at the lowest start that is left. */
  count(start: Unit, end: Unit, size: Unit): Unit {
    const { align, phase, nocross } = this;
    const first = this.lowest(start, end, size);
    if (first === NONE) return ZERO;
    const step = floorTo(size + align - ONE, align);
    if (nocross === ZERO || (this.#binary && align >= nocross)) {
      return sideBySide(first, end, size, step);
    }
    if (!this.#binary && size <= align) {
      // No start bars another: those count that are followed by `size` before the next boundary.
      const starts = sideBySide(first, end, size, step);
      return residuesUpTo(starts, first, align, nocross, nocross - size);
    }
    const boundary = floorToPower(first, nocross) + nocross;
    if (boundary >= end) return sideBySide(first, end, size, step);
    // Every two boundaries have room for blocks of their own.
    const last = floorToPower(end, nocross);
    const whole = quotient(last - boundary, nocross);
    const ends =
      sideBySide(first, boundary, size, step) + sideBySide(this.#up(last), end, size, step);
    if (this.#binary) return ends + whole * sideBySide(phase, nocross, size, step);
    // How far behind its boundary the first start lies differs: near enough, there is room for one more.
    const least = quotient(nocross - size, step);
    const near = nocross - size - least * step;
    const stride = align - (nocross - floorTo(nocross, align));
    const distance = this.#up(boundary) - boundary;
    return ends + whole * least + residuesUpTo(whole, distance, stride, align, near);
  }

  #up(start: Unit): Unit {
    if (this.#binary) return start + distanceTo(this.phase, this.align, start);
    if (start <= this.phase) return this.phase;
    const distance = start - this.phase;
    const down = floorTo(distance, this.align);
    return this.phase + (down === distance ? down : down + this.align);
  }

  /**
   * From a start that crosses, the nearest one in steps of `step` that does not: with an align that
   * is no power of two the residues modulo nocross wander, and the first good one is the first k
   * with `k·step mod nocross` in a window.
   */
  #escape(at: Unit, size: Unit, step: Unit): Unit {
    const modulus = toBigint(this.nocross);
    const residue = toBigint(at - floorToPower(at, this.nocross));
    const stride = ((toBigint(step) % modulus) + modulus) % modulus;
    const least = modulus - residue;
    const steps = firstMultiple(stride, modulus, least, least + modulus - toBigint(size));
    if (steps < 0n) return NONE;
    const there = toBigint(at) + steps * toBigint(step);
    return there < 0n || there >= toBigint(LIMIT) ? NONE : toUnit(there);
  }

  #bisect(start: Unit, end: Unit): Unit {
    let fits = ZERO;
    let fails = (end - start < this.nocross ? end - start : this.nocross) + ONE;
    while (fails - fits > ONE) {
      const size = fits + half(fails - fits);
      if (this.lowest(start, end, size) === NONE) fails = size;
      else fits = size;
    }
    return fits;
  }
}

function half(unit: Unit): Unit {
  return quotient(unit, ONE + ONE);
}

/**
 * The least k >= 0 with `least <= k·stride mod modulus <= most`, or -1, for `0 < least`. Euclid's
 * algorithm on the window: where no multiple of stride falls into it before the first wrap, the
 * number of wraps is the answer of a smaller instance.
 */
function firstMultiple(stride: bigint, modulus: bigint, least: bigint, most: bigint): bigint {
  if (least === 0n) return 0n;
  if (stride === 0n) return -1n;
  const direct = (least + stride - 1n) / stride;
  if (direct * stride <= most) return direct;
  const low = (stride - (most % stride)) % stride;
  const high = (stride - (least % stride)) % stride;
  if (low > high) return -1n;
  const wraps = firstMultiple(modulus % stride, stride, low, high);
  return wraps < 0n ? -1n : (least + modulus * wraps + stride - 1n) / stride;
}

function quotient(unit: Unit, divisor: Unit): Unit {
  return floorTo(unit, divisor) / divisor;
}

/** Blocks that begin a step apart, from `from` on, as long as they end by `to`. */
function sideBySide(from: Unit, to: Unit, size: Unit, step: Unit): Unit {
  return from + size > to ? ZERO : quotient(to - size - from, step) + ONE;
}

/** Of the residues of `from + i·stride` modulo `modulus`, 0 <= i < `count`: how many are at most `most`. */
function residuesUpTo(count: Unit, from: Unit, stride: Unit, modulus: Unit, most: Unit): Unit {
  if (most >= modulus) return count;
  const [n, c, d, m] = [toBigint(count), toBigint(from), toBigint(stride), toBigint(modulus)];
  // A residue above `most` is one at which raising it by what is left of the modulus wraps around.
  const wrapped = floorSum(n, m, d, c + m - toBigint(most) - 1n) - floorSum(n, m, d, c);
  return toUnit(n - wrapped);
}

/** The sum of ⌊(a·i + b) / m⌋ over 0 <= i < n, as Euclid's algorithm goes through the quotients. */
function floorSum(n: bigint, m: bigint, a: bigint, b: bigint): bigint {
  let sum = 0n;
  for (;;) {
    sum += (((n - 1n) * n) / 2n) * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    const most = a * n + b;
    if (most < m) return sum;
    n = most / m;
    b = most % m;
    [m, a] = [a, m];
  }
}

/** The size of the largest naturally aligned power of two in the range; ZERO in an empty one. */
export function prefixCapacity(start: Unit, end: Unit): Unit {
  if (end <= start) return ZERO;
  const block = power(order(end - start));
  const down = floorToPower(start, block);
  const at = down === start ? down : down + block;
  if (at + block <= end) return block;
  // A range of at least 2^k always holds an aligned block of 2^(k-1).
  return block === ONE ? ONE : half(block);
}

/** Whether `[start, start + size)` satisfies the fit: the post-condition, in the request's words. */
export function satisfies(fit: Fit, start: Unit, size: Unit): boolean {
  return fit.lowest(start, start + size, size) === start;
}

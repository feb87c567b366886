/**
 * Traces: what was asked of the seed (the vmem allocator that the engine takes its semantics from,
 * NetBSD's subr_vmem.c 1.106) and what it answered, one step a line, in plain text. The same lines
 * without their answers are what the seed's driver reads, see `seed-driver.ts`.
 *
 *     c QUANTUM                                          an arena without spans
 *     s BASE SIZE                                        adds a span
 *     a SIZE I|B ANSWER                                  alloc, instant or best fit
 *     x SIZE ALIGN PHASE NOCROSS MIN MAX I|B ANSWER      xalloc; 0 is no align and no nocross
 *     f ADDRESS SIZE                                     frees
 *     d BASE+SIZEb BASE+SIZEf …                          all segments, busy and free, in order
 *     z SIZE IN_USE                                      the sum of the spans, and of what is busy
 *
 * An answer is an address, `-` for a refusal, or a divergence: `-` or `!` (the seed died of an
 * assertion) with its reason, which `divergence.ts` explains. Lines that begin with `#` are comments.
 */
import type { Constraint, Range } from '../../src/engine/command.ts';
import { divergences, type Divergence } from './divergence.ts';

export interface Request {
  readonly type: 'alloc' | 'xalloc';
  readonly size: bigint;
  readonly constraint: Constraint;
  readonly fit: 'I' | 'B';
}

export interface Answer {
  /** Absent where the seed refuses, or dies. */
  readonly address?: bigint;
  readonly died: boolean;
  readonly divergence?: Divergence;
}

export type Step =
  | { readonly type: 'create'; readonly quantum: bigint }
  | ({ readonly type: 'add' } & Range)
  | { readonly type: 'request'; readonly request: Request; readonly answer: Answer }
  | ({ readonly type: 'free' } & Range)
  | { readonly type: 'segments'; readonly segments: string }
  | { readonly type: 'sizes'; readonly size: bigint; readonly allocated: bigint };

const top = (1n << 64n) - 1n;

/** The line that asks the seed for the request. */
export function writeRequest({ type, size, constraint, fit }: Request): string {
  if (type === 'alloc') return `a ${size} ${fit}`;
  const { align = 0n, phase = 0n, nocross = 0n, min = 0n, max = top } = constraint;
  return `x ${size} ${align} ${phase} ${nocross} ${min} ${max} ${fit}`;
}

export function writeAnswer({ address, died, divergence }: Answer): string {
  return address === undefined ? `${died ? '!' : '-'}${divergence ?? ''}` : `${address}`;
}

/**
 * The steps of a trace.
 *
 * @throws {Error} at a line that is no step.
 */
export function readTrace(text: string): Step[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map(readStep);
}

function readStep(line: string): Step {
  const [kind, ...fields] = line.split(' ');
  const number = (at: number): bigint => BigInt(fields[at]!);
  switch (kind) {
    case 'c':
      return { type: 'create', quantum: number(0) };
    case 's':
      return { type: 'add', base: number(0), size: number(1) };
    case 'f':
      return { type: 'free', base: number(0), size: number(1) };
    case 'd':
      return { type: 'segments', segments: fields.join(' ') };
    case 'z':
      return { type: 'sizes', size: number(0), allocated: number(1) };
    case 'a':
    case 'x': {
      const answer = readAnswer(fields.pop()!);
      const fit = fields.pop() === 'I' ? 'I' : 'B';
      const constraint = kind === 'a' ? {} : readConstraint(fields.slice(1).map(BigInt));
      const type = kind === 'a' ? 'alloc' : 'xalloc';
      return { type: 'request', request: { type, size: number(0), constraint, fit }, answer };
    }
    default:
      throw new Error(`no step of a trace: ${line}`);
  }
}

function readConstraint(fields: readonly bigint[]): Constraint {
  const [align = 0n, phase = 0n, nocross = 0n, min = 0n, max = top] = fields;
  return {
    ...(align === 0n ? {} : { align }),
    ...(phase === 0n ? {} : { phase }),
    ...(nocross === 0n ? {} : { nocross }),
    ...(min === 0n ? {} : { min }),
    ...(max === top ? {} : { max }),
  };
}

function readAnswer(text: string): Answer {
  const died = text.startsWith('!');
  if (!died && !text.startsWith('-')) return { address: BigInt(text), died };
  const divergence = divergences.find((reason) => reason === text.slice(1));
  if (divergence !== undefined) return { died, divergence };
  if (text !== '-') throw new Error(`no answer: ${text}`);
  return { died };
}

/**
 * All that can be seen of an engine: every view of every arena, and what it would answer to some
 * probes. The probes show what no view does, such as the cursor of nextfit or the order in which
 * instantfit lets segments rest. Two engines with equal pictures are in the same state, and a refused
 * command must leave the picture as it was.
 */
import { policies, type Alloc, type At } from '../../src/engine/command.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { walk } from '../engine/harness.ts';

const everything = 1_000_000;

/** `at` is the time of the probes, in milliseconds. */
export function pictureOf(engine: Engine, at: number): string {
  const arenas = engine.arenas(undefined, everything).map((view) => {
    const allocations: unknown[] = [];
    engine.walkAllocations(view.arena, 0n, (allocation) => allocations.push(allocation) > 0);
    const spans = engine.spans(view.arena, 0n, everything);
    const answers = probesOf(view, at).map((probe) => engine.decide(probe));
    const segments = walk(engine, view.arena).map(
      ({ address, size, state }) => `${address} +${size} ${state}`,
    );
    return { view, spans, allocations, segments, answers };
  });
  const leases: unknown[] = [];
  engine.walkLeases('', (lease) => leases.push(lease) > 0);
  const { revision } = engine;
  return JSON.stringify({ revision, arenas, leases, idling: engine.idling() }, plain, 1);
}

/** One unit, and half of the largest segment, by every policy; and all that is left but one unit. */
function probesOf(
  { arena, quantum, largestFree }: { arena: string; quantum: bigint; largestFree: bigint },
  at: number,
): At<Alloc>[] {
  const sizes = [quantum, largestFree / 2n + 1n];
  const seed = 0x9e3779b9;
  const probes = policies.flatMap((policy) =>
    sizes.map((size): At<Alloc> => {
      return { type: 'alloc', at, arena, size, constraint: {}, labels: {}, seed, policy };
    }),
  );
  const aligned = { align: quantum * 4n, phase: quantum };
  const size = largestFree > quantum ? largestFree - quantum : quantum;
  probes.push({ type: 'xalloc', at, arena, size, constraint: aligned, labels: {}, seed });
  return probes;
}

/** Deadlines are no state: one engine was told of them, the other was not. */
function plain(key: string, value: unknown): unknown {
  if (key === 'deadline') return undefined;
  return typeof value === 'bigint' ? `${value}` : value;
}

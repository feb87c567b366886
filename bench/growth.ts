/**
 * Growth: allocations are added to one arena, through the whole engine with its records, and none
 * is freed. What counts is not the mean but the memory at the end and the longest single operation:
 * an array that is copied to grow, or a garbage collection, stops everyone who waits.
 *
 * Every operation is timed; the longest is the longest of all, the quantiles are those of every
 * n-th, so that the samples themselves do not weigh in the memory. An index that an arena builds
 * when a request first needs it is a pause as well: one such request, at the end, is timed apart.
 */
import { Samples, clockCost, now } from './clock.ts';
import { peakMemory } from './measure.ts';
import { Xorshift32 } from './random.ts';
import type { Figures, Row } from './row.ts';
import { openSubject } from './subject.ts';
import type { Ask } from './subject.ts';

const SAMPLES_MAX = 100_000;
const REHEARSAL = 20_000;

export function measureGrowth(row: Row): Figures {
  grow(row, Math.min(row.live, REHEARSAL));
  return grow(row, row.live);
}

function grow({ layer, policy }: Row, live: number): Figures {
  // One slot, written over each time: the workload remembers nothing, the memory is the engine's.
  const subject = openSubject({ layer, policy, span: live * 64, slots: 1 });
  const random = new Xorshift32();
  const cost = clockCost();
  const every = Math.ceil(live / SAMPLES_MAX);
  const alloc = new Samples(SAMPLES_MAX, cost);
  let max = 0;
  let refusals = 0;
  const begin = now();
  for (let i = 0; i < live; i++) {
    const before = now();
    const granted = subject.alloc(0, 1 + random.below(64), undefined);
    const elapsed = now() - before;
    if (!granted) refusals++;
    if (elapsed > max) max = elapsed;
    if (i % every === 0) alloc.add(elapsed);
  }
  const mean = (now() - begin) / live - cost;
  const rss = peakMemory();
  const asked = now();
  const ordered: Ask = { align: 16, phase: 0, nocross: 0, from: live, to: live * 64 };
  subject.alloc(0, 1, ordered);
  const firstOrdered = now() - asked;
  return {
    mean,
    pairs: live,
    alloc: { ...alloc.summary(), max: Math.max(0, max - cost) },
    refused: refusals / live,
    segments: subject.census().segments,
    rss,
    firstOrdered,
    cutShort: false,
  };
}

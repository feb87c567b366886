/**
 * The fault campaign in its short form: a few brief rounds of each part, with fixed seeds. The long
 * one is `npm run campaign`; what the parts do is said in each of them.
 */
import { expect, test } from 'vitest';
import { bitFlips } from './bit-flips.ts';
import { fullDisks } from './full-disks.ts';
import { ioFaults } from './io-faults.ts';
import { kills } from './kills.ts';
import type { Part } from './part.ts';
import { powerCuts } from './power-cuts.ts';
import { rotate } from './rotation.ts';
import { sabotage, sabotageCount } from './sabotage.ts';
import { stops } from './stops.ts';
import type { Counts } from './tally.ts';
import { walCuts } from './wal-cuts.ts';

/** A round that takes longer hangs. */
const roundMsMax = 60_000;
const seed = 1;

/** Runs rounds with these seeds; what is counted in all must be at least as much as `least`. */
function campaign(part: Part, seeds: readonly number[], least: Partial<Counts>): void {
  const why = part.impossible?.();
  const skipped = why === undefined ? '' : ` (skipped: ${why})`;
  const options = { timeout: seeds.length * roundMsMax, skip: why !== undefined };
  test(`${part.name}: ${part.about}${skipped}`, options, async () => {
    const counted: Partial<Counts>[] = [];
    for (const seed of seeds) {
      const seconds = roundMsMax / 1000;
      const tally = await rotate({ parts: [part], seed, seconds, rounds: 1, brief: true });
      counted.push(tally.total);
    }
    for (const [what, count] of Object.entries(least) as [keyof Counts, number][]) {
      const sum = counted.reduce((before, counts) => before + (counts[what] ?? 0), 0);
      // Rounds in which nothing happened would prove nothing.
      expect(sum, what).toBeGreaterThanOrEqual(count);
    }
  });
}

/** Seeds of io-faults: each mode once, at calls from the creation of the database to the load. */
const listedFaults = [1, 12, 60, 100, 115, 130].map((call, mode) => 2 * (6 * (call - 1) + mode));

campaign(kills, [seed], { kills: 2, acknowledged: 100 });
campaign(ioFaults, listedFaults, { faults: 6, acknowledged: 40 });
campaign(fullDisks, [seed], { faults: 1, acknowledged: 20 });
campaign(powerCuts, [seed], { images: 200, altered: 50, lossy: 50 });
campaign(walCuts, [seed], { cuts: 50, refusals: 5 });
campaign(bitFlips, [seed], { flips: 50, refusals: 5 });
campaign(stops, [seed], { stops: 2, jumps: 2, acknowledged: 100 });
campaign(
  sabotage,
  Array.from({ length: sabotageCount }, (_, index) => index),
  { sabotages: sabotageCount },
);

/**
 * The simulation in its short form, and the proof that it finds what it is there to find.
 *
 *   VMEMD_SEED     the seed of the first round, another one in every run unless set
 *   VMEMD_ROUNDS   how many rounds, 300 unless set; each is a few lives of the service
 */
import { describe, expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { runSimulation } from './simulation.ts';
import { crashesOf, endings } from './totals.ts';

const seed = integerOf('VMEMD_SEED', Date.now() % 2 ** 32);
const rounds = integerOf('VMEMD_ROUNDS', 300);
/** A hang fails the test after this long, on however slow a machine. */
const roundMsMax = 1000;

test(
  `${rounds} rounds: nothing acknowledged is lost, nothing shown is undone, seed ${seed}`,
  { timeout: 60_000 + rounds * roundMsMax },
  async () => {
    const totals = await runSimulation({ seed, rounds });
    expect(totals.rounds).toBe(rounds);
    if (rounds < 300) return;
    // A run that met no fault would prove nothing.
    for (const ending of endings) expect(totals.endings[ending], ending).toBeGreaterThan(0);
    const { acknowledged, answers, busy, unknown, lost } = totals;
    for (const count of [acknowledged, answers - acknowledged, busy, unknown, lost]) {
      expect(count).toBeGreaterThan(rounds / 10);
    }
    expect(crashesOf(totals)).toBeGreaterThan(rounds);
  },
);

test('the same seed is the same run', async () => {
  const [first, second] = [
    await runSimulation({ seed, rounds: 20 }),
    await runSimulation({ seed, rounds: 20 }),
  ];
  expect(first).toEqual(second);
});

describe('a service is found out that', () => {
  test.each(Object.entries(mutants))('%s', async (_, parts) => {
    await expect(runSimulation({ seed, rounds: 300, parts })).rejects.toThrow(/^seed \d+: /);
  });
});

function integerOf(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`${variable} must be a number, not "${text}"`);
  return Number(text);
}

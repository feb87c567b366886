/**
 * Simulated: engine, sequencer and recovery in one process over a journal that fails, thousands of
 * times faster than a real service is killed and started. See test/simulation.
 */
import { runSimulation } from '../simulation/simulation.ts';
import { crashesOf } from '../simulation/totals.ts';
import type { Part } from './part.ts';

const roundsPerRound = 500;
const roundsPerBriefRound = 20;

export const simulated: Part = {
  name: 'simulated',
  about: 'simulated crashes, at every moment of a group and of a checkpoint',
  async run({ seed, brief, count }) {
    const rounds = brief ? roundsPerBriefRound : roundsPerRound;
    // Rounds of neighbouring seeds overlap otherwise: a simulation goes on to the seeds behind.
    const first = (seed * roundsPerRound) % 2 ** 32;
    const totals = await runSimulation({ seed: first, rounds });
    count('acknowledged', totals.acknowledged);
    count('crashes', crashesOf(totals));
    count('open', totals.unknown);
  },
};

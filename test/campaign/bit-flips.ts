/**
 * Flipped bits in the database, in its write-ahead log and in the head anchor. Either recovery
 * refuses, or the flip was where nothing is and the state is the whole one: less is never served.
 */
import { Random } from '../model/random.ts';
import type { Part, Round } from './part.ts';
import { database, head, log, Specimen } from './specimen.ts';

const flipsPerRound = 400;
const flipsPerBriefRound = 80;

export const bitFlips: Part = {
  name: 'bit-flips',
  about: 'bits flipped in the database, its write-ahead log and the head anchor',
  run: flipBits,
};

async function flipBits(round: Round): Promise<void> {
  const random = new Random(round.seed, 'bit-flips');
  const specimen = await Specimen.make(round);
  for (let left = round.brief ? flipsPerBriefRound : flipsPerRound; left > 0; left--) {
    const name = random.pick([database, log, log, head]);
    const bytes = Buffer.from(specimen.files.get(name) ?? []);
    if (bytes.length === 0) continue;
    const at = random.int(bytes.length);
    const bit = random.int(8);
    bytes[at]! ^= 1 << bit;
    const files = new Map(specimen.files).set(name, bytes);
    const what = `bit ${bit} of byte ${at} of ${name} flipped`;
    await specimen.judge(files, what, round, { least: specimen.revision, mustRecover: false });
    round.count('flips');
  }
}

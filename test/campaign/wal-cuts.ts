/**
 * Cuts of the write-ahead log, anywhere in its last transactions. With the head anchor as it was,
 * a cut that takes something durable has to be refused, and one that does not is harmless. With an
 * anchor from the beginning, as a power cut may leave it, the state has to be an exact prefix.
 */
import type { Build } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import type { Part, Round } from './part.ts';
import { head, log, Specimen } from './specimen.ts';

const cutsPerRound = 400;
const cutsPerBriefRound = 60;
const transactions = 4;

const logHeaderBytes = 32;
const frameHeaderBytes = 24;

export const walCuts: Part = {
  name: 'wal-cuts',
  about: 'the write-ahead log cut at any byte of its last transactions',
  run: (round) => cutLog(round),
};

/** Cuts the log of a service; of another build of it, where one is given. */
export async function cutLog(round: Round, build?: Build): Promise<void> {
  const random = new Random(round.seed, 'wal-cuts');
  const specimen = await Specimen.make(round, build);
  const bytes = specimen.files.get(log) ?? Buffer.alloc(0);
  const begin = beginOfLast(transactions, bytes);
  const cuts = round.brief ? cutsPerBriefRound : cutsPerRound;
  // Evenly spread from a random start, so that over the rounds every byte of a frame comes up.
  const stride = Math.max(1, Math.floor((bytes.length - begin) / cuts));
  for (let at = begin + random.int(stride); at < bytes.length; at += stride) {
    const old = random.chance(0.5);
    const files = new Map(specimen.files).set(log, bytes.subarray(0, at));
    if (old) files.set(head, specimen.firstHead);
    const what = `${log} cut at byte ${at} of ${bytes.length}, ${old ? 'first' : 'last'} anchor`;
    const least = old ? 0 : specimen.revision;
    await specimen.judge(files, what, round, { least, mustRecover: old });
    round.count('cuts');
  }
}

/** Where the last transactions of a log begin; its end where it has none. */
function beginOfLast(count: number, bytes: Buffer): number {
  if (bytes.length < logHeaderBytes) return bytes.length;
  const frameBytes = frameHeaderBytes + bytes.readUInt32BE(8);
  const ends: number[] = [];
  // Frames of an earlier use of the log follow those of this one, and have another salt.
  const salt = bytes.subarray(16, 24);
  let at = logHeaderBytes;
  for (; at + frameBytes <= bytes.length; at += frameBytes) {
    if (!bytes.subarray(at + 8, at + 16).equals(salt)) break;
    if (bytes.readUInt32BE(at + 4) > 0) ends.push(at + frameBytes);
  }
  return ends.at(-1 - count) ?? logHeaderBytes;
}

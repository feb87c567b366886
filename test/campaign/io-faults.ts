/**
 * I/O faults: a call that writes, truncates or syncs a file of the data directory fails, or is
 * half done, or the process dies in the middle of it. The service has to stop answering and to end
 * with the exit code for it, and to come back, once the fault is gone, with all that it answered.
 *
 * Every second round takes the next case of a list: each of the first calls with each mode, from
 * the creation of the database to an orderly end. The others fail a call by chance under more load.
 */
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCode } from '../../src/exit-code.ts';
import { audit } from '../crash/audit.ts';
import type { Answer } from '../crash/client.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server, type Exit } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import { must, Violation, type Part, type Round } from './part.ts';
import { Shim, shimImpossible, type FaultMode } from './shim.ts';

/** `full`: from the call on there is no room on the disk. */
type Mode = FaultMode | 'full';
const modes: readonly Mode[] = ['eio', 'enospc', 'short', 'half', 'after', 'full'];

/** About as many calls as starting, the small load and stopping make. */
const listedCallsMax = 160;
const listedAnswers = 24;
const chanceCallsMax = 420;
const chanceAnswers = 240;

interface Case {
  readonly mode: Mode;
  /** The call that fails, counted from 1. */
  readonly call: number;
  readonly answers: number;
  readonly flags: readonly string[];
  /** Whether a service that the fault did not end is killed rather than stopped. */
  readonly kill: boolean;
}

export const ioFaults: Part = {
  name: 'io-faults',
  about: 'EIO, ENOSPC, short writes and death at any write, truncate or sync; a full disk',
  impossible: shimImpossible,
  run: failOneCall,
};

async function failOneCall(round: Round): Promise<void> {
  const random = new Random(round.seed, 'io-faults');
  const chosen = round.seed % 2 === 0 ? listedCase(round.seed / 2, random) : chanceCase(random);
  const data = join(round.folder, 'data');
  await mkdir(data);
  const shim = new Shim({ folder: round.folder, directory: data });
  const { mode, call } = chosen;
  if (mode === 'full') shim.fail('enospc', call, 'from then on');
  else shim.fail(mode, call);
  const ledger = new Ledger();
  const load = new Load(ledger, random);
  try {
    const exit = await liveWithFault(data, shim, chosen, load);
    if (mode === 'full' && shim.faults > 0) await stayAway(data, shim);
    if (shim.faults > 0) round.count('faults');
    if ('signal' in exit) round.count('kills');
  } finally {
    shim.close();
  }
  await comeBack(data, load, round);
}

/** Consecutive indexes go through all cases, the modes of one call first. */
function listedCase(index: number, random: Random): Case {
  const mode = modes[index % modes.length]!;
  const call = 1 + (Math.floor(index / modes.length) % listedCallsMax);
  return { mode, call, answers: listedAnswers, flags: [], kill: random.chance(0.5) };
}

function chanceCase(random: Random): Case {
  return {
    mode: random.pick(modes),
    call: 1 + random.int(chanceCallsMax),
    answers: chanceAnswers,
    flags: random.chance(0.5) ? ['--checkpoint-mib', '0.01'] : [],
    kill: random.chance(0.5),
  };
}

/** Starts, uses and stops the service while the fault is armed; how its process ended. */
async function liveWithFault(
  data: string,
  shim: Shim,
  { mode, answers, flags, kill }: Case,
  load: Load,
): Promise<Exit> {
  const server = new Server({ data, flags, environment: shim.environment });
  try {
    try {
      await server.listening();
    } catch (error) {
      if (shim.faults === 0) throw error;
      const exit = await server.ended();
      mustEnd(exit, mode, [exitCode.dataUnusable, exitCode.diskFull], server.log);
      return exit;
    }
    // Starting may get by without the call that failed; what it opened then has to serve as well.
    const survived = shim.faults;
    const hit = (): boolean => shim.faults > survived && isFatal(shim, mode);
    const watch = (): ((answer: Answer) => void) => {
      const failedBefore = hit() && !isBackground(shim, data);
      return ({ status, replayed }) =>
        must(
          !failedBefore || status >= 300 || replayed,
          'a change that was asked for after the fault was made',
        );
    };
    if (await load.prepare(server.url, { mayFail: true, watch })) {
      await load.run(server.url, answers, { mayFail: true, watch });
    }
    if (hit()) {
      const exit = await server.ended();
      mustEnd(exit, mode, [exitCode.journalFailed], server.log);
      return exit;
    }
    const exit = kill ? await server.kill() : await server.stop();
    if (kill) return exit;
    // What fails while closing was durable before; the next start does that work again.
    mustEnd(exit, mode, [exitCode.ok, exitCode.journalFailed], server.log);
    return exit;
  } finally {
    if (server.running) await server.kill();
  }
}

/**
 * Whether the fault that struck has to end the service. A short write is continued, and what
 * syncing a directory says is not asked by SQLite.
 */
function isFatal({ faultKind }: Shim, mode: Mode): boolean {
  if (faultKind === 'directory sync') return false;
  return mode !== 'short' || faultKind !== 'write';
}

/** Whether it was the anchor's sync, which no answer waits for: the service ends a moment later. */
function isBackground({ faultKind, faultInode }: Shim, data: string): boolean {
  const anchor = statSync(join(data, 'vmemd.head'), { bigint: true, throwIfNoEntry: false });
  return faultKind === 'sync' && faultInode === anchor?.ino;
}

function mustEnd(exit: Exit, mode: Mode, codes: readonly number[], log: string): void {
  const dies = mode === 'half' || mode === 'after';
  const right = 'signal' in exit ? dies && exit.signal === 'SIGKILL' : codes.includes(exit.code);
  if (right) return;
  throw new Violation(`it ended with ${JSON.stringify(exit)}, not ${codes.join(' or ')}:\n${log}`);
}

/** A start on a disk that is still full ends at once, and says why. */
async function stayAway(data: string, shim: Shim): Promise<void> {
  const server = new Server({ data, environment: shim.environment });
  try {
    const exit = await server.ended();
    mustEnd(exit, 'full', [exitCode.dataUnusable, exitCode.diskFull], server.log);
  } finally {
    if (server.running) await server.kill();
  }
}

/** The fault is gone: everything answered is there, and it takes new requests. */
async function comeBack(data: string, load: Load, round: Round): Promise<void> {
  const server = await Server.start({ data });
  try {
    const { ledger } = load;
    const { operations, unanswered } = ledger;
    await audit(server.url, ledger);
    await load.repeat(server.url);
    await audit(server.url, ledger);
    round.count('acknowledged', operations);
    round.count('open', unanswered);
    const reply = await fetch(`${server.url}/v1/arenas`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'after-the-fault' }),
    });
    must(reply.status === 201, `after the fault it answered ${reply.status}`);
    const exit = await server.stop();
    must('code' in exit && exit.code === exitCode.ok, `it stopped with ${JSON.stringify(exit)}`);
  } finally {
    if (server.running) await server.kill();
  }
}

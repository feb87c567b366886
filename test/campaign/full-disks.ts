/**
 * Full disks: a file system in memory that has little room. The service fills it under load, has to
 * end with the exit code for it, to say the same at each start while there is no room, and to come
 * back with all that it answered once there is. Mounting takes root.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCode } from '../../src/exit-code.ts';
import { bookName } from '../../src/history/book-file.ts';
import { audit } from '../crash/audit.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import { must, type Part, type Round } from './part.ts';

/** From hardly enough for the empty database to some thousand answers; none of it is for the history. */
const roomKiB = { least: 120, most: 900 };
const roomAfterwards = '64m';
/** More than fit. */
const answersMax = 20_000;

export const fullDisks: Part = {
  name: 'full-disks',
  about: 'a file system without room, which is given some later',
  impossible: mountImpossible,
  run: fillDisk,
};

async function fillDisk(round: Round): Promise<void> {
  const random = new Random(round.seed, 'full-disks');
  const data = join(round.folder, 'data');
  const room = roomKiB.least + random.int(roomKiB.most - roomKiB.least);
  const flags = random.chance(0.5) ? ['--checkpoint-mib', '0.02'] : [];
  mkdirSync(data);
  mount(data, `${room}k`);
  try {
    const ledger = new Ledger();
    const load = new Load(ledger, random);
    await fill({ data, flags }, load);
    round.count('faults');
    must(!existsSync(join(data, bookName)), 'the history has taken room from the journal');
    const again = new Server({ data, flags });
    try {
      // It may find room where the killed transaction was; otherwise it has to say why not.
      await again.listening();
      await again.kill();
    } catch {
      mustBe(await again.ended(), [exitCode.diskFull], again.log);
    }
    execFileSync('mount', ['-o', `remount,size=${roomAfterwards}`, data]);
    const server = await Server.start({ data, flags });
    try {
      const { operations, unanswered } = ledger;
      await audit(server.url, ledger);
      await load.repeat(server.url);
      round.count('acknowledged', operations);
      round.count('open', unanswered);
      mustBe(await server.stop(), [exitCode.ok], server.log);
    } finally {
      if (server.running) await server.kill();
    }
  } catch (error) {
    // Unmounting it is the end of it.
    cpSync(data, join(round.folder, 'kept'), { recursive: true });
    throw error;
  } finally {
    execFileSync('umount', [data]);
  }
}

/** Uses the service until there is no more room. */
async function fill(
  options: { data: string; flags: readonly string[] },
  load: Load,
): Promise<void> {
  const server = new Server(options);
  try {
    await server.listening();
    if (await load.prepare(server.url, { mayFail: true })) {
      await load.run(server.url, answersMax, { mayFail: true });
    }
    mustBe(await server.ended(), [exitCode.journalFailed, exitCode.diskFull], server.log);
  } catch (error) {
    if (server.running) throw error;
    mustBe(await server.ended(), [exitCode.journalFailed, exitCode.diskFull], server.log);
  } finally {
    if (server.running) await server.kill();
  }
}

function mustBe(exit: object, codes: readonly number[], log: string): void {
  const right = 'code' in exit && codes.some((code) => code === exit.code);
  must(right, `it ended with ${JSON.stringify(exit)}, not ${codes.join(' or ')}:\n${log}`);
}

function mount(path: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', path], {
    stdio: 'pipe',
  });
}

function mountImpossible(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'vmemd-mount-'));
  try {
    mount(path, '64k');
    execFileSync('umount', [path]);
    return undefined;
  } catch {
    return 'nothing can be mounted here';
  } finally {
    rmdirSync(path);
  }
}

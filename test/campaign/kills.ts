/**
 * Kills: SIGKILL under a concurrent mixed load, while the service starts and recovers, and while it
 * writes a checkpoint. After each, the whole state is audited against what was answered.
 * SIGKILL spares what the operating system has buffered: this shows that an answer comes after its
 * record, in every order of events; that the record also reached the disk is for the power cuts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { audit } from '../crash/audit.ts';
import { AnswerLost, Client } from '../crash/client.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server, type Build, type ServerOptions } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import { must, Violation, type Part, type Round } from './part.ts';
import { recovered, type Recovered } from './recovered.ts';
import { Reference } from './reference.ts';

const killsPerRound = 5;
const killsPerBriefRound = 2;
const answersMax = 20_000n;
const answersBrief = 120;
/** Of a batch, in a round that is not brief. */
const batchGrantsMax = 2_000;
/** A start takes a few hundred milliseconds; recovery is its last part. */
const startMsMax = 600;

/** As usual; checkpoints most of the time; and with history trimmed right behind them. */
const settings: readonly (readonly string[])[] = [
  [],
  ['--checkpoint-mib', '0.01'],
  ['--checkpoint-mib', '0.01', '--history-mib', '0'],
];

export const kills: Part = {
  name: 'kills',
  about: 'SIGKILL under load, during recovery and during checkpoints',
  run: (round) => killInTurn(round),
};

/** Kills one service after the other on the same data; another build of it, where one is given. */
export async function killInTurn(round: Round, build: Build = {}): Promise<void> {
  const random = new Random(round.seed, 'kills');
  const ledger = new Ledger();
  const load = new Load(ledger, random, round.brief ? undefined : batchGrantsMax);
  const options = {
    data: round.folder,
    flags: random.pick(settings),
    ...build,
  };
  let server = await Server.start(options);
  try {
    await load.prepare(server.url);
    for (let left = round.brief ? killsPerBriefRound : killsPerRound; left > 0; left--) {
      const running = server;
      // Every order of magnitude alike: early moments catch the journal's first groups.
      const answers = round.brief ? answersBrief : 1 + Number(random.magnitude(answersMax));
      const waitMs = random.int(4);
      await load.run(running.url, answers, {
        end: async () => {
          await delay(waitMs);
          await kill(running);
        },
      });
      round.count('kills');
      if (random.chance(0.4)) server = await killedWhileStarting(options, random, round);
      else server = await Server.start(options);
      // Counted before the audit settles them.
      const { operations, unanswered } = ledger;
      await audit(server.url, ledger);
      round.count('acknowledged', operations);
      round.count('open', unanswered);
    }
    const state = await stateOf(server.url);
    const exit = await server.stop();
    must('code' in exit && exit.code === 0, `it stopped with ${JSON.stringify(exit)}`);
    const found = await recovered(round.folder);
    must(found.revision === state.revision, 'stopping in order has changed the revision');
    must(found.fingerprint === state.hash, 'the hash that was answered is not that of the state');
    if (!options.flags.includes('--history-mib')) mustBeItsRecords(round.folder, found);
  } catch (error) {
    // What the load met may be that nobody answers any more, a moment before the end of the process is
    // known here; the log says why it ended.
    if (server.running && !(error instanceof AnswerLost)) throw error;
    const exit = await server.ended().catch((hangs: unknown) => ({ hangs: String(hangs) }));
    throw new Violation(`${String(error)}; it ended with ${JSON.stringify(exit)}:\n${server.log}`, {
      cause: error,
    });
  } finally {
    if (server.running) await server.kill();
  }
}

/** Starts and kills a process at a random moment, once or more, and then lets one start. */
async function killedWhileStarting(
  options: ServerOptions,
  random: Random,
  round: Round,
): Promise<Server> {
  do {
    const doomed = new Server(options);
    await delay(random.int(startMsMax));
    await kill(doomed);
    round.count('kills');
  } while (random.chance(0.5));
  return Server.start(options);
}

/** The hash of its state, as the service tells it. */
async function stateOf(url: string): Promise<{ revision: number; hash: string }> {
  const client = new Client(url);
  try {
    return JSON.parse(await client.get('/v1/state')) as { revision: number; hash: string };
  } finally {
    client.close();
  }
}

/** The state that a start comes to, from a checkpoint or not, is that of all records in order. */
function mustBeItsRecords(data: string, { revision, fingerprint }: Recovered): void {
  const replayed = Reference.read(data).at(revision);
  must(fingerprint === replayed, `the state at revision ${revision} is not that of its records`);
}

async function kill(server: Server): Promise<void> {
  const exit = await server.kill();
  must('signal' in exit && exit.signal === 'SIGKILL', `it ended by itself: ${server.log}`);
}

/**
 * Power cuts: a service works while the shim records its input and output, is killed, recovers and
 * works on. From the recording come images of what a power cut at any moment may have left on the
 * disk, and the real recovery opens each. A power cut is no damage, so it has to succeed, with a
 * state that the service had, and with every revision that any reply had shown by then.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { audit } from '../crash/audit.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server, type Build } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import { Disk, type Image } from './disk.ts';
import { readFiles, sameFiles, withFiles, writeFiles } from './files.ts';
import { must, Violation, type Part, type Round } from './part.ts';
import { readRecording, type Entry } from './recording.ts';
import { recovered, recoveredInThreads } from './recovered.ts';
import { Reference } from './reference.ts';
import { Shim, shimImpossible } from './shim.ts';

const imagesPerRound = 250;
const imagesPerBriefRound = 200;
const answersPerLife = { usual: 150, brief: 60 };

/** Most images are recovered in one thread, which is quicker; one in so many as in the service. */
const everyInThreads = 16;

/** About as many changes as it takes until the service listens for the first time. */
const creationChanges = 50;

/** After these there is no more to lose than before. */
const quiet: ReadonlySet<Entry['kind']> = new Set(['synced', 'directorySynced', 'replied']);

export interface Recorded {
  readonly entries: readonly Entry[];
  /** The data directory, as the service left it when it was stopped in order. */
  readonly data: string;
}

export const powerCuts: Part = {
  name: 'power-cuts',
  about: 'recovery from what a power cut may leave on the disk at any moment',
  impossible: shimImpossible,
  run: cutPower,
};

async function cutPower(round: Round): Promise<void> {
  const recorded = await recordLife(round);
  await checkImages(recorded, round);
}

/** Two lives of a service: the first ends by SIGKILL, the second in order. */
export async function recordLife(round: Round, build: Build = {}): Promise<Recorded> {
  const random = new Random(round.seed, 'power-cuts');
  const data = join(round.folder, 'data');
  await mkdir(data);
  const shim = new Shim({ folder: round.folder, directory: data, record: true });
  const options = {
    ...build,
    data,
    environment: { ...build.environment, ...shim.environment },
    // Small enough for checkpoints to be under way most of the time, or none.
    flags: random.chance(0.5) ? ['--checkpoint-mib', '0.02'] : [],
  };
  const ledger = new Ledger();
  const load = new Load(ledger, random);
  const answers = round.brief ? answersPerLife.brief : answersPerLife.usual;
  let server = await Server.start(options);
  try {
    await load.prepare(server.url);
    const first = server;
    await load.run(server.url, answers, { end: async () => void (await first.kill()) });
    server = await Server.start(options);
    await audit(server.url, ledger);
    await load.run(server.url, answers);
    await server.stop();
  } finally {
    if (server.running) await server.kill();
    shim.close();
  }
  return { entries: readRecording(shim.recordPath), data };
}

/** Makes images of the disk at random moments and recovers each. */
export async function checkImages({ entries, data }: Recorded, round: Round): Promise<void> {
  const random = new Random(round.seed, 'images');
  // Before anything opens the database, which leaves files of its own.
  const left = await readFiles(data);
  const reference = Reference.read(data);
  const count = round.brief ? imagesPerBriefRound : imagesPerRound;
  const changes = [...entries.keys()].filter((index) => !quiet.has(entries[index]!.kind));
  // A tenth while the files are created, which is over soon and has an order of its own.
  const early = changes.slice(0, creationChanges);
  const moments = Array.from(
    { length: count },
    () => 1 + random.pick(random.chance(0.1) ? early : changes),
  );
  moments.sort((a, b) => a - b);
  const disk = new Disk();
  let played = 0;
  let shown = 0;
  for (const moment of moments) {
    for (; played < moment; played++) {
      const entry = entries[played]!;
      disk.apply(entry);
      if (entry.kind === 'replied') shown = Math.max(shown, revisionIn(entry.text));
    }
    const image = disk.image(random);
    await checkImage(image, { shown, moment, reference }, round);
    round.count('images');
    if (image.lossy) round.count('lossy');
    if (!sameFiles(image.files, disk.written())) round.count('altered');
  }
  for (; played < entries.length; played++) disk.apply(entries[played]!);
  // Otherwise the shim has missed something, and the images would be of another service.
  must(sameFiles(disk.written(), left), 'the recording is not what was written');
  must(shown > 0, 'no reply was recorded');
  round.count('acknowledged', shown);
}

interface Expected {
  /** The highest revision that a reply had shown. */
  readonly shown: number;
  readonly moment: number;
  readonly reference: Reference;
}

async function checkImage({ files }: Image, expected: Expected, round: Round): Promise<void> {
  const { shown, moment, reference } = expected;
  const when = `power cut after entry ${moment} of the recording`;
  try {
    const threads = moment % everyInThreads === 0;
    const found = await withFiles(files, threads ? recoveredInThreads : recovered);
    must(
      found.revision >= shown,
      `recovered to revision ${found.revision}, but a reply had shown ${shown}`,
    );
    must(found.revision <= reference.revision, 'recovered to more than was written');
    must(
      found.fingerprint === reference.at(found.revision),
      `the state at revision ${found.revision} is not the one the service had`,
    );
  } catch (error) {
    await writeFiles(join(round.folder, 'image'), files);
    throw new Violation(`${when}: ${String(error)}`, { cause: error });
  }
}

/** The highest revision in a reply: in the body of a change or a read, or as an entity tag. */
function revisionIn(reply: string): number {
  const numbers = [...reply.matchAll(/"revision":([0-9]+)|\betag: "([0-9]+)"/gi)];
  return Math.max(0, ...numbers.map(([, body, tag]) => Number(body ?? tag)));
}

/**
 * Sabotage: builds of the service that break a promise on purpose. The other parts have to find
 * each of them; a campaign that could not fail would say nothing.
 */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Build } from '../crash/server.ts';
import { killInTurn } from './kills.ts';
import { must, type Part, type Round } from './part.ts';
import { checkImages, recordLife } from './power-cuts.ts';
import { shimImpossible } from './shim.ts';
import { cutLog } from './wal-cuts.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Edit {
  readonly file: string;
  /** Has to be in the file exactly once. */
  readonly text: string;
  readonly instead: string;
}

interface Sabotage {
  readonly what: string;
  readonly edits: readonly Edit[];
  /** What those who find it say: an error of another kind would be a chance find. */
  readonly sign: RegExp;
  /** What has to find it. */
  readonly check: (round: Round, build: Build) => Promise<void>;
}

const sabotages: readonly Sabotage[] = [
  {
    what: 'commits are not synced',
    sign: /a reply had shown|was durable/,
    edits: [
      {
        file: 'src/journal/sqlite-open.ts',
        text: "db.pragma('synchronous = FULL');",
        instead: "db.pragma('synchronous = NORMAL');",
      },
      {
        file: 'src/journal/sqlite-open.ts',
        text: 'assert(synchronous === synchronousFull,',
        instead: 'assert(synchronous !== synchronousFull,',
      },
    ],
    check: cutPower,
  },
  {
    what: 'answers come before the append',
    sign: /is gone|is not in|a reply had shown|answer was lost|was done again/,
    edits: [
      {
        file: 'src/sequencer.ts',
        text: 'if (revision === this.#durableRevision) return Promise.resolve(value);',
        instead: 'if (revision > 0) return Promise.resolve(value);',
      },
    ],
    check: cutPower,
  },
  {
    what: 'the head anchor does not say how far the journal went',
    sign: /was durable/,
    edits: [
      {
        file: 'src/journal/sqlite-worker.ts',
        text: 'this.#head.write(groups.last);',
        instead: '',
      },
    ],
    check: cutLog,
  },
  {
    what: 'a record is changed on its way',
    sign: /grant [0-9]+/,
    edits: [
      {
        file: 'src/sequencer.ts',
        text: 'let record: JournalRecord = { revision, body };',
        instead: `if (revision % 3 === 0) body = body.replace('"grant":"', '"grant":"9');
    let record: JournalRecord = { revision, body };`,
      },
    ],
    check: killInTurn,
  },
  {
    what: 'a record is not stored',
    sign: /lacks record|was durable/,
    edits: [
      {
        file: 'src/journal/group-table.ts',
        text: 'this.#insert.run(firstRevision,',
        instead: 'if (lastRevision % 10 !== 0) this.#insert.run(firstRevision,',
      },
    ],
    check: killInTurn,
  },
  {
    what: 'idempotency keys are forgotten with every start',
    sign: /asked for again, was done again|by its key|is there twice/,
    edits: [
      {
        file: 'src/journal/sqlite.ts',
        text: 'keys: (page) => this.#keys.addAll(page, this.#ranMs),',
        instead: '',
      },
    ],
    check: killInTurn,
  },
];

export const sabotage: Part = {
  name: 'sabotage',
  about: 'builds that break a promise on purpose, which the other parts have to find',
  impossible: shimImpossible,
  run: findSabotage,
};

/** How many rounds there are until they repeat. */
export const sabotageCount = sabotages.length;

async function findSabotage(round: Round): Promise<void> {
  const { what, edits, sign, check } = sabotages[round.seed % sabotages.length]!;
  const build = await buildWith(edits, round.folder);
  const folder = join(round.folder, 'data');
  await mkdir(folder);
  let found: unknown;
  try {
    // What is counted there was of no use to anybody.
    await check({ ...round, folder, brief: true, count: () => undefined }, build);
  } catch (error) {
    found = error;
  }
  must(found !== undefined, `nobody has noticed that ${what}`);
  const said = String(found);
  must(sign.test(said), `it was for another reason that somebody noticed that ${what}: ${said}`);
  round.count('sabotages');
}

async function cutPower(round: Round, build: Build): Promise<void> {
  await checkImages(await recordLife(round, build), round);
}

/** A copy of the service with the edits, in a folder of its own. */
async function buildWith(edits: readonly Edit[], folder: string): Promise<Build> {
  const build = join(folder, 'build');
  await mkdir(build);
  for (const part of ['src', 'migrations', 'package.json']) {
    await cp(join(root, part), join(build, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(build, 'node_modules'));
  // Most files are the same in all builds: Node finds what it compiled of them, wherever a build is, by
  // their paths as seen from here, and by content.
  const compiled = join(folder, 'compiled');
  const shared = join(tmpdir(), 'vmemd-builds-compiled');
  await mkdir(shared, { recursive: true });
  await symlink(shared, compiled);
  for (const { file, text, instead } of edits) {
    const path = join(build, file);
    const pieces = (await readFile(path, 'utf8')).split(text);
    must(
      pieces.length === 2,
      `the sabotage has to be brought up to date: ${file} has no "${text}"`,
    );
    await writeFile(path, pieces.join(instead));
  }
  return {
    program: join(build, 'src', 'vmemd.js'),
    environment: { NODE_COMPILE_CACHE: compiled, NODE_COMPILE_CACHE_PORTABLE: '1' },
  };
}

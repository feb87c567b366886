/**
 * The benchmarks: `npm run bench -- KIND [options]`. This file only knows which kinds there are;
 * each kind is a file beside it, reads its own options and has its own `--help`. A kind is loaded
 * when it is asked for, so that none pays for the imports of another.
 */
interface Kind {
  readonly about: string;
  /** Runs the kind with the words after its name; the number is the exit code. */
  readonly load: () => Promise<{ readonly run: (words: readonly string[]) => Promise<number> }>;
}

const kinds: Readonly<Record<string, Kind>> = {
  engine: {
    about: 'the engine in this process: policies, constraints, sizes; no HTTP, no journal',
    load: () => import('./engine.ts'),
  },
  group: {
    about: 'group commit over HTTP: records in a commit, grants a second, waiting times',
    load: () => import('./group.ts'),
  },
  http: {
    about: 'the service over HTTP beside a bare route of the same framework; needs wrk',
    load: () => import('./http.ts'),
  },
  leases: {
    about: 'a million leases: renewals, and what it costs when all run out within a second',
    load: () => import('./leases.ts'),
  },
  history: {
    about: 'who held an address, in ten million events: how long answers take, over HTTP',
    load: () => import('./history.ts'),
  },
  peers: {
    about: 'vmemd beside PostgreSQL, Redis, etcd and SQLite: durable grants a second',
    load: () => import('./peers.ts'),
  },
  restart: {
    about: 'how long a start takes after a million allocations, and what a checkpoint costs',
    load: () => import('./restart.ts'),
  },
  scale: {
    about:
      'the service as it grows: live allocations, arenas, chains of imports, labels; needs wrk',
    load: () => import('./scale.ts'),
  },
  waiting: {
    about: 'what 10,000 requests that wait for room cost the others',
    load: () => import('./waiting.ts'),
  },
};

const help = `\
Usage: npm run bench -- KIND [options]
       npm run bench -- KIND --help

${Object.entries(kinds)
  .map(([name, { about }]) => `  ${name.padEnd(8)} ${about}`)
  .join('\n')}
`;

async function run([name, ...words]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    process.stdout.write(help);
    return 0;
  }
  const kind = name === undefined || !Object.hasOwn(kinds, name) ? undefined : kinds[name];
  if (kind === undefined) {
    const mistake = name === undefined ? 'A kind is missing.' : `There is no kind "${name}".`;
    process.stderr.write(`bench: ${mistake}\n\n${help}`);
    return 2;
  }
  return (await kind.load()).run(words);
}

process.exitCode = await run(process.argv.slice(2));

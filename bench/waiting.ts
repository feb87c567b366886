/**
 * What waiting costs those who do not wait: freeing and allocating in an arena, in this process, without
 * HTTP and journal, while nobody waits, and while many do, in each way that makes them look different
 * to the wait queue.
 */
import { WaitDriver } from '../test/wait-driver.ts';
import { answer, count, helped, seconds, valuesOf } from './arguments.ts';
import { render } from './table.ts';

const WAITERS = 10_000;
const SECONDS = 2;
/** Blocks that are freed in turn. */
const BLOCKS = 4_096n;
const BLOCK = 256n;

const help = `\
Usage: npm run bench -- waiting [options]

Frees a second while so many requests wait for room, each with the allocation that comes after it: of
one who waited, or, where nobody could be served, of the block again. In this process, without HTTP
and journal. The table goes to the standard output.

  --waiters N        how many wait                                   ${WAITERS}
  --seconds N        how long a row is measured                      ${SECONDS}
  --markdown         the table in Markdown
  --help             this
`;

interface Row {
  readonly name: string;
  /** Lets them wait; returns what does so anew when one was served. */
  readonly crowd: (driver: WaitDriver, waiters: number) => () => void;
}

const rows: readonly Row[] = [
  { name: 'nobody', crowd: () => () => undefined },
  {
    name: 'for more than is freed',
    crowd: (driver, waiters) => {
      for (let i = 0; i < waiters; i++) driver.wait('a', BLOCK * 2n + BigInt(i % 1000));
      return () => undefined;
    },
  },
  {
    name: 'for other addresses',
    crowd: (driver, waiters) => {
      const beyond = BLOCKS * BLOCK;
      for (let i = 0n; i < waiters; i++) driver.wait('a', 1n, { address: beyond + i });
      return () => undefined;
    },
  },
  {
    name: 'for a block, of whom each free serves one',
    crowd: (driver, waiters) => {
      for (let i = 0; i < waiters; i++) driver.wait('a', BLOCK);
      return () => driver.wait('a', BLOCK);
    },
  },
  {
    name: 'for more, in an arena each that imports from this one',
    crowd: (driver, waiters) => {
      for (let i = 0; i < waiters; i++) {
        driver.create(`node-${i}`, 0n, { source: 'a' });
        driver.wait(`node-${i}`, BLOCK * 2n);
      }
      return () => undefined;
    },
  },
];

/** Runs with the words after `waiting`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parse(words);
    if (options === undefined) return helped(help);
    process.stdout.write(`${tableOf(options.waiters, options.seconds, options.markdown)}\n`);
    return 0;
  });
}

function tableOf(waiters: number, seconds: number, markdown: boolean): string {
  const head = [`${waiters.toLocaleString('en-US')} wait`, 'frees/s', 'tries a free', 'worst ms'];
  return render(
    { head, rows: rows.map((row) => measure(row, waiters, seconds)), figuresFrom: 1 },
    markdown,
  );
}

/** Name, frees a second, requests tried for each, and the free that took longest. */
function measure({ name, crowd }: Row, waiters: number, seconds: number): string[] {
  const driver = new WaitDriver();
  driver.create('a', BLOCKS * BLOCK + BigInt(waiters));
  for (let i = 0n; i < BLOCKS; i++) driver.take(BLOCK);
  driver.take(BigInt(waiters));
  const again = crowd(driver, waiters);
  const { tries } = driver.queue;
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let frees = 0;
  let worst = 0;
  let now = begin;
  for (; now < end; frees++) {
    const address = (BigInt(frees) % BLOCKS) * BLOCK;
    const { served } = driver;
    driver.free(address);
    if (driver.served === served) driver.take(BLOCK);
    else again();
    const then = now;
    now = performance.now();
    if (now - then > worst) worst = now - then;
  }
  const rate = frees / ((now - begin) / 1000);
  return [
    name,
    Math.round(rate).toLocaleString('en-US'),
    ((driver.queue.tries - tries) / frees).toFixed(2),
    worst.toFixed(1),
  ];
}

function parse(words: readonly string[]) {
  const values = valuesOf(words, {
    waiters: { type: 'string', default: String(WAITERS) },
    seconds: { type: 'string', default: String(SECONDS) },
    markdown: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  return {
    waiters: count('waiters', values.waiters),
    seconds: seconds('seconds', values.seconds),
    markdown: values.markdown === true,
  };
}

/** The thread that has the database of sqlite.ts open, and does one request after the other. */
import Database from 'better-sqlite3';
import { parentPort, workerData } from 'node:worker_threads';

export type Request =
  { readonly what: 'grant' | 'count' } | { readonly what: 'free'; readonly number: number };

/** The number granted, how many are held, or 0; undefined where no number is free. */
export type Answer = number | undefined;

const database = new Database(workerData as string);
database.pragma('synchronous = FULL');
const grant = database
  .prepare<[], number>(
    `update pool set holder = 'somebody' where number = (
       select number from pool where holder is null order by number limit 1)
     returning number`,
  )
  .pluck();
const free = database.prepare<[number]>('update pool set holder = null where number = ?');
const count = database
  .prepare<[], number>('select count(*) from pool where holder is not null')
  .pluck();

function answerTo(request: Request): Answer {
  switch (request.what) {
    case 'grant':
      return grant.get();
    case 'count':
      return count.get();
    case 'free':
      free.run(request.number);
      return 0;
  }
}

parentPort!.on('message', (request: Request) => {
  parentPort!.postMessage(answerTo(request));
});

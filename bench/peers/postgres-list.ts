/**
 * All numbers in a table of PostgreSQL. A grant is the first row that is free and that nobody else has
 * locked at the moment.
 */
import { postgres } from './postgres.ts';

export const peer = postgres({
  schema: `
    create table pool (number int8 primary key, holder text);
    create index on pool (number) where holder is null;
    insert into pool select generate_series(0, $POOL - 1)`,
  grant: `
    update pool set holder = 'somebody' where number = (
      select number from pool where holder is null order by number limit 1 for update skip locked)
    returning number`,
  free: 'update pool set holder = null where number = $1',
  count: 'select count(*) as number from pool where holder is not null',
});

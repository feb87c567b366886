/**
 * Ranges in a table of PostgreSQL that an exclusion constraint keeps apart. A gap is looked for and
 * taken, and where somebody else was faster the next one, in a function of the server, so that a
 * grant is one statement.
 */
import { postgres } from './postgres.ts';

export const peer = postgres({
  // A search begins at a random place: from one place all would find the same gap at the same time.
  schema: `
    create table held (
      range int8range not null, holder text not null, exclude using gist (range with &&));
    create index on held (lower(range));
    create function grant_range(size int8, pool int8, holder text) returns int8
    language plpgsql as $$
    declare
      start int8;
      gap int8;
    begin
      for attempt in 1..1000 loop
        start := floor(random() * pool);
        select candidate into gap from (
          select start as candidate
          union all
          select upper(range) from held where range @> start
          union all
          (select upper(range) from held where lower(range) >= start order by lower(range))
        ) as candidates
        where candidate + size <= pool and not exists (
          select from held where range && int8range(candidate, candidate + size))
        limit 1;
        if gap is not null then
          insert into held values (int8range(gap, gap + size), holder) on conflict do nothing;
          if found then return gap; end if;
        end if;
      end loop;
      return null;
    end $$`,
  grant: `select grant_range(1, $POOL, 'somebody') as number`,
  free: 'delete from held where lower(range) = $1',
  count: 'select count(*) as number from held',
});

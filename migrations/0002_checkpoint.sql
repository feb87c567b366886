-- breaking
-- Checkpoints, and what trimming needs to know. Breaking, because an older version would find a
-- trimmed journal to be a damaged one.

-- Bytes of record text up to and including this row, counted from the first record ever written.
alter table journal_group add column bytes_total integer not null default 0;

-- For how long the service had run in all when this was written, in milliseconds of a steady clock.
-- The age of history is told by this, so that no jump of the wall clock makes anything look old.
alter table journal_group add column ran_ms integer not null default 0;

update journal_group set bytes_total = summed.total from (
  select first_revision as revision,
         sum(octet_length(body)) over (order by first_revision) as total
  from journal_group
) as summed where summed.revision = journal_group.first_revision;

-- The state up to a revision. Complete with its last five columns, which are set in one commit
-- after all parts. Usually one row; two while the next is under way or the former is being removed.
create table checkpoint (
  revision integer primary key check (revision >= 1),
  -- The digest of the group that ends at this revision, and its bytes_total.
  chain blob not null check (length(chain) = 32),
  bytes_total integer not null check (bytes_total >= 0),
  -- Milliseconds since 1970 UTC, for people.
  started_at integer not null,
  completed_at integer,
  ms integer,
  parts integer,
  bytes integer,
  -- SHA-256 over every part and a newline after each: the hash of the state.
  hash blob check (length(hash) = 32),
  check ((completed_at is null) = (hash is null)),
  check ((completed_at is null) = (ms is null)),
  check ((completed_at is null) = (parts is null)),
  check ((completed_at is null) = (bytes is null))
) strict;

create table checkpoint_part (
  revision integer not null,
  -- 0, 1, 2 …
  part integer not null,
  body text not null,
  -- SHA-256 over the digest of the part before and the body.
  digest blob not null check (length(digest) = 32),
  primary key (revision, part)
) strict;

-- Where the history that is still stored begins.
create table history (
  only integer primary key check (only = 1),
  -- The last record that was trimmed, the digest of the chain there, and its bytes_total.
  trimmed_revision integer not null check (trimmed_revision >= 0),
  chain blob not null check (length(chain) = 32),
  bytes_total integer not null check (bytes_total >= 0),
  -- As in journal_group, written when the service stops or trims.
  ran_ms integer not null check (ran_ms >= 0)
) strict;

insert into history (only, trimmed_revision, chain, bytes_total, ran_ms)
values (1, 0, zeroblob(32), 0, 0);

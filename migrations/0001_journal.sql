-- The journal: one row per commit, holding the records that became durable together.
--
-- application_id is "vmem" in ASCII: it tells our database from any other.
pragma application_id = 1986880877;

create table journal_group (
  first_revision integer primary key check (first_revision >= 1),
  last_revision integer not null check (last_revision >= first_revision),
  -- Milliseconds since 1970 UTC, for people; nothing is decided by it.
  written_at integer not null,
  -- Record bodies joined by newlines.
  body text not null,
  -- SHA-256 over the digest of the row before, the revisions and the body.
  digest blob not null check (length(digest) = 32)
) strict;

-- The one process that may append. Opening counts the epoch up, which also proves, before anything
-- is served, that the disk takes a write.
create table writer (
  only integer primary key check (only = 1),
  epoch integer not null,
  opened_at integer not null
) strict;

insert into writer (only, epoch, opened_at) values (1, 0, 0);

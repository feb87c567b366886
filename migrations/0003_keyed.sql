-- breaking
-- The answers to requests that had an idempotency key, kept so that they can be given again.
-- Breaking, because the record of such a request has a field that an older version does not know.

create table keyed (
  -- That of the record that the request made.
  revision integer primary key check (revision >= 1),
  -- That of the keyed record before it, 0 before the first: a row that is lost leaves a gap.
  previous integer not null check (previous >= 0 and previous < revision),
  -- As in journal_group.
  ran_ms integer not null check (ran_ms >= 0),
  -- The first half of a SHA-256 over whose the key is and the key.
  key blob not null check (length(key) = 16),
  -- SHA-256 over the request.
  request blob not null check (length(request) = 32),
  reply text not null,
  -- SHA-256 over all of the above.
  digest blob not null check (length(digest) = 32)
) strict;

-- The last keyed record of those that the checkpoint covers; 0 where there was none.
alter table checkpoint add column keyed_revision integer not null default 0;

-- The last keyed record whose row was removed because of its age; 0 where none was.
alter table history add column keyed_removed integer not null default 0;

pragma application_id = 1986880877;

CREATE TABLE checkpoint (
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
  hash blob check (length(hash) = 32), keyed_revision integer not null default 0,
  check ((completed_at is null) = (hash is null)),
  check ((completed_at is null) = (ms is null)),
  check ((completed_at is null) = (parts is null)),
  check ((completed_at is null) = (bytes is null))
) strict;

CREATE TABLE checkpoint_part (
  revision integer not null,
  -- 0, 1, 2 …
  part integer not null,
  body text not null,
  -- SHA-256 over the digest of the part before and the body.
  digest blob not null check (length(digest) = 32),
  primary key (revision, part)
) strict;

CREATE TABLE history (
  only integer primary key check (only = 1),
  -- The last record that was trimmed, the digest of the chain there, and its bytes_total.
  trimmed_revision integer not null check (trimmed_revision >= 0),
  chain blob not null check (length(chain) = 32),
  bytes_total integer not null check (bytes_total >= 0),
  -- As in journal_group, written when the service stops or trims.
  ran_ms integer not null check (ran_ms >= 0)
, keyed_removed integer not null default 0) strict;

CREATE TABLE journal_group (
  first_revision integer primary key check (first_revision >= 1),
  last_revision integer not null check (last_revision >= first_revision),
  -- Milliseconds since 1970 UTC, for people; nothing is decided by it.
  written_at integer not null,
  -- Record bodies joined by newlines.
  body text not null,
  -- SHA-256 over the digest of the row before, the revisions and the body.
  digest blob not null check (length(digest) = 32)
, bytes_total integer not null default 0, ran_ms integer not null default 0) strict;

CREATE TABLE keyed (
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

CREATE TABLE migration (
  id integer primary key,
  applied_at integer not null,
  breaking integer not null check (breaking in (0, 1)),
  checksum text not null
) strict;

CREATE TABLE writer (
  only integer primary key check (only = 1),
  epoch integer not null,
  opened_at integer not null
) strict;

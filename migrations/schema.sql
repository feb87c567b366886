pragma application_id = 1986880877;

CREATE TABLE journal_group (
  first_revision integer primary key check (first_revision >= 1),
  last_revision integer not null check (last_revision >= first_revision),
  -- Milliseconds since 1970 UTC, for people; nothing is decided by it.
  written_at integer not null,
  -- Record bodies joined by newlines.
  body text not null,
  -- SHA-256 over the digest of the row before, the revisions and the body.
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

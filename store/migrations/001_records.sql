-- Schema 1. The statements keep to what PostgreSQL can express as well; leases
-- of several owners will be a table of their own, with the same epoch.
--
-- Times are nanoseconds since 1970 in UTC, 0 when unknown.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('epoch', 0);

-- due, due_at and due_source belong to whoever marks; revision, epoch, done and
-- facts to the engine; account and secret to the configuration.
CREATE TABLE destinations (
  name       TEXT PRIMARY KEY,
  account    TEXT NOT NULL,
  secret     TEXT NOT NULL,
  revision   INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  due        INTEGER NOT NULL,
  done       INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  due_source TEXT NOT NULL,
  facts      TEXT NOT NULL,
  CHECK (done <= due)
) STRICT;

CREATE TABLE accounts (
  name  TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  facts TEXT NOT NULL
) STRICT;

-- No reference to destinations: the history of one outlives its configuration.
CREATE TABLE history (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at          INTEGER NOT NULL,
  destination TEXT NOT NULL,
  kind        TEXT NOT NULL,
  version     TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL,
  duration    INTEGER NOT NULL
) STRICT;

CREATE INDEX history_by_destination ON history (destination, id);
CREATE INDEX history_by_time ON history (at);

CREATE TABLE attempts (
  destination TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  count       INTEGER NOT NULL,
  PRIMARY KEY (destination, outcome, reason)
) STRICT, WITHOUT ROWID;

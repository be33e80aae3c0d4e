-- A store as the first release made it, with something in each table. It is
-- never changed: every later rotatord has to open it.
PRAGMA application_id = 1919906913;
PRAGMA user_version = 1;
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('epoch', 0);
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
UPDATE meta SET value = 7 WHERE key = 'epoch';
INSERT INTO destinations VALUES ('prod', 'default', 'file:///run/secrets/prod', 12, 7, 5, 4, 1777863721000000000, 'file',
  '{"accepted":{"version":"v1","at":"2026-05-04T03:02:01Z"},"inflight":{"version":"v2","sent":"2026-05-04T03:02:01Z","epoch":7},"leftover":{},"status":{"state":"in_sync","since":"2026-05-04T03:02:01Z"}}');
INSERT INTO accounts VALUES ('default', 7, '{"name":"default","blocked_since":"2026-05-04T03:02:01Z","failures":2}');
INSERT INTO history VALUES (3, 1777863721000000000, 'prod', 'attempt', 'v1', 'accepted', '', '', 1000000000);
INSERT INTO attempts VALUES ('prod', 'accepted', '', 41);
PRAGMA journal_mode = WAL;

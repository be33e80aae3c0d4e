-- Schema 2: what events have said of the secret of a destination, until a look
-- has taken it in. Facts gain announced, unannounced and notes.
--
-- One row for each thing said: an event that is delivered again moves at and
-- due of its row. Rows with due <= destinations.done have been taken in.
CREATE TABLE heard (
  destination TEXT NOT NULL,
  kind        TEXT NOT NULL,
  version     TEXT NOT NULL,
  source      TEXT NOT NULL,
  time        INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  due         INTEGER NOT NULL,
  PRIMARY KEY (destination, kind, version)
) STRICT, WITHOUT ROWID;

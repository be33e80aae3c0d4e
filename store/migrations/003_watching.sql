-- Schema 3: what is watched between two rotations. Facts gain standing, seen and
-- drift, a leftover gains versions, an account its number of destinations.
--
-- dependents belongs to whoever asks Planet about orders and subscriptions, as
-- due does to whoever marks; '' while nothing is known.
ALTER TABLE destinations ADD COLUMN dependents TEXT NOT NULL DEFAULT '';

-- One row a secret: the newest version that all of its destinations have
-- accepted.
CREATE TABLE receipts (
  secret TEXT PRIMARY KEY,
  epoch  INTEGER NOT NULL,
  facts  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

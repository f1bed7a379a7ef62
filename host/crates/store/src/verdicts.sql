-- From version 11 to 12: what was said about artifacts. docs/STATE.md says what the table holds.

CREATE TABLE verdict (
    id          INTEGER PRIMARY KEY,
    dataset     INTEGER NOT NULL,
    record      TEXT NOT NULL,
    component   TEXT NOT NULL,
    content     BLOB NOT NULL,
    giver       TEXT NOT NULL,
    name        TEXT NOT NULL,
    basis       BLOB,
    passes      INTEGER NOT NULL,
    score       REAL,
    scores      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    asked_again BLOB,
    text        TEXT,
    given_at    TEXT NOT NULL,
    checksum    INTEGER NOT NULL
) STRICT;
-- A judge says the same thing once. What persons say has no basis, and all of it is kept.
CREATE UNIQUE INDEX verdict_once ON verdict (dataset, record, component, content, giver, name, basis);

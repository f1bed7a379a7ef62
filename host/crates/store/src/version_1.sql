-- A state as the host of version 1 left it. Kept as it was: later versions must be able to read it.
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at   TEXT
) STRICT;
CREATE TABLE dataset (
    id      INTEGER PRIMARY KEY,
    source  TEXT NOT NULL UNIQUE,
    stamp   TEXT NOT NULL,
    pass    INTEGER NOT NULL
) STRICT;
CREATE TABLE record (
    dataset  INTEGER NOT NULL,
    id       TEXT NOT NULL,
    category TEXT NOT NULL,
    rank     INTEGER NOT NULL,
    ord      INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    pass     INTEGER NOT NULL,
    UNIQUE (dataset, id)
) STRICT;
CREATE INDEX record_order ON record (dataset, rank, ord);
CREATE TABLE task (
    id            INTEGER PRIMARY KEY,
    dataset       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    component     TEXT NOT NULL,
    run           INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    class         TEXT,
    cause         TEXT,
    parked        INTEGER,
    generation    INTEGER NOT NULL,
    fingerprint   BLOB NOT NULL,
    path          TEXT NOT NULL,
    size          INTEGER,
    mtime_ns      INTEGER,
    inode         INTEGER,
    content       BLOB,
    model         TEXT,
    executions    INTEGER NOT NULL,
    calls         INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    ended_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (dataset, record, component)
) STRICT;
CREATE INDEX task_parked ON task (parked) WHERE parked IS NOT NULL;
CREATE TABLE completion (
    id            INTEGER PRIMARY KEY,
    key           BLOB NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    text          TEXT NOT NULL,
    stop          TEXT,
    finish_reason TEXT,
    model         TEXT NOT NULL,
    provider      TEXT NOT NULL,
    lane          TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros   INTEGER,
    tries         INTEGER NOT NULL,
    obtained_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE TABLE transcript (
    task        INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    generation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    PRIMARY KEY (task, fingerprint, generation, position)
) STRICT, WITHOUT ROWID;
INSERT INTO run (id, started_at, ended_at) VALUES (1, '2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z');
INSERT INTO dataset VALUES (1, '../materials.yaml', 'stamp', 1);
INSERT INTO record VALUES (1, 'oak', 'wood', 0, 0, 10, 40, 2, zeroblob(32), 1);
INSERT INTO completion VALUES (7, x'abababababababababababababababababababababababababababababababab', 'completion',
    'Oak.', 'stop', 'stop', 'm', 'openai', 'openai/m', 10, 5, 0, 0, 12, 1, '2026-01-01T00:00:30.000Z');
INSERT INTO task VALUES (11, 1, 'oak', 'text', 1, 'done', NULL, NULL, NULL, 0, zeroblob(32), 'text/oak.md', 4, 5, 6,
    zeroblob(32), 'm', 2, 1, 10, 5, '2026-01-01T00:00:40.000Z');
INSERT INTO transcript VALUES (11, zeroblob(32), 0, 0, 7);
PRAGMA user_version = 1;

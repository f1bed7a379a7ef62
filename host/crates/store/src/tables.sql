-- The tables of version 8, the first that was released. docs/STATE.md says what they hold.

CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at   TEXT
) STRICT;

CREATE TABLE dataset (
    id         INTEGER PRIMARY KEY,
    source     TEXT NOT NULL UNIQUE,
    stamp      TEXT NOT NULL,
    pass       INTEGER NOT NULL,
    unreadable INTEGER NOT NULL DEFAULT 0,
    is_whole   INTEGER NOT NULL DEFAULT 1
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

CREATE TABLE unreadable (
    dataset INTEGER NOT NULL,
    ord     INTEGER NOT NULL,
    line    INTEGER,
    id      TEXT,
    cause   TEXT NOT NULL,
    PRIMARY KEY (dataset, ord)
) STRICT, WITHOUT ROWID;

-- What belongs to a task is kept in the order of its record, so that a run writes to few pages at a time.
CREATE TABLE task (
    dataset       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    component     TEXT NOT NULL,
    run           INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    class         TEXT,
    cause         TEXT,
    parked        INTEGER,
    attempts      INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    fingerprint   BLOB NOT NULL,
    recipe        INTEGER NOT NULL,
    seen          BLOB NOT NULL,
    parts         BLOB NOT NULL,
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
    author        TEXT,
    PRIMARY KEY (dataset, record, component)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_parked ON task (parked) WHERE parked IS NOT NULL;
CREATE INDEX task_failed ON task (dataset, outcome, class, component) WHERE outcome <> 'done';

CREATE TABLE recipe (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    text   TEXT NOT NULL
) STRICT;

-- Files that a task wrote before its path changed.
CREATE TABLE moved (
    dataset   INTEGER NOT NULL,
    path      TEXT NOT NULL,
    record    TEXT NOT NULL,
    component TEXT NOT NULL,
    content   BLOB NOT NULL,
    author    TEXT,
    PRIMARY KEY (dataset, path)
) STRICT, WITHOUT ROWID;

-- Texts of edits that were replaced.
CREATE TABLE edit (
    id          INTEGER PRIMARY KEY,
    dataset     INTEGER NOT NULL,
    record      TEXT NOT NULL,
    component   TEXT NOT NULL,
    path        TEXT NOT NULL,
    text        BLOB NOT NULL,
    replaced_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX edit_task ON edit (dataset, record, component);

CREATE TABLE completion (
    id               INTEGER PRIMARY KEY,
    key              BLOB NOT NULL UNIQUE,
    kind             TEXT NOT NULL,
    text             TEXT NOT NULL,
    stop             TEXT,
    finish_reason    TEXT,
    model            TEXT NOT NULL,
    provider         TEXT NOT NULL,
    lane             TEXT NOT NULL,
    input_tokens     INTEGER NOT NULL,
    output_tokens    INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros      INTEGER,
    tries            INTEGER NOT NULL,
    obtained_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    milliseconds     INTEGER
) STRICT;

CREATE TABLE transcript (
    dataset     INTEGER NOT NULL,
    record      TEXT NOT NULL,
    component   TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    generation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    PRIMARY KEY (dataset, record, component, fingerprint, generation, position)
) STRICT, WITHOUT ROWID;

-- Tries that were billed and brought no answer.
CREATE TABLE billed (
    id               INTEGER PRIMARY KEY,
    dataset          INTEGER NOT NULL,
    record           TEXT NOT NULL,
    component        TEXT NOT NULL,
    fingerprint      BLOB NOT NULL,
    generation       INTEGER NOT NULL,
    lane             TEXT NOT NULL,
    input_tokens     INTEGER NOT NULL,
    output_tokens    INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros      INTEGER,
    cause            TEXT NOT NULL,
    ended_at         TEXT NOT NULL
) STRICT;
CREATE INDEX billed_task ON billed (dataset, record, component);

-- What lanes learned of how they must ask.
CREATE TABLE lane (
    lane    TEXT NOT NULL UNIQUE,
    manner  BLOB NOT NULL,
    learned TEXT NOT NULL
) STRICT;

-- From version 9 to 10: questions that are asked in batches. docs/STATE.md says what the tables hold.

-- A batch, from the first note of it to the last answer.
CREATE TABLE batch (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    lane          TEXT NOT NULL,
    account       BLOB NOT NULL,
    state         TEXT NOT NULL,
    file          TEXT,
    remote        TEXT,
    word          TEXT,
    hash          BLOB NOT NULL,
    lines         INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    answered      INTEGER,
    failed        INTEGER,
    formed_at     INTEGER NOT NULL,
    sent_at       INTEGER,
    ended_at      INTEGER,
    expires_at    INTEGER,
    note          TEXT,
    checksum      INTEGER NOT NULL
) STRICT;

-- A question that is asked in batches and has no answer yet.
CREATE TABLE question (
    key              BLOB NOT NULL PRIMARY KEY,
    lane             TEXT NOT NULL,
    component        TEXT NOT NULL,
    state            TEXT NOT NULL,
    batch            INTEGER,
    ord              INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,
    configured       INTEGER NOT NULL,
    cap              INTEGER,
    adaptations      TEXT NOT NULL,
    likely_input     INTEGER NOT NULL,
    likely_output    INTEGER NOT NULL,
    shape            BLOB,
    tries            INTEGER NOT NULL,
    input_tokens     INTEGER NOT NULL,
    output_tokens    INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros      INTEGER,
    class            TEXT,
    cause            TEXT,
    -- Last, so that the others are read without it.
    line             TEXT,
    checksum         INTEGER NOT NULL
) STRICT;
CREATE INDEX question_queued ON question (lane, ord) WHERE state = 'queued';
CREATE INDEX question_batch ON question (batch, ord) WHERE batch IS NOT NULL;

-- The schemas of their answers, each once.
CREATE TABLE shape (
    digest   BLOB NOT NULL PRIMARY KEY,
    text     TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- Tasks that wait: for a question, or, with an empty key, for another task of their record.
CREATE TABLE waiting (
    dataset   INTEGER NOT NULL,
    record    TEXT NOT NULL,
    component TEXT NOT NULL,
    key       BLOB NOT NULL,
    checksum  INTEGER NOT NULL,
    PRIMARY KEY (dataset, record, component, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_key ON waiting (key);

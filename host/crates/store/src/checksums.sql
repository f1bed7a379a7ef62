-- From version 8 to 9: every row has a checksum over its other columns. docs/STATE.md says what it is for.

ALTER TABLE run ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE run SET checksum = row_checksum(
    id, started_at, ended_at);

ALTER TABLE dataset ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE dataset SET checksum = row_checksum(
    id, source, stamp, pass, unreadable, is_whole);

ALTER TABLE record ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE record SET checksum = row_checksum(
    dataset, id, category, rank, ord, offset, length, line, hash, pass);

ALTER TABLE unreadable ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE unreadable SET checksum = row_checksum(
    dataset, ord, line, id, cause);

ALTER TABLE task ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE task SET checksum = row_checksum(
    dataset, record, component, run, outcome, class, cause, parked, attempts, generation, fingerprint, recipe,
    seen, parts, path, size, mtime_ns, inode, content, model, executions, calls, input_tokens, output_tokens,
    ended_at, author);

ALTER TABLE recipe ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE recipe SET checksum = row_checksum(
    id, digest, text);

ALTER TABLE moved ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE moved SET checksum = row_checksum(
    dataset, path, record, component, content, author);

ALTER TABLE edit ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE edit SET checksum = row_checksum(
    id, dataset, record, component, path, text, replaced_at);

ALTER TABLE completion ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE completion SET checksum = row_checksum(
    id, key, kind, text, stop, finish_reason, model, provider, lane, input_tokens, output_tokens, cached_tokens,
    reasoning_tokens, cost_micros, tries, obtained_at, milliseconds);

ALTER TABLE transcript ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE transcript SET checksum = row_checksum(
    dataset, record, component, fingerprint, generation, position, completion);

ALTER TABLE billed ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE billed SET checksum = row_checksum(
    id, dataset, record, component, fingerprint, generation, lane, input_tokens, output_tokens, cached_tokens,
    reasoning_tokens, cost_micros, cause, ended_at);

ALTER TABLE lane ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE lane SET checksum = row_checksum(
    lane, manner, learned);

-- From version 10 to 11: which worker performed a task. docs/STATE.md says what the column holds.

ALTER TABLE task ADD COLUMN worker TEXT;
-- A row that is damaged stays so.
UPDATE task SET checksum = row_checksum(
    dataset, record, component, run, outcome, class, cause, parked, attempts, generation, fingerprint, recipe,
    seen, parts, path, size, mtime_ns, inode, content, model, executions, calls, input_tokens, output_tokens,
    ended_at, author, worker)
WHERE checksum = row_checksum(
    dataset, record, component, run, outcome, class, cause, parked, attempts, generation, fingerprint, recipe,
    seen, parts, path, size, mtime_ns, inode, content, model, executions, calls, input_tokens, output_tokens,
    ended_at, author);

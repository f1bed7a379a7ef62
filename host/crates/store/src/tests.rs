//! What looks after a state, over states that are made here with plain SQL.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

use super::{
    Exported, Lease, Pruned, Pruning, Selection, Store, WithTasks, prune, recover, schema,
    seal_rows,
};
use plan::decision::OutcomeKind;
use types::digest::Digest;

const SOURCE: &str = "../records.jsonl";

/// A state in which `count` tasks are done, each of them told two completions of 2 KB.
fn state(folder: &Path, count: u32) -> PathBuf {
    let path = folder.join("state.db");
    let connection = schema::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; BEGIN")
        .unwrap();
    connection
        .execute(
            "INSERT INTO dataset (id, source, stamp, pass) VALUES (1, ?1, 'stamp', 1)",
            [SOURCE],
        )
        .unwrap();
    connection
        .execute_batch(
            "INSERT INTO run (id, started_at, ended_at) VALUES
                (1, '2026-01-01', '2026-01-02'), (2, '2026-01-03', '2026-01-04'), (3, '2026-01-05', NULL);
             INSERT INTO recipe VALUES (1, x'01', '{}', 0), (2, x'02', '{}', 0);",
        )
        .unwrap();
    for number in 0..count {
        let record = format!("r{number}");
        connection
            .execute(
                "INSERT INTO record VALUES (1, ?1, 'c', 0, ?2, 0, 1, 1, zeroblob(32), 1, 0)",
                params![record, number],
            )
            .unwrap();
        for position in 0..2 {
            let id = 2 * number + position + 1;
            complete(&connection, id, "2026-01-01T10:00:00.000Z");
            tell(&connection, &record, &[1; 32], position, id);
        }
        connection
            .execute(
                "INSERT INTO task (dataset, record, component, run, outcome, generation, fingerprint, recipe,
                    path, size, content, executions, calls, input_tokens, output_tokens, ended_at, seen, parts, attempts)
                 VALUES (1, ?1, 'text', 1, 'done', 0, ?2, 1, ?3, 4, ?4, 1, 2, 20, 10, '2026-01-01T11:00:00.000Z',
                    zeroblob(8), x'', 0)",
                params![record, [1_u8; 32], format!("text/{record}.md"), Digest::of(record.as_bytes()).as_bytes()],
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    seal_rows(&connection).unwrap();
    path
}

fn complete(connection: &Connection, id: u32, at: &str) {
    let text = format!("{id} ").repeat(2000 / (id.to_string().len() + 1));
    connection
        .execute(
            "INSERT INTO completion VALUES (?1, ?2, 'completion', ?3, 'stop', 'stop', 'm', 'openai', 'openai/m',
                10, 5, 0, 0, 7, 1, ?4, 1200, 0)",
            params![id, Digest::of(&id.to_be_bytes()).as_bytes(), text, at],
        )
        .unwrap();
}

fn tell(connection: &Connection, record: &str, fingerprint: &[u8], position: u32, completion: u32) {
    connection
        .execute(
            "INSERT INTO transcript VALUES (1, ?1, 'text', ?2, 0, ?3, ?4, 0)",
            params![record, fingerprint, position, completion],
        )
        .unwrap();
}

fn ids(path: &Path) -> Vec<u32> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT id FROM completion ORDER BY id")
        .unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

#[test]
fn stats_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 100);
    complete(
        &Connection::open(&path).unwrap(),
        1000,
        "2026-01-02T10:00:00.000Z",
    );
    let stats = Store::open_reading(&path).unwrap().stats().unwrap();
    let told: Vec<(&str, u64, u64)> = [&stats.lanes, &stats.components, &stats.days]
        .into_iter()
        .flatten()
        .map(|row| (row.name.as_str(), row.completions, row.cost_micros))
        .collect();
    assert_eq!(
        told,
        [
            ("openai/m", 201, 1407),
            ("(no task)", 1, 7),
            ("text", 200, 1400),
            ("2026-01-01", 200, 1400),
            ("2026-01-02", 1, 7)
        ]
    );
    let rows: BTreeMap<&str, u64> = stats
        .tables
        .iter()
        .map(|table| (table.table.as_str(), table.rows))
        .collect();
    assert_eq!(
        (rows["completion"], rows["transcript"], rows["task"]),
        (201, 200, 100)
    );
    let bytes: u64 = stats.tables.iter().map(|table| table.bytes).sum();
    assert!(bytes + stats.free_bytes <= stats.file_bytes.max(stats.wal_bytes));
    let each = stats.bytes_per_completion.unwrap();
    assert!((2000..4000).contains(&each), "{each}");
}

#[test]
fn records_are_selected_by_how_their_tasks_stand_when_they_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 10);
    let stand = |outcome: &str, records: &str| {
        let connection = schema::open(&path).unwrap();
        let sql = format!(
            "UPDATE task SET outcome = '{outcome}', class = 'trap' WHERE record IN ({records})"
        );
        connection.execute(&sql, []).unwrap();
        seal_rows(&connection).unwrap();
    };
    stand("failed", "'r2', 'r5', 'r6', 'r9'");
    let store = Store::open(&path).unwrap();
    let dataset = store.indexed(SOURCE).unwrap().unwrap();
    let with = |components: &[&str]| Selection {
        with: Some(WithTasks {
            states: vec![OutcomeKind::Failed],
            components: components.iter().map(|name| (*name).to_owned()).collect(),
        }),
        ..Selection::default()
    };
    let next = |lease: &mut Lease, count| -> Vec<String> {
        let records = store.lease(lease, count).unwrap();
        records.into_iter().map(|record| record.id).collect()
    };
    let mut lease = store.select(&dataset, &with(&["text"])).unwrap();
    assert!(!lease.is_whole());
    assert_eq!(store.totals(&lease).unwrap(), [("c".to_owned(), 4)]);
    assert_eq!(next(&mut lease, 2), ["r2", "r5"]);
    stand("done", "'r2', 'r6'");
    assert_eq!(next(&mut lease, 2), ["r6", "r9"]);
    assert!(next(&mut lease, 2).is_empty());

    // What narrows it may leave out whole portions.
    let lease = store.select(&dataset, &with(&[])).unwrap();
    let mut last = lease.narrowed(" AND id = ?", vec![Sql::Text("r9".to_owned())]);
    assert_eq!(next(&mut last, 1), ["r9"]);
    assert!(next(&mut last, 1).is_empty());

    let mut other = store.select(&dataset, &with(&["table"])).unwrap();
    assert!(next(&mut other, 2).is_empty());
    let few = Selection {
        limit: Some(1),
        sample: Some(1),
        ..with(&[])
    };
    let mut few = store.select(&dataset, &few).unwrap();
    assert_eq!(next(&mut few, 9).len(), 1);
    assert!(next(&mut few, 9).is_empty());
}

#[test]
fn samples_are_told_from_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 10);
    let store = Store::open(&path).unwrap();
    let dataset = store.indexed(SOURCE).unwrap().unwrap();
    let all: Vec<String> = (0..10).map(|number| format!("r{number}")).collect();
    for most in [1, 3, 10, 11] {
        let bound = store.sample_bound(dataset.id, most).unwrap();
        let within = all.iter().filter(|id| bound.includes(id)).count() as u64;
        assert_eq!(within, most.min(10));
        let outside = store.has_files_outside(dataset.id, "text", bound).unwrap();
        assert_eq!(outside, most < 10, "all have a file");
        assert!(!store.has_files_outside(dataset.id, "table", bound).unwrap());
    }
    let few = Selection {
        limit: Some(3),
        ..Selection::default()
    };
    let few = store.select(&dataset, &few).unwrap();
    let mut seen = Vec::new();
    let see = |category: &str, id: &str| seen.push(format!("{category} {id}"));
    store.each_selected(&few, see).unwrap();
    assert_eq!(seen, ["c r0", "c r1", "c r2"]);
}

#[test]
fn pruning_takes_what_was_superseded_and_nothing_that_can_be_of_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 10);
    let connection = Connection::open(&path).unwrap();
    let before = "2026-01-01T09:00:00.000Z";
    let after = "2026-01-01T12:00:00.000Z";
    // Told before the task was done from something else; one of them is shared with a task of today.
    complete(&connection, 100, before);
    complete(&connection, 101, before);
    tell(&connection, "r0", &[2; 32], 0, 100);
    tell(&connection, "r0", &[2; 32], 1, 101);
    tell(&connection, "r1", &[1; 32], 2, 101);
    // Told after it was done, by a run that was cut off; and by a task that has not ended yet.
    complete(&connection, 102, after);
    tell(&connection, "r0", &[3; 32], 0, 102);
    complete(&connection, 103, before);
    tell(&connection, "new", &[1; 32], 0, 103);
    // Of a task that failed: its next try finds them.
    complete(&connection, 104, before);
    tell(&connection, "r2", &[2; 32], 0, 104);
    connection
        .execute(
            "UPDATE task SET outcome = 'failed', class = 'transient' WHERE record = 'r2'",
            [],
        )
        .unwrap();
    // Nobody was told.
    complete(&connection, 105, before);
    seal_rows(&connection).unwrap();
    drop(connection);
    let all = ids(&path);

    let pruning = |older_than, unreferenced, dry_run| {
        let older_than = Duration::from_secs(older_than);
        let pruned = prune(
            &path,
            Pruning {
                older_than,
                unreferenced,
                dry_run,
            },
        )
        .unwrap();
        (
            pruned.transcripts,
            pruned.completions,
            pruned.recipes,
            pruned.runs,
        )
    };
    assert_eq!(pruning(0, false, true), (2, 1, 1, 1));
    assert_eq!(ids(&path), all, "a dry run removes nothing");
    assert_eq!(pruning(4_000_000_000, false, false), (0, 0, 1, 1));
    assert_eq!(pruning(0, false, false), (2, 1, 0, 0));
    assert!(ids(&path).iter().eq(all.iter().filter(|id| **id != 100)));
    assert_eq!(pruning(0, true, false), (0, 1, 0, 0));
    assert!(
        ids(&path)
            .iter()
            .eq(all.iter().filter(|id| ![100, 105].contains(*id)))
    );
    let report = Store::open_reading(&path).unwrap().verify(None).unwrap();
    assert!(report.broken.is_empty(), "{report:?}");
}

#[test]
fn pruning_gives_back_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 500);
    let everything = Pruning {
        older_than: Duration::ZERO,
        unreferenced: true,
        dry_run: false,
    };
    Connection::open(&path)
        .unwrap()
        .execute_batch("DELETE FROM transcript; DELETE FROM task;")
        .unwrap();
    let Pruned {
        completions,
        bytes_before,
        bytes_after,
        ..
    } = prune(&path, everything).unwrap();
    assert_eq!(completions, 1000);
    assert!(
        bytes_after < bytes_before / 5,
        "{bytes_before} to {bytes_after}"
    );
}

/// What breaks a law, and how it is named.
const BREAKS: [(&str, &str); 11] = [
    (
        "DELETE FROM completion WHERE id = 1",
        "a transcript names a completion that is not there",
    ),
    (
        "DELETE FROM transcript WHERE completion = 1",
        "a done task was told more than its transcript holds",
    ),
    (
        "UPDATE completion SET key = x'00' WHERE id = 1",
        "a completion has a malformed key or an unknown kind",
    ),
    (
        "UPDATE completion SET stop = NULL WHERE id = 1",
        "a completion has a malformed key or an unknown kind",
    ),
    (
        "UPDATE task SET seen = x'00' WHERE record = 'r1'",
        "a task has a malformed hash",
    ),
    (
        "UPDATE task SET class = 'quota' WHERE record = 'r1'",
        "a task has an unknown outcome",
    ),
    (
        "UPDATE task SET content = NULL WHERE record = 'r1'",
        "a done task has no file",
    ),
    (
        "UPDATE task SET run = 9 WHERE record = 'r1'",
        "a task is of no dataset or run",
    ),
    (
        "UPDATE task SET recipe = 9 WHERE record = 'r1'",
        "a task was made by a recipe that is not there",
    ),
    (
        "UPDATE task SET outcome = 'failed', class = 'bad luck' WHERE record = 'r1'",
        "a task has an unknown class of failure",
    ),
    (
        "UPDATE record SET hash = x'00' WHERE id = 'r1'",
        "a record has a malformed hash or is of no dataset",
    ),
];

#[test]
fn every_law_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 3);
    let report = Store::open_reading(&path).unwrap().verify(None).unwrap();
    assert_eq!((report.tasks, report.broken.len()), (3, 0), "{report:?}");
    let original = std::fs::read(&path).unwrap();
    for (sql, law) in BREAKS {
        std::fs::write(&path, &original).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        seal_rows(&connection).unwrap();
        drop(connection);
        let report = Store::open_reading(&path).unwrap().verify(None).unwrap();
        let broken: Vec<(&str, bool, u64)> = report
            .broken
            .iter()
            .map(|broken| (broken.what.as_str(), broken.in_state, broken.count))
            .collect();
        assert_eq!(broken, [(law, true, 1)], "{sql}");
    }
}

#[test]
fn files_are_held_against_their_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 3);
    std::fs::create_dir(folder.path().join("text")).unwrap();
    std::fs::write(folder.path().join("text/r0.md"), "r0").unwrap();
    std::fs::write(folder.path().join("text/r1.md"), "edited").unwrap();
    let report = Store::open_reading(&path)
        .unwrap()
        .verify(Some(folder.path()))
        .unwrap();
    let broken: Vec<(&str, bool, &[String])> = report
        .broken
        .iter()
        .map(|broken| {
            (
                broken.what.as_str(),
                broken.in_state,
                broken.places.as_slice(),
            )
        })
        .collect();
    assert_eq!(
        broken,
        [
            (
                "a file is missing",
                false,
                ["text/r2.md".to_owned()].as_slice()
            ),
            (
                "a file is not as it was written",
                false,
                ["text/r1.md".to_owned()].as_slice()
            ),
        ]
    );
}

#[test]
fn everything_is_exported_in_parts_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 1100);
    let view = Store::open_reading(&path).unwrap();
    for (what, expected) in [
        (Exported::Completions, 2200),
        (Exported::Transcripts, 2200),
        (Exported::Tasks, 1100),
    ] {
        let mut rows = std::collections::HashSet::new();
        view.export(what, |row| {
            assert!(row["id"].is_i64() || row["record"].is_string(), "{row}");
            rows.insert(row.to_string());
            true
        })
        .unwrap();
        assert_eq!(rows.len(), expected, "{what:?}");
    }
    let mut seen = 0;
    view.export(Exported::Tasks, |_| {
        seen += 1;
        seen < 5
    })
    .unwrap();
    assert_eq!(seen, 5, "whoever has had enough is left alone");
}

/// Pages of a table itself that hold rows, with how many they hold.
fn leaves(path: &Path, table: &str) -> Vec<(u64, usize)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT pageno, ncell FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno")
        .unwrap();
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn damage(path: &Path, page: u64) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 16384)).unwrap();
    file.write_all(&[0x5a; 16384]).unwrap();
}

#[test]
fn damage_is_named_and_costs_what_lies_on_the_damaged_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 1000);
    let rows = |path: &Path, table: &str| -> usize {
        let connection = Connection::open(path).unwrap();
        // Answers that are lost keep their numbers.
        let there = match table {
            "completion" => "WHERE kind <> 'lost'",
            _ => "",
        };
        let sql = format!("SELECT count(*) FROM {table} NOT INDEXED {there}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let mut expected = BTreeMap::new();
    let mut damaged = Vec::new();
    // The index of the completions, so that it cannot help; that of the tasks can.
    damaged.push(leaves(&path, "sqlite_autoindex_completion_1")[0].0);
    for table in ["completion", "task"] {
        let leaves = leaves(&path, table);
        // The first, the last, and two beside each other.
        let last = leaves.len() - 1;
        let hit = [
            leaves[0],
            leaves[last / 2],
            leaves[last / 2 + 1],
            leaves[last],
        ];
        let lost: usize = hit.iter().map(|(_, cells)| cells).sum();
        expected.insert(table, rows(&path, table) - lost);
        damaged.extend(hit.map(|(page, _)| page));
    }
    damaged.iter().for_each(|page| damage(&path, *page));
    let before = std::fs::read(&path).unwrap();

    let report = Store::open_reading(&path).unwrap().verify(None).unwrap();
    let found = report
        .broken
        .iter()
        .find(|broken| broken.what == "the file is damaged")
        .unwrap();
    assert!(
        found
            .places
            .iter()
            .any(|place| place.contains("table completion")),
        "{found:?}"
    );

    let new = folder.path().join("new.db");
    let saved = recover(&path, &new).unwrap();
    for (table, expected) in expected {
        let saved = saved.iter().find(|saved| saved.table == table).unwrap();
        assert!(saved.gaps > 0 && saved.error.is_some());
        assert_eq!(rows(&new, table), saved.rows as usize);
        // Rows of a table without numbers lie on inner pages, too, and cannot be had without those below.
        let beside = if table == "task" { 8 } else { 0 };
        let saved = saved.rows as usize;
        assert!(
            (expected - beside..=expected).contains(&saved),
            "{table}: {saved} of {expected}"
        );
    }
    assert!(
        saved
            .iter()
            .any(|saved| (saved.table, saved.rows) == ("transcript", 2000))
    );
    assert_eq!(
        std::fs::read(&path).unwrap(),
        before,
        "the old file is not changed"
    );
    let report = Store::open_reading(&new).unwrap().verify(None).unwrap();
    assert!(
        report
            .broken
            .iter()
            .all(|broken| broken.what != "the file is damaged"),
        "{report:?}"
    );
    let error = recover(&path, &new).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
}

#[test]
fn a_healthy_state_is_recovered_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = state(folder.path(), 50);
    let new = folder.path().join("new.db");
    let saved = recover(&path, &new).unwrap();
    assert!(saved.iter().all(|table| table.gaps == 0), "{saved:?}");
    assert_eq!(ids(&new), ids(&path));
    let report = Store::open_reading(&new).unwrap().verify(None).unwrap();
    assert!(report.broken.is_empty(), "{report:?}");
}

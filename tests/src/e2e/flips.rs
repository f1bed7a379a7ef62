//! Bytes of the state that change by themselves: `store verify` finds each of them, says what is affected, and a run mends
//! what can be made again for nothing.
//!
//! `FLIP_PLACES=1000 cargo xtask test flips` tries more places.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};

use super::dice::Dice;
use crate::scene::{KEY, Scene, until};
use simulator::{Config, Fault, FaultKind, Simulator, When};
use store::Store;

/// Places in CI.
const PLACES: u64 = 100;
const RECORDS: usize = 100;
/// How a run ends that made all it can: one record cannot be read.
const DONE: i32 = 3;
const TABLES: [&str; 12] = [
    "run",
    "dataset",
    "record",
    "unreadable",
    "task",
    "recipe",
    "moved",
    "edit",
    "completion",
    "transcript",
    "billed",
    "lane",
];

fn simulator(faults: Vec<Fault>) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults,
        ..Config::default()
    })
    .unwrap()
}

fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator);
    let records: String = (0..RECORDS)
        .map(|id| format!("{{\"id\": \"r{id}\", \"name\": \"Thing {id}\", \"category\": \"c\"}}\n"))
        .collect();
    scene.write("records.jsonl", &format!("{records}{{\"id\": \"bad\"}}\n"));
    scene.write("batchgen.toml", "[dataset]\npath = \"records.jsonl\"\n");
    scene
}

/// The state of runs that leave rows in every table.
fn lived() -> Scene {
    let simulator = simulator(Vec::new());
    let scene = scene(&simulator);
    scene.run(&["--limit", "60"]);
    scene.write("content/summary/r1.txt", "by hand");
    scene.run(&["--limit", "60", "--overwrite-edited"]);
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"records.jsonl\"\n[output]\npath = \"{component}/new-{id}.{extension}\"\n",
    );
    scene.run(&[]);
    // What takes a model that is odd.
    let state = Connection::open(scene.path(".batchgen/state.db")).unwrap();
    state
        .execute_batch(
            "INSERT OR IGNORE INTO lane (lane, manner, learned) VALUES ('openai/other', x'00', '{}');
             INSERT INTO billed (dataset, record, component, fingerprint, generation, lane, input_tokens, output_tokens,
                cached_tokens, reasoning_tokens, cause, ended_at)
             VALUES (1, 'r1', 'summary', x'00', 0, 'openai/sim', 1, 2, 0, 0, 'cut off', '2026-01-01T00:00:00.000Z')",
        )
        .unwrap();
    store::seal_rows(&state).unwrap();
    drop(state);
    scene.run(&[]);
    scene.host(&["store", "verify"]).ended(0);
    for table in TABLES {
        assert!(
            scene.query(&format!("SELECT count(*) FROM {table}")) > 0,
            "{table} is empty"
        );
    }
    scene
}

/// The files of a state, to be put in their places again.
struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    fn of(state: &Path, ends: &[&str]) -> Files {
        let files = ends.iter().filter_map(|end| {
            let file = PathBuf::from(format!("{}{end}", state.display()));
            let bytes = fs::read(&file).ok()?;
            Some((file, bytes))
        });
        Files(files.collect())
    }

    /// At another place.
    fn put(&self, state: &Path) {
        for (file, bytes) in &self.0 {
            let name = file.file_name().unwrap().to_str().unwrap();
            fs::write(state.with_file_name(name), bytes).unwrap();
        }
    }

    fn remove_rest(&self, state: &Path) {
        for end in ["-wal", "-shm", ".seal"] {
            let _ = fs::remove_file(format!("{}{end}", state.display()));
        }
    }
}

/// Every row of every table; nothing where not all of it can be read.
fn dump(state: &Path) -> Option<BTreeMap<&'static str, Vec<Vec<Sql>>>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(state, flags).ok()?;
    let rows = |table: &str| -> rusqlite::Result<Vec<Vec<Sql>>> {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} NOT INDEXED"))?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?;
        rows.collect()
    };
    TABLES
        .iter()
        .map(|table| Some((*table, rows(table).ok()?)))
        .collect()
}

/// What became of flipped bytes.
#[derive(Debug, Default)]
struct Told {
    found: u64,
    /// They held nothing: every row is as it was.
    free: u64,
    missed: Vec<String>,
}

fn is_found(state: &Path) -> bool {
    let report = Store::open_reading(state).and_then(|store| store.verify(None));
    report.map_or(true, |report| !report.broken.is_empty())
}

/// Flips a bit at each of many places, spread over a file.
fn flip(files: &Files, flipped: &str, dice: &mut Dice) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.db");
    let file = folder.path().join(flipped);
    let again = || {
        files.remove_rest(&state);
        files.put(&state);
    };
    again();
    assert!(!is_found(&state), "nothing is wrong yet");
    let before = dump(&state).unwrap();
    again();
    let places = std::env::var("FLIP_PLACES").ok();
    let places = places.map_or(PLACES, |number| number.parse().unwrap());
    let length = fs::metadata(&file).unwrap().len();
    let mut told = Told::default();
    for number in 0..places {
        again();
        let place = (length * number + dice.below(length)) / places;
        let open = File::options().read(true).write(true).open(&file).unwrap();
        let mut byte = [0];
        open.read_exact_at(&mut byte, place).unwrap();
        byte[0] ^= 1 << dice.below(8);
        open.write_all_at(&byte, place).unwrap();
        drop(open);
        if is_found(&state) {
            told.found += 1;
            continue;
        }
        if dump(&state).as_ref() == Some(&before) {
            told.free += 1;
        } else {
            told.missed.push(format!("{place} of {flipped}"));
        }
    }
    eprintln!("{flipped}: {told:?}");
    told
}

#[test]
fn every_flipped_byte_of_a_state_that_was_closed_is_found() {
    let scene = lived();
    let files = Files::of(&scene.path(".batchgen/state.db"), &["", ".seal"]);
    assert_eq!(files.0.len(), 2);
    let told = flip(&files, "state.db", &mut Dice::new(1));
    assert_eq!((told.free, told.missed), (0, Vec::new()));
}

/// A copy without its seal: what is not found held nothing.
#[test]
fn every_flipped_byte_that_holds_something_is_found_without_a_seal() {
    let scene = lived();
    let files = Files::of(&scene.path(".batchgen/state.db"), &[""]);
    let told = flip(&files, "state.db", &mut Dice::new(2));
    assert_eq!(told.missed, Vec::<String>::new());
    assert!(told.found > 0);
}

/// Frames of the log of a run that has begun none anew, and those that are noted beside the state.
fn log_frames(scene: &Scene) -> Option<u64> {
    const FRAME: u64 = 16384 + 24;
    let log = fs::metadata(scene.path(".batchgen/state.db-wal")).ok()?;
    Some(log.len() / FRAME)
}

fn noted_frames(scene: &Scene) -> Option<u64> {
    let seal = fs::read_to_string(scene.path(".batchgen/state.db.seal")).ok()?;
    u64::from_str_radix(seal.split(' ').nth(3)?, 16).ok()
}

/// A run that is killed when so many answers are in the journal, while all others are waited for.
fn killed(simulator: &Simulator, answered: u64) -> Scene {
    let scene = scene(simulator);
    let mut child = scene.start(&[]);
    until("answers in the journal", || {
        simulator.totals().billed == answered
            && scene.path(".batchgen/state.db").exists()
            && scene.journal().len() as u64 == answered
            && noted_frames(&scene) == log_frames(&scene)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    scene
}

#[test]
fn every_flipped_byte_of_the_log_that_a_killed_run_left_is_found() {
    const ANSWERED: u64 = 40;
    let hang = |number| Fault {
        kind: FaultKind::HangBeforeBody,
        when: When::Request(number),
    };
    let simulator = simulator((ANSWERED + 1..ANSWERED + 200).map(hang).collect());
    let scene = killed(&simulator, ANSWERED);
    let files = Files::of(
        &scene.path(".batchgen/state.db"),
        &["", "-wal", ".seal", ".lock"],
    );
    assert_eq!(files.0.len(), 4);
    for flipped in ["state.db-wal", "state.db"] {
        let told = flip(&files, flipped, &mut Dice::new(3));
        assert_eq!(told.missed, Vec::<String>::new(), "{flipped}");
    }
}

/// Flips a bit of a value that lies in the state. What is free may hold the same bytes.
fn damage(scene: &Scene, sql: &str) {
    let state = scene.path(".batchgen/state.db");
    let bytes = fs::read(&state).unwrap();
    let before = value(scene, sql).unwrap();
    let mut places = bytes.windows(before.len()).enumerate();
    let hit = places.any(|(place, found)| {
        if found != before {
            return false;
        }
        let mut bytes = bytes.clone();
        bytes[place + before.len() / 2] ^= 1;
        fs::write(&state, bytes).unwrap();
        value(scene, sql).ok().as_ref() != Some(&before)
    });
    assert!(hit, "{sql}");
}

fn value(scene: &Scene, sql: &str) -> rusqlite::Result<Vec<u8>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let state = Connection::open_with_flags(scene.path(".batchgen/state.db"), flags)?;
    let sql = format!("SELECT CAST(({sql}) AS BLOB)");
    state.query_row(&sql, [], |row| row.get(0))
}

const ANSWER: &str =
    "SELECT text FROM completion JOIN transcript ON completion = completion.id WHERE record = 'r7'";

#[test]
fn what_is_damaged_is_named_and_mended_by_a_run_for_nothing() {
    let simulator = simulator(Vec::new());
    for (sql, named) in [
        (ANSWER, "answer"),
        ("SELECT content FROM task WHERE record = 'r7'", "r7 summary"),
        (
            "SELECT obtained_at FROM completion WHERE id = 9",
            "answer 9",
        ),
        ("SELECT text FROM recipe", "recipe 1 of summary"),
        ("SELECT digest FROM recipe", "recipe"),
        ("SELECT hash FROM record WHERE id = 'r7'", "r7"),
        ("SELECT cause FROM unreadable", "record 101 of the file"),
        ("SELECT stamp FROM dataset", "dataset"),
        ("SELECT started_at FROM run", "run 1"),
    ] {
        let scene = scene(&simulator);
        scene.run(&[]).ended(DONE);
        scene.host(&["store", "verify"]).ended(0);
        let content = scene.content();
        let asked = simulator.totals().requests;
        damage(&scene, sql);
        let said = scene.host(&["store", "verify"]).ended(2).stdout;
        assert!(said.contains(named), "{sql}: {said}");
        let ran = scene.run(&[]).ended(DONE);
        assert!(ran.stderr.contains("is damaged"), "{sql}: {}", ran.stderr);
        let summary = ran.summary();
        assert_eq!(
            (summary.complete(), summary.count("edited")),
            (RECORDS as u64, 0),
            "{sql}"
        );
        assert_eq!(simulator.totals().requests, asked, "{sql}");
        assert_eq!(scene.content(), content, "{sql}");
        let said = scene.host(&["store", "verify"]).stdout;
        assert!(
            said.ends_with("all is well\n") && !said.contains("not all"),
            "{sql}: {said}"
        );
        let again = scene.run(&[]).ended(DONE).summary();
        assert_eq!(
            (again.count("made"), again.count("edited")),
            (0, 0),
            "{sql}"
        );
    }
}

#[test]
fn a_damaged_answer_is_asked_again_when_its_task_needs_it() {
    let simulator = simulator(Vec::new());
    let scene = scene(&simulator);
    scene.run(&[]).ended(DONE);
    let content = scene.content();
    let asked = simulator.totals().requests;
    damage(&scene, ANSWER);
    fs::remove_file(scene.path("content/summary/r7.txt")).unwrap();
    scene.run(&[]).ended(DONE);
    assert_eq!(simulator.totals().requests, asked + 1);
    assert_eq!(scene.content(), content);
    scene.host(&["store", "verify"]).ended(0);
}

#[test]
fn what_no_version_makes_is_refused_by_name_before_anything_runs() {
    let simulator = simulator(Vec::new());
    for (sql, object) in [
        (
            "CREATE TRIGGER spy AFTER INSERT ON task BEGIN DELETE FROM completion; END",
            "trigger spy",
        ),
        ("CREATE VIEW mine AS SELECT 1", "view mine"),
        ("CREATE INDEX own ON task (abs(run))", "index own"),
        ("CREATE TABLE other (x)", "table other"),
    ] {
        let scene = scene(&simulator);
        scene.run(&["--limit", "1"]).ended(0);
        let asked = simulator.totals().requests;
        let state = Connection::open(scene.path(".batchgen/state.db")).unwrap();
        state.execute_batch(sql).unwrap();
        drop(state);
        for command in [
            &["run"][..],
            &["plan"],
            &["store", "verify"],
            &["store", "prune"],
        ] {
            let ran = scene.host(command).ended(2);
            assert!(ran.stderr.contains(object), "{command:?}: {}", ran.stderr);
        }
        assert_eq!(simulator.totals().requests, asked);
    }
}

#[test]
fn a_log_that_was_removed_after_a_kill_is_told_before_anything_is_asked() {
    const ANSWERED: u64 = 40;
    let hang = |number| Fault {
        kind: FaultKind::HangBeforeBody,
        when: When::Request(number),
    };
    let first = simulator((ANSWERED + 1..ANSWERED + 200).map(hang).collect());
    let scene = killed(&first, ANSWERED);
    let second = simulator(Vec::new());
    let scene = scene.asking(&second);
    let (log, kept) = (scene.path(".batchgen/state.db-wal"), scene.path("kept"));
    fs::rename(&log, &kept).unwrap();
    let _ = fs::remove_file(scene.path(".batchgen/state.db-shm"));
    for command in [&["run"][..], &["plan"], &["store", "verify"]] {
        let ran = scene.host(command).ended(2);
        assert!(
            ran.stderr.contains("state.db-wal is missing") && ran.stderr.contains("put it back"),
            "{command:?}: {}",
            ran.stderr
        );
    }
    assert_eq!(second.totals().requests, 0);
    fs::rename(&kept, &log).unwrap();
    let summary = scene.run(&[]).ended(DONE).summary();
    assert_eq!(summary.calls("calls"), RECORDS as u64 - ANSWERED);

    // One that is lost is gone on without.
    let third = simulator((ANSWERED + 1..ANSWERED + 200).map(hang).collect());
    let scene = killed(&third, ANSWERED);
    let fourth = simulator(Vec::new());
    let scene = scene.asking(&fourth);
    fs::remove_file(scene.path(".batchgen/state.db-wal")).unwrap();
    fs::remove_file(scene.path(".batchgen/state.db.seal")).unwrap();
    scene.run(&[]).ended(DONE);
}

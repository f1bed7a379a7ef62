//! Records from a real Postgres server. Where its programs are not installed, `cargo xtask test` leaves this out and says so.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::scene::Scene;

/// The newest server that is installed as Debian installs it.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the package `postgresql`");
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|programs| programs.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().expect("the package `postgresql`")
}

/// A server of one database, which is reached by a socket in its folder.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Server {
    fn start() -> Server {
        let server = Server {
            folder: tempfile::Builder::new()
                .prefix("pg")
                .tempdir_in("/tmp")
                .unwrap(),
            programs: programs(),
        };
        let folder = server.folder.path();
        // A server does not run as root.
        if rustix::process::geteuid().is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(folder)
                .status()
                .unwrap();
            assert!(owned.success());
        }
        let data = folder.join("data");
        let data = data.to_str().unwrap();
        server.perform(
            "initdb",
            &[
                "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N",
            ],
        );
        let options = format!(
            "-k {} -c listen_addresses='' -c fsync=off",
            folder.display()
        );
        server.perform(
            "pg_ctl",
            &[
                "-D",
                data,
                "-o",
                &options,
                "-l",
                &format!("{data}/log"),
                "-w",
                "start",
            ],
        );
        server
    }

    fn perform(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let command = command.args(arguments).current_dir(self.folder.path());
        let ran = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(ran.success(), "{} {arguments:?}", program.display());
    }

    fn ask(&self, sql: &str) {
        let folder = self.folder.path().to_str().unwrap();
        self.perform(
            "psql",
            &[
                "-h",
                folder,
                "-U",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-q",
                "-c",
                sql,
            ],
        );
    }

    fn url(&self) -> String {
        format!(
            "postgres:///postgres?host={}&user=postgres",
            self.folder.path().display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        self.perform(
            "pg_ctl",
            &[
                "-D",
                data.to_str().unwrap(),
                "-m",
                "immediate",
                "-w",
                "stop",
            ],
        );
    }
}

fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    scene
}

fn configure(scene: &Scene, url: &str, sql: &str) {
    scene.write(
        "batchgen.toml",
        &format!(
            "model = \"offline\"\n[dataset]\nurl = {}\nsql = {}\n",
            json!(url),
            json!(sql)
        ),
    );
}

const TABLE: &str = "CREATE TABLE product (sku text PRIMARY KEY, title text NOT NULL, kind text, price numeric(30, 10), on_sale boolean,
    since date, changed timestamptz, tags text[], size jsonb, raw json, bytes bytea);
INSERT INTO product VALUES
    ('a-1', 'Lamp', 'light', 12345678901234567890.1234567890, true, '2024-02-29', '2024-06-01T12:30:00.25Z', '{a,NULL}',
     '{\"w\": 1.50}', E'{\"x\":\\n 1}', '\\x00ff'),
    ('a-2', E'Line\\nbreak \\\\ \"quote\" Größe', 'light', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('b-1', 'Chair', 'seat', 5, false, '1999-12-31', NULL, '{}', '{}', '[]', '')";

#[test]
fn a_query_of_postgres_gives_records_and_only_changed_ones_are_made_again() {
    let server = Server::start();
    server.ask(TABLE);
    server.ask("CREATE SEQUENCE s");
    let scene = scene();
    let sql = "SELECT * FROM product ORDER BY sku -- all of them";
    scene.host(&["init", &server.url(), "--sql", sql]).ended(0);
    let ran = scene.run(&[]).ended(0);
    assert_eq!(ran.summary().complete(), 3);
    scene
        .host(&[
            "export",
            "out.jsonl",
            "--field",
            "title",
            "--field",
            "price",
            "--field",
            "since",
            "--field",
            "changed",
            "--field",
            "tags",
            "--field",
            "size",
            "--field",
            "raw",
            "--field",
            "bytes",
            "--field",
            "on_sale",
        ])
        .ended(0);
    let exported = scene.read("out.jsonl");
    let lines = exported.lines().map(|line| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().remove("components");
        row.to_string()
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    // The same rows are the same dataset.
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 0);
    server.ask("UPDATE product SET price = 6 WHERE sku = 'b-1'");
    // Who does not take records in keeps to those of the last run.
    let why = scene.host(&["why", "b-1", "description"]).ended(0);
    assert!(why.stdout.contains("up to date"), "{}", why.stdout);
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 1);
    for (sql, told) in [
        (
            "SELECT nothing FROM product",
            "column \"nothing\" does not exist",
        ),
        ("DELETE FROM product RETURNING *", "syntax error"),
        ("SELECT nextval('s') AS sku", "in a read-only transaction"),
    ] {
        configure(&scene, &server.url(), sql);
        let ran = scene.run(&[]).ended(2);
        assert!(ran.stderr.contains(told), "{sql}: {}", ran.stderr);
    }
}

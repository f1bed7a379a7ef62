//! A real server that speaks the API of S3, moto, on a port of this machine. It ends with the test that started it.

#![expect(
    clippy::expect_used,
    reason = "a server that does not start leaves a test nothing to go on with"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::scene::{Scene, root, until};

/// The bucket that a server has.
pub const BUCKET: &str = "team";

/// Without one, nobody may read what a key has written; which one it is, matters to a guarded server alone.
const AUTHORIZATION: &str =
    "authorization: AWS4-HMAC-SHA256 Credential=AKIATESTKEY/20260101/us-east-1/s3/aws4_request";

/// A server, with one bucket.
pub struct Moto {
    host: String,
    child: Child,
    _folder: TempDir,
}

impl Moto {
    /// One that takes all keys.
    pub fn start() -> Moto {
        Moto::with(None)
    }

    /// One that takes no keys, once it has its bucket.
    pub fn guarded() -> Moto {
        Moto::with(Some(1))
    }

    /// Whether it can be started here; `cargo xtask test` installs it, and says where it cannot.
    pub fn is_there() -> bool {
        program().exists()
    }

    fn with(free_requests: Option<u32>) -> Moto {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let written = File::create(&log).expect("a file");
        let mut command = Command::new(program());
        command
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written);
        if let Some(free) = free_requests {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", free.to_string());
        }
        let mut child = command
            .spawn()
            .expect("moto, which `cargo xtask test` installs");
        let mut host = None;
        until("a server of S3", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let ended = child.try_wait().is_ok_and(|ended| ended.is_some());
            let rest = said.split("Running on http://").nth(1);
            host = rest
                .and_then(|rest| rest.split_once('\n'))
                .map(|(host, _)| host.trim().to_owned());
            host.is_some() || ended
        });
        let moto = Moto {
            host: host.expect("an address"),
            child,
            _folder: folder,
        };
        moto.ask("PUT", BUCKET, b"");
        moto
    }

    /// Its host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A scene whose host reaches this server.
    pub fn known_to(&self, scene: Scene) -> Scene {
        scene
            .with("AWS_ENDPOINT_URL", &format!("http://{}", self.host))
            .with("AWS_ACCESS_KEY_ID", "AKIATESTKEY")
            .with("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-test-secret")
            .with("AWS_REGION", "us-east-1")
    }

    /// What it answers to a request for `BUCKET/KEY`: all of it, with its head.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut connection = TcpStream::connect(&self.host).expect("a connection");
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nhost: {}\r\n{AUTHORIZATION}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.host,
            body.len()
        );
        connection.write_all(head.as_bytes()).expect("a request");
        connection.write_all(body).expect("a request");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("an answer");
        answer
    }

    /// The bytes of an object.
    pub fn object(&self, key: &str) -> Vec<u8> {
        let answer = self.ask("GET", &format!("{BUCKET}/{key}"), b"");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map_or(0, |end| end + 4);
        answer.get(body..).unwrap_or_default().to_vec()
    }

    /// Writes an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.ask("PUT", &format!("{BUCKET}/{key}"), bytes);
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        let listed = self.ask("GET", &format!("{BUCKET}?list-type=2"), b"");
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let keys = listed.split("<Key>").skip(1);
        keys.filter_map(|rest| rest.split("</Key>").next().map(str::to_owned))
            .collect()
    }

    /// Uploads that began and did not end.
    pub fn unfinished_uploads(&self) -> usize {
        let listed = self.ask("GET", &format!("{BUCKET}?uploads"), b"");
        String::from_utf8_lossy(&listed)
            .matches("<UploadId>")
            .count()
    }

    /// Ends it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    root().join("target/moto/bin/moto_server")
}

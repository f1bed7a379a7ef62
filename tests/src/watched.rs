//! A run with a dashboard, for tests and benchmarks: its address, and its end.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose run does not start has nothing to go on with"
)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::scene::{Ran, Scene};

/// A run that goes on; dropping it kills it.
pub struct Watched {
    child: Child,
    /// Where its page is, with a slash at the end.
    pub page: String,
    rest: Option<JoinHandle<(String, String)>>,
}

impl Watched {
    /// Starts `batchgen run --json --dashboard` on a free port with more arguments.
    pub fn start(scene: &Scene, arguments: &[&str]) -> Watched {
        let mut child = scene.start(&[&["--dashboard", "127.0.0.1:0"], arguments].concat());
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut errors = child.stderr.take().expect("a pipe");
        let page = page(&mut output).unwrap_or_else(|| {
            let mut said = String::new();
            let _ = errors.read_to_string(&mut said);
            panic!("no dashboard: {said}")
        });
        // Read on, or a full pipe would stop it.
        let rest = std::thread::spawn(move || {
            let said = std::thread::spawn(move || std::io::read_to_string(errors));
            let output = std::io::read_to_string(output).unwrap_or_default();
            let said = said.join().map(Result::unwrap_or_default);
            (output, said.unwrap_or_default())
        });
        Watched {
            child,
            page,
            rest: Some(rest),
        }
    }

    /// An address of the page.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.page)
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let status = self.child.wait().expect("it ends");
        let rest = self.rest.take().expect("it is read once");
        let (stdout, stderr) = rest.join().expect("its output");
        Ran {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address, from the first event.
fn page(output: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = String::new();
    while output.read_line(&mut line).ok()? > 0 {
        let event: Value = serde_json::from_str(&line).ok()?;
        if event["event"] == "dashboard" {
            return Some(event["url"].as_str()?.to_owned());
        }
        line.clear();
    }
    None
}

/// A server of runs that have ended; dropping it kills it.
pub struct Viewing {
    child: Child,
    /// Where its page is, with a slash at the end.
    pub page: String,
}

impl Viewing {
    /// Starts `batchgen view` on a free port.
    pub fn start(scene: &Scene) -> Viewing {
        Viewing::serving(scene, &["view"])
    }

    /// Starts `batchgen review --page` on a free port with more arguments. The page has its key.
    pub fn reviewing(scene: &Scene, arguments: &[&str]) -> Viewing {
        Viewing::serving(scene, &[&["review", "--page"], arguments].concat())
    }

    fn serving(scene: &Scene, arguments: &[&str]) -> Viewing {
        let mut child = scene.command(arguments).spawn().expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut all = String::new();
        let page = loop {
            let before = all.len();
            let read = said.read_line(&mut all).expect("a line");
            let mut words = all[before..].split_whitespace();
            if let Some(page) = words.find(|word| word.starts_with("http://")) {
                break page.to_owned();
            }
            assert!(read > 0, "no page: {all}");
        };
        // Read on, or a full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Viewing { child, page }
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

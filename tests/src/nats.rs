//! Real NATS servers on ports of this machine. They end with the test or benchmark that started them.

#![expect(
    clippy::expect_used,
    reason = "servers that do not start leave a test nothing to go on with"
)]

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ports;
use crate::scene::{root, until};

/// NATS servers, with a folder for what they keep.
pub struct Nats {
    folder: TempDir,
    servers: Vec<Server>,
    /// More lines of their configuration.
    settings: String,
}

struct Server {
    port: u16,
    /// Where the others reach it.
    route: u16,
    child: Option<Child>,
}

impl Nats {
    /// One server, or several that keep copies of everything.
    pub fn start(servers: usize) -> Nats {
        Nats::configured(servers, "")
    }

    /// The same with these lines in their configuration.
    pub fn configured(servers: usize, settings: &str) -> Nats {
        let servers = (0..servers).map(|_| Server {
            port: ports::free(),
            route: ports::free(),
            child: None,
        });
        let mut nats = Nats {
            folder: tempfile::tempdir().expect("a folder"),
            servers: servers.collect(),
            settings: settings.to_owned(),
        };
        for place in 0..nats.servers.len() {
            nats.begin(place);
        }
        nats
    }

    /// Starts a server, and waits until it listens.
    pub fn begin(&mut self, place: usize) {
        let routes: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("nats://127.0.0.1:{}", server.route))
            .collect();
        let store = self.store(place);
        let settings = self.folder.path().join("settings.conf");
        fs::write(&settings, &self.settings).expect("a file");
        let Some(server) = self.servers.get_mut(place) else {
            return;
        };
        let mut command = Command::new(root().join("target/nats/bin/nats-server"));
        command
            .arg("--config")
            .arg(&settings)
            .args(["--addr", "127.0.0.1", "--jetstream"])
            .args(["--port", &server.port.to_string()])
            .arg("--store_dir")
            .arg(store)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let (Some(own), true) = (routes.get(place), routes.len() > 1) {
            command
                .args(["--cluster_name", "tests"])
                .args(["--server_name", &format!("server-{place}")])
                .args(["--cluster", own])
                .args(["--routes", &routes.join(",")]);
        }
        server.child = Some(
            command
                .spawn()
                .expect("nats-server, which `cargo xtask test` installs"),
        );
        let port = server.port;
        until("a NATS server", || {
            let child = server.child.as_mut();
            let ended = child.and_then(|child| child.try_wait().ok().flatten());
            assert_eq!(ended, None, "the NATS server on port {port} has ended");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    /// Kills a server.
    pub fn kill(&mut self, place: usize) {
        let server = self.servers.get_mut(place);
        if let Some(mut child) = server.and_then(|server| server.child.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Removes all that a server that was killed has kept.
    pub fn forget(&self, place: usize) {
        fs::remove_dir_all(self.store(place)).expect("a folder that can be removed");
    }

    /// Process of a server that runs.
    pub fn process(&self, place: usize) -> Option<u32> {
        self.servers.get(place)?.child.as_ref().map(Child::id)
    }

    /// Addresses of all servers.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("nats://127.0.0.1:{}", server.port))
            .collect();
        urls.join(",")
    }

    fn store(&self, place: usize) -> std::path::PathBuf {
        self.folder.path().join(place.to_string())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for place in 0..self.servers.len() {
            self.kill(place);
        }
    }
}

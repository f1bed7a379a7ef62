//! A dataset at an address: it is read like a file, and a project has to be allowed to choose it.

use std::process::{Child, Command, Stdio};

use crate::ports;
use crate::scene::{Scene, until};

/// Python's own web server over a folder.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &std::path::Path) -> Server {
        let port = ports::free();
        let child = Command::new("python3")
            .args([
                "-m",
                "http.server",
                "--bind",
                "127.0.0.1",
                &port.to_string(),
            ])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a web server", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Server { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const THINGS: &str = "id,name,category\na,Lamp,light\nb,Torch,light\n";

#[test]
fn a_table_at_an_address_is_read_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("things.csv"), THINGS).unwrap();
    let server = Server::start(folder.path());
    let url = format!("http://127.0.0.1:{}/things.csv?token=secret", server.port);
    let home = folder.path().join("home").display().to_string();
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("HOME", &home);
    scene.write("batchgen.toml", &format!("[dataset]\npath = \"{url}\"\n"));
    // A project from elsewhere does not choose where data comes from.
    let refused = scene.run(&[]).ended(2).stderr;
    assert!(
        refused.contains("[dataset] reads http://127.0.0.1") && !refused.contains("secret"),
        "{refused}"
    );
    scene.host(&["trust"]).ended(0);
    scene.run(&[]).ended(0);
    assert_eq!(scene.content().len(), 2);
    std::fs::write(
        folder.path().join("things.csv"),
        format!("{THINGS}c,Chair,seat\n"),
    )
    .unwrap();
    let ran = scene.run(&[]).ended(0);
    assert_eq!(ran.summary().count("made"), 1);
    // Where nothing is asked, the copy will do.
    drop(server);
    scene.host(&["why", "c", "summary"]).ended(0);
    let gone = scene.run(&[]).ended(2).stderr;
    assert!(gone.contains("things.csv: cannot be fetched"), "{gone}");
}

/// What a person types needs no other permission.
#[test]
fn an_address_that_a_person_types_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("things.csv"), THINGS).unwrap();
    let server = Server::start(folder.path());
    let url = format!("http://127.0.0.1:{}/things.csv", server.port);
    let home = folder.path().join("home").display().to_string();
    let scene = Scene::new().with_plugins("plugins").with("HOME", &home);
    std::fs::remove_file(scene.path("batchgen.toml")).unwrap();
    scene.host(&["init", &url]).ended(0);
    scene.run(&[]).ended(0);
    assert_eq!(scene.content().len(), 2);
    let others = Scene::new().with_plugin("example-plugins/summary");
    others.write("batchgen.toml", "[dataset]\npath = \"nothing.csv\"\n");
    others.run(&["--data", &url]).ended(0);
    assert_eq!(others.content().len(), 2);
}

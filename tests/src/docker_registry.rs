//! A real registry, Debian's `docker-registry`, on a port of this machine. It ends with the test that started it.

#![expect(
    clippy::expect_used,
    reason = "a registry that does not start leaves a test nothing to go on with"
)]

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::scene::{root, until};

/// The name that a guarded registry knows.
pub const NAME: &str = "me";
/// Its password.
pub const PASSWORD: &str = "secret-word";
/// The line of its file of passwords, as `htpasswd -B` writes it.
const LINE: &str = "me:$2b$05$iXtAy1TlTpjiEiFKDCrU2uvJ2zrLcL2oa7dPuALMQsWy4Ssvc6viK\n";

/// A registry, with a folder for what it keeps.
pub struct DockerRegistry {
    /// Host and port.
    pub host: String,
    child: Child,
    _folder: TempDir,
}

impl DockerRegistry {
    /// One that everybody may read and write.
    pub fn start() -> DockerRegistry {
        DockerRegistry::with("")
    }

    /// One for [`NAME`] alone.
    pub fn guarded() -> DockerRegistry {
        DockerRegistry::with("auth: {htpasswd: {realm: tests, path: FOLDER/passwords}}\n")
    }

    fn with(settings: &str) -> DockerRegistry {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("passwords"), LINE).expect("a file");
        let settings = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: FOLDER/kept}}}}\n\
             http: {{addr: \"127.0.0.1:0\"}}\n{settings}"
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, settings.replace("FOLDER", &path)).expect("a file");
        let log = folder.path().join("log");
        let written = File::create(&log).expect("a file");
        let program = root().join("target/docker-registry/usr/bin/docker-registry");
        let mut child = Command::new(program)
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written)
            .spawn()
            .expect("docker-registry, which `cargo xtask test` unpacks");
        let mut host = None;
        until("a registry", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let ended = child.try_wait().is_ok_and(|ended| ended.is_some());
            host = said
                .split("listening on ")
                .nth(1)
                .and_then(|rest| rest.split(['"', ' ']).next())
                .map(str::to_owned);
            host.is_some() || ended
        });
        DockerRegistry {
            host: host.expect("an address"),
            child,
            _folder: folder,
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

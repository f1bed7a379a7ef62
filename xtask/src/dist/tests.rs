//! How packages are laid out, with a small program in place of the real one.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use machine::Libc;
use sha2::{Digest as _, Sha256};

use super::*;

/// Waits for a signal, and ends with this code when it comes.
const SCRIPT: &str = "#!/bin/sh\ntrap 'exit 42' TERM\ntrap 'exit 43' INT\ncase $1 in wait) echo ready; read line ;; esac\nexit 7\n";

/// A stage as the build leaves it.
fn stage(folder: &Path, libc: Libc) -> Stage {
    for (path, text) in [
        ("bin/batchgen", SCRIPT),
        ("lib/batchgen/plugins/tags.wasm", "wasm"),
        ("share/doc/batchgen/LICENSE-MIT", "MIT"),
        ("share/doc/batchgen/LICENSE-APACHE", "Apache"),
        ("share/doc/batchgen/THIRD-PARTY-LICENSES.txt", "others"),
        ("share/doc/batchgen/sbom.cdx.json", "{}"),
        ("share/bash-completion/completions/batchgen", "bash"),
        ("share/zsh/vendor-completions/_batchgen", "zsh"),
        ("share/fish/vendor_completions.d/batchgen.fish", "fish"),
    ] {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let program = folder.join("bin/batchgen");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    Stage {
        folder: folder.to_owned(),
        version: "1.2.3".to_owned(),
        machine: Machine::of("x86_64-unknown-linux-musl").unwrap(),
        libc,
        made: 1_700_000_000,
    }
}

/// Names, modes and contents of a wheel's files.
fn unzipped(file: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut wheel = zip::ZipArchive::new(File::open(file).unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for index in 0..wheel.len() {
        let mut entry = wheel.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let mode = entry.unix_mode().unwrap() & 0o777;
        let name = entry.name().unwrap().into_owned();
        found.insert(name, (mode, content));
    }
    found
}

#[test]
fn a_wheel_puts_the_plugins_where_the_program_looks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder.path().join("stage"), Libc::Static);
    let file = wheel::make(&stage, folder.path()).unwrap();
    assert_eq!(
        file.file_name().unwrap(),
        "batchgen-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl"
    );
    let files = unzipped(&file);
    let modes: Vec<(&str, u32)> = files
        .iter()
        .map(|(name, (mode, _))| (name.as_str(), *mode))
        .collect();
    assert_eq!(
        modes,
        [
            (
                "batchgen-1.2.3.data/data/lib/batchgen/plugins/tags.wasm",
                0o644
            ),
            (
                "batchgen-1.2.3.data/data/share/bash-completion/completions/batchgen",
                0o644
            ),
            (
                "batchgen-1.2.3.data/data/share/fish/vendor_completions.d/batchgen.fish",
                0o644
            ),
            (
                "batchgen-1.2.3.data/data/share/zsh/vendor-completions/_batchgen",
                0o644
            ),
            ("batchgen-1.2.3.data/scripts/batchgen", 0o755),
            ("batchgen-1.2.3.dist-info/METADATA", 0o644),
            ("batchgen-1.2.3.dist-info/RECORD", 0o644),
            ("batchgen-1.2.3.dist-info/WHEEL", 0o644),
            ("batchgen-1.2.3.dist-info/licenses/LICENSE-APACHE", 0o644),
            ("batchgen-1.2.3.dist-info/licenses/LICENSE-MIT", 0o644),
            (
                "batchgen-1.2.3.dist-info/licenses/THIRD-PARTY-LICENSES.txt",
                0o644
            ),
            ("batchgen-1.2.3.dist-info/sboms/sbom.cdx.json", 0o644),
        ]
    );
    let text = |name: &str| String::from_utf8(files[name].1.clone()).unwrap();
    let record = text("batchgen-1.2.3.dist-info/RECORD");
    for (name, (_, content)) in &files {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
        let line = match name.ends_with("RECORD") {
            true => format!("{name},,"),
            false => format!("{name},sha256={hash},{}", content.len()),
        };
        assert!(
            record.lines().any(|known| known == line),
            "{line}\n{record}"
        );
    }
    assert_eq!(record.lines().count(), files.len());
    let about = text("batchgen-1.2.3.dist-info/WHEEL");
    assert!(
        about.contains("\nTag: py3-none-musllinux_1_1_x86_64\n"),
        "{about}"
    );
    let metadata = text("batchgen-1.2.3.dist-info/METADATA");
    assert!(
        metadata.contains("\nLicense-File: LICENSE-MIT\n") && metadata.contains("\n\n# batchgen\n")
    );
    // The same stage gives the same bytes.
    let bytes = fs::read(&file).unwrap();
    assert_eq!(
        fs::read(wheel::make(&stage, folder.path()).unwrap()).unwrap(),
        bytes
    );
}

#[test]
fn a_wheel_says_which_library_its_program_needs() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder.path().join("stage"), Libc::Gnu(2, 36));
    assert_eq!(wheel::platforms(&stage), ["manylinux_2_36_x86_64"]);
}

/// Files of a tarball with their modes, as `tar` lists them.
fn listed(file: &Path) -> Vec<String> {
    let list = ["--list", "--verbose", "--numeric-owner", "--file"];
    let output = Command::new("tar").args(list).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let files = text.lines().filter(|line| !line.starts_with('d'));
    files
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", words[0], words[1], words.last().unwrap())
        })
        .collect()
}

fn workspace() -> Workspace {
    Workspace::find().unwrap()
}

#[test]
fn npm_gets_a_thin_package_and_one_for_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder.path().join("stage"), Libc::Static);
    let [thin, own] = npm::make(&workspace(), &stage, folder.path(), folder.path()).unwrap();
    assert_eq!(thin.file_name().unwrap(), "batchgen-1.2.3.tgz");
    assert_eq!(own.file_name().unwrap(), "batchgen-linux-x64-1.2.3.tgz");
    assert_eq!(
        listed(&thin),
        [
            "-rw-r--r-- 0/0 package/LICENSE-APACHE",
            "-rw-r--r-- 0/0 package/LICENSE-MIT",
            "-rw-r--r-- 0/0 package/README.md",
            "-rw-r--r-- 0/0 package/bin/batchgen.js",
            "-rw-r--r-- 0/0 package/package.json",
        ]
    );
    let of_machine = listed(&own);
    for line in [
        "-rwxr-xr-x 0/0 package/bin/batchgen",
        "-rw-r--r-- 0/0 package/lib/batchgen/plugins/tags.wasm",
        "-rw-r--r-- 0/0 package/share/doc/batchgen/THIRD-PARTY-LICENSES.txt",
    ] {
        assert!(of_machine.contains(&line.to_owned()), "{of_machine:#?}");
    }
    let about = |name: &str| -> serde_json::Value {
        let text = fs::read_to_string(folder.path().join(name).join("package/package.json"));
        serde_json::from_str(&text.unwrap()).unwrap()
    };
    let (thin, own) = (about("npm-thin"), about("npm-machine"));
    assert_eq!(thin["bin"]["batchgen"], "bin/batchgen.js");
    assert_eq!(thin["optionalDependencies"]["@batchgen/linux-x64"], "1.2.3");
    assert_eq!(
        thin["optionalDependencies"]["@batchgen/linux-arm64"],
        "1.2.3"
    );
    assert_eq!(
        (&own["name"], &own["cpu"][0]),
        (&"@batchgen/linux-x64".into(), &"x64".into())
    );
    assert_eq!(own["libc"], serde_json::Value::Null, "it needs none");
}

/// The launcher ends as the program does, and passes on what only it is told.
#[test]
fn the_launcher_of_npm_stands_for_the_program() {
    if !is_there("node", "the launcher of npm is").unwrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder.path().join("stage"), Libc::Static);
    npm::make(&workspace(), &stage, folder.path(), folder.path()).unwrap();
    let modules = folder.path().join("node_modules");
    let architecture = Command::new("node")
        .args(["-p", "process.arch"])
        .output()
        .unwrap();
    let architecture = String::from_utf8(architecture.stdout).unwrap();
    let own = modules.join(format!("@batchgen/linux-{}", architecture.trim()));
    let thin = modules.join("batchgen");
    stage::copy(&folder.path().join("npm-thin/package"), &thin).unwrap();
    let launcher = || {
        let mut command = Command::new("node");
        command.arg(thin.join("bin/batchgen.js"));
        command
    };
    let output = launcher().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is not installed\nhint: "), "{said}");
    stage::copy(&folder.path().join("npm-machine/package"), &own).unwrap();
    assert_eq!(launcher().status().unwrap().code(), Some(7));
    let mut child = launcher()
        .arg("wait")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    let id = child.id().to_string();
    let kill = |signal: &str| {
        Command::new("kill").args([signal, &id]).status().unwrap();
    };
    // `wait` would close it, and the program would end by itself.
    let input = child.stdin.take();
    // A terminal tells the program itself.
    kill("-INT");
    kill("-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(42));
    drop(input);
}

#[test]
fn a_debian_package_says_what_it_is_and_needs() {
    if !is_there("dpkg-deb", "the Debian package is").unwrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder.path().join("stage"), Libc::Gnu(2, 36));
    let file = debian::make(&workspace(), &stage, folder.path(), folder.path()).unwrap();
    assert_eq!(file.file_name().unwrap(), "batchgen_1.2.3_amd64.deb");
    let shown = |what: &str| {
        let output = Command::new("dpkg-deb")
            .arg(what)
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let about = shown("--field");
    for line in [
        "Version: 1.2.3",
        "Architecture: amd64",
        "Depends: libc6 (>= 2.36), libgcc-s1",
    ] {
        assert!(about.lines().any(|known| known == line), "{about}");
    }
    let files = shown("--contents");
    for (mode, name) in [
        ("-rwxr-xr-x root/root", "./usr/bin/batchgen"),
        (
            "-rw-r--r-- root/root",
            "./usr/lib/batchgen/plugins/tags.wasm",
        ),
        ("-rw-r--r-- root/root", "./usr/share/doc/batchgen/copyright"),
    ] {
        let is_it = |line: &str| line.starts_with(mode) && line.ends_with(name);
        assert!(files.lines().any(is_it), "{files}");
    }
}

#[test]
fn checksums_are_those_that_sha256sum_checks() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["b.whl", "a.deb"].map(|name| folder.path().join(name));
    for file in &files {
        fs::write(file, "text").unwrap();
    }
    let sums = sums::write(folder.path(), &files).unwrap();
    let check = || {
        let mut command = Command::new("sha256sum");
        command
            .args(["--check", "--quiet"])
            .arg(&sums)
            .current_dir(folder.path());
        command.status().unwrap().success()
    };
    assert!(check());
    assert!(
        fs::read_to_string(&sums)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .ends_with("  a.deb")
    );
    fs::write(&files[0], "another").unwrap();
    assert!(!check());
}

//! The packages for npm: a thin one that everybody installs, and one for each kind of machine, of which npm takes the one
//! that fits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    ABOUT, PROGRAM, SUMMARY,
    machine::{Libc, Machine},
    stage::{DOCS, LICENCES, Stage, copy},
    tarball,
};
use crate::workspace::Workspace;

/// Starts the program from the package for this machine.
const LAUNCHER: &str = include_str!("launcher.js");

/// The package for a kind of machine.
fn name(machine: Machine) -> String {
    format!("@{PROGRAM}/linux-{}", machine.npm)
}

/// Makes the thin one and the one for this machine.
///
/// # Errors
/// When something cannot be read or written.
pub fn make(workspace: &Workspace, stage: &Stage, work: &Path, out: &Path) -> Result<[PathBuf; 2]> {
    let thin = begin(work, "npm-thin")?;
    fs::create_dir_all(thin.join("bin"))?;
    fs::write(thin.join("bin/batchgen.js"), LAUNCHER)?;
    for licence in LICENCES {
        copy(&stage.folder.join(DOCS).join(licence), &thin.join(licence))?;
    }
    let of_machines = Machine::all().map(|machine| (name(machine), json!(stage.version)));
    describe(
        stage,
        &thin,
        PROGRAM,
        json!({
            "bin": {PROGRAM: "bin/batchgen.js"},
            "engines": {"node": ">=18"},
            "optionalDependencies": of_machines.into_iter().collect::<Map<_, _>>(),
        }),
    )?;
    let own = begin(work, "npm-machine")?;
    copy(&stage.folder, &own)?;
    let mut about = json!({"os": ["linux"], "cpu": [stage.machine.npm], "preferUnplugged": true});
    if let (Libc::Gnu(..), Some(about)) = (stage.libc, about.as_object_mut()) {
        about.insert("libc".to_owned(), json!(["glibc"]));
    }
    describe(stage, &own, &name(stage.machine), about)?;
    let pack = |folder: &Path, name: &str| {
        let file = out.join(format!("{name}-{}.tgz", stage.version));
        tarball::pack(
            workspace,
            stage,
            folder.parent().unwrap_or(folder),
            "package",
            file,
        )
    };
    Ok([
        pack(&thin, PROGRAM)?,
        pack(&own, &format!("{PROGRAM}-linux-{}", stage.machine.npm))?,
    ])
}

/// An empty folder of the name that all packages have inside.
fn begin(work: &Path, name: &str) -> Result<PathBuf> {
    let folder = work.join(name).join("package");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("README.md"), ABOUT)?;
    Ok(folder)
}

/// Writes `package.json`.
fn describe(stage: &Stage, folder: &Path, name: &str, more: Value) -> Result<()> {
    let mut about = json!({
        "name": name,
        "version": stage.version,
        "description": SUMMARY,
        "license": "MIT OR Apache-2.0",
    });
    if let (Some(about), Value::Object(more)) = (about.as_object_mut(), more) {
        about.extend(more);
    }
    fs::write(folder.join("package.json"), format!("{about:#}\n"))?;
    Ok(())
}

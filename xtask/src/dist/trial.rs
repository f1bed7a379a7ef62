//! Unpacks an archive in an empty folder and uses it there, with an empty environment: as somebody would who has
//! nothing else.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Result, ensure};

use crate::workspace;

/// A dataset of a user's own.
const OWN: &str =
    "sku,title,kind,colour\na-1,Lamp,light,white\na-2,Torch,light,red\na-3,Chair,seat,brown\n";

/// Tries it.
///
/// # Errors
/// When the archive does not work.
pub fn perform(archive: &Path, name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    workspace::run(
        Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(archive)
            .arg("--directory")
            .arg(folder.path()),
    )?;
    let unpacked = folder.path().join(name);
    let run = |program: &Path, place: &Path, arguments: &[&str]| -> Result<Output> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(place)
            .env_clear()
            .env("HOME", folder.path())
            .output()?;
        ensure!(
            output.status.success(),
            "`batchgen {}` in an empty folder failed ({}):\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output)
    };
    let program = unpacked.join("batchgen");
    let start = |place: &Path, arguments: &[&str]| run(&program, place, arguments);
    start(&unpacked, &["run", "--all", "--limit", "3"])?;
    let made = fs::read_dir(unpacked.join("content"))?.count();
    ensure!(made > 5, "only {made} components made files");
    // A project of one's own, elsewhere: plugins are found beside the program.
    let own = folder.path().join("own");
    fs::create_dir(&own)?;
    fs::write(own.join("things.csv"), OWN)?;
    start(&own, &["init", "things.csv"])?;
    let told = start(&own, &["run", "--limit", "3"])?;
    let told = String::from_utf8_lossy(&told.stdout);
    ensure!(told.contains("3 of 3 things complete"), "{told}");
    // The program by itself, without the plugins beside it.
    let alone = folder.path().join("alone");
    fs::create_dir(&alone)?;
    fs::write(alone.join("things.csv"), OWN)?;
    let copy = alone.join("batchgen");
    fs::copy(&program, &copy)?;
    run(&copy, &alone, &["init", "things.csv"])?;
    let told = run(&copy, &alone, &["run", "--limit", "3"])?;
    let told = String::from_utf8_lossy(&told.stdout);
    ensure!(told.contains("3 of 3 things complete"), "{told}");
    let told = start(&own, &["doctor"])?;
    let told = String::from_utf8_lossy(&told.stdout);
    ensure!(
        !told.contains("host "),
        "a hint names the program as it is not called:\n{told}"
    );
    Ok(())
}

//! Installs each package on a clean prefix, with nothing but what a machine without Rust has on its path, and uses it there: as
//! somebody would who has a table and nothing else.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};

use super::{
    Made, PROGRAM, is_there,
    stage::{MANUAL, Stage},
};
use crate::workspace;

/// A dataset of a user's own.
const OWN: &str =
    "sku,title,kind,colour\na-1,Lamp,light,white\na-2,Torch,light,red\na-3,Chair,seat,brown\n";
/// From the wheel to the first file of a table of one's own: what is typed, and how long it may take.
const FIRST_FILE: [&str; 4] = [
    "python3 -m venv env",
    "env/bin/pip install --quiet --no-index WHEEL",
    "env/bin/batchgen init things.csv",
    "env/bin/batchgen run --limit 3",
];
const FIRST_FILE_WITHIN: Duration = Duration::from_secs(60);

/// Tries all packages.
///
/// # Errors
/// When one does not work.
pub fn perform(made: &Made, stage: &Stage) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| -> Result<Place> { Place::new(folder.path().join(name)) };
    archive(&place("archive")?, &made.archive)?;
    if is_there("python3", "the trial of the wheel is")? {
        wheel(&place("wheel")?, &made.wheel)?;
    }
    if is_there("npm", "the trial of the packages for npm is")? {
        npm(&place("npm")?, &made.npm)?;
    }
    if let Some(package) = &made.debian {
        debian(&place("debian")?, package, stage)?;
    }
    Ok(())
}

/// An empty folder and home, and the programs of the system.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(folder: PathBuf) -> Result<Place> {
        for name in ["home", "own", "installed"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::write(folder.join("own/things.csv"), OWN)?;
        Ok(Place { folder })
    }

    fn installed(&self) -> PathBuf {
        self.folder.join("installed")
    }

    fn own(&self) -> PathBuf {
        self.folder.join("own")
    }

    /// A command in a folder, with an environment that has no Rust. The tools that install (python3, npm) are found where they are.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).filter(|folder| !folder.join("cargo").exists());
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", self.folder.join("home"))
            .env("PATH", std::env::join_paths(path).unwrap_or_default());
        command
    }

    /// Runs the program on the table of one's own.
    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        succeeded(self.command(program, &self.own()).args(arguments))
    }
}

/// Runs a command that must end well; gives what it said.
fn succeeded(command: &mut Command) -> Result<String> {
    let output: Output = command
        .output()
        .with_context(|| format!("cannot start `{}`", workspace::shown(command)))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "`{}` failed ({}):\n{said}{}",
        workspace::shown(command),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// Uses an installed program: a first configuration, a run, a plugin of one's own, and one of the bundled plugins. Nothing of
/// what is installed may change, since many prefixes are not writable.
fn used(place: &Place, program: &Path, installed: &Path) -> Result<()> {
    let before = state(installed)?;
    if !place.own().join("batchgen.toml").exists() {
        place.run(program, &["init", "things.csv"])?;
    }
    place.run(program, &["run", "--limit", "3"])?;
    let made = fs::read_dir(place.own().join("content/description"))?.count();
    ensure!(made == 3, "{made} files were made of 3 things");
    place.run(program, &["plugins", "new", "faq"])?;
    ensure!(
        place.own().join("faq/plugin.toml").is_file(),
        "no plugin was begun"
    );
    let listed = place.run(program, &["plugins", "list", "--json"])?;
    ensure!(
        listed.contains("\"tags\""),
        "the bundled plugins are not found: {listed}"
    );
    let told = place.run(program, &["doctor"])?;
    ensure!(
        !told.contains("host "),
        "a hint names the program as it is not called:\n{told}"
    );
    ensure!(
        state(installed)? == before,
        "a file that is installed has changed"
    );
    Ok(())
}

/// All files of a folder with their sizes and times.
fn state(folder: &Path) -> Result<BTreeMap<String, (u64, SystemTime)>> {
    let files = super::stage::files(folder)?.into_iter();
    files
        .map(|(name, file)| {
            let about = fs::symlink_metadata(file)?;
            Ok((name, (about.len(), about.modified()?)))
        })
        .collect()
}

fn archive(place: &Place, archive: &Path) -> Result<()> {
    let tar = ["--extract", "--strip-components=1", "--file"];
    succeeded(
        place
            .command("tar", &place.installed())
            .args(tar)
            .arg(archive),
    )?;
    let program = place.installed().join(PROGRAM);
    used(place, &program, &place.installed())?;
    // The sample.
    let run = ["run", "--all", "--limit", "3"];
    succeeded(place.command(&program, &place.installed()).args(run))?;
    let made = fs::read_dir(place.installed().join("content"))?.count();
    ensure!(made > 5, "only {made} components made files");
    // The program by itself, without the plugins beside it.
    let alone = place.folder.join("alone");
    fs::create_dir(&alone)?;
    fs::write(alone.join("things.csv"), OWN)?;
    let copy = alone.join(PROGRAM);
    fs::copy(&program, &copy)?;
    succeeded(place.command(&copy, &alone).args(["init", "things.csv"]))?;
    let told = succeeded(place.command(&copy, &alone).args(["run", "--limit", "3"]))?;
    ensure!(told.contains("3 of 3 things complete"), "{told}");
    Ok(())
}

fn wheel(place: &Place, wheel: &Path) -> Result<()> {
    let wheel = wheel.display().to_string();
    let begun = Instant::now();
    for line in FIRST_FILE {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let words = words.map(|word| if word == "WHEEL" { &wheel } else { word });
        // A path is searched for from the folder of who starts the program.
        let program = match program.contains('/') {
            true => place.own().join(program),
            false => program.into(),
        };
        succeeded(place.command(program, &place.own()).args(words))?;
    }
    let first = place.own().join("content/description/a-1.md");
    ensure!(first.is_file(), "there is no {}", first.display());
    let took = begun.elapsed();
    ensure!(took < FIRST_FILE_WITHIN, "the first file took {took:?}");
    println!(
        "from the wheel to the first file: {} commands, {:.1} s",
        FIRST_FILE.len(),
        took.as_secs_f64()
    );
    let installed = place.own().join("env");
    used(place, &installed.join("bin").join(PROGRAM), &installed)
}

fn npm(place: &Place, packages: &[PathBuf; 2]) -> Result<()> {
    let install = [
        "install",
        "--offline",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    succeeded(
        place
            .command("npm", &place.installed())
            .args(install)
            .args(packages),
    )?;
    let launcher = place.installed().join("node_modules/.bin").join(PROGRAM);
    used(place, &launcher, &place.installed())?;
    let missing = place
        .command(&launcher, &place.own())
        .arg("nonsense")
        .output()?;
    ensure!(
        missing.status.code() == Some(2),
        "the launcher ends with {} and not with the program's exit code",
        missing.status
    );
    Ok(())
}

fn debian(place: &Place, package: &Path, stage: &Stage) -> Result<()> {
    succeeded(
        place
            .command("dpkg-deb", &place.own())
            .arg("--extract")
            .arg(package)
            .arg(place.installed()),
    )?;
    let told = succeeded(
        place
            .command("dpkg-deb", &place.own())
            .arg("--info")
            .arg(package),
    )?;
    let machine = format!("Architecture: {}", stage.machine.debian);
    ensure!(told.contains(&machine), "{told}");
    let page = place
        .installed()
        .join("usr")
        .join(MANUAL)
        .join("batchgen-run.1");
    ensure!(page.is_file(), "there is no {}", page.display());
    used(
        place,
        &place.installed().join("usr/bin").join(PROGRAM),
        &place.installed(),
    )
}

//! Keeps what a project has from being overwritten by a file whose name the user gives. Every command that writes such
//! a file begins it here.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::args::{ForceArgs, ProjectArgs, StateArgs};
use super::config_file;
use super::environment;
use super::file::Writing;
use super::settings;
use super::written::{Written, real};
use config::{Config, PromptSource};
use objects::{Address, Bucket, Condition};

/// What must not be overwritten.
pub(super) struct Guard {
    /// Files that the project is made of, and what each is.
    parts: Vec<(PathBuf, &'static str)>,
    /// Directories whose files belong to the project.
    folders: Vec<(PathBuf, &'static str)>,
    state: PathBuf,
    written: Written,
    force: bool,
}

impl Guard {
    /// For a command that works on a project.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn of_project(args: &ProjectArgs, force: &ForceArgs) -> anyhow::Result<Guard> {
        let mut guard = Guard::of_state(&args.place, force)?;
        if let Some(data) = &args.data {
            guard.parts.push((data.clone(), "the dataset"));
        }
        if let Some(plugins) = &args.plugins {
            guard
                .folders
                .push((plugins.clone(), "the directory of plugins"));
        }
        Ok(guard)
    }

    /// For a command that needs no more of a project than its state.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn of_state(place: &StateArgs, force: &ForceArgs) -> anyhow::Result<Guard> {
        let mut config = config_file::read(place.config.as_deref())?;
        if let Some(output) = &place.output {
            config.output.directory.clone_from(output);
        }
        if let Some(state) = &place.state {
            config.state.file.clone_from(state);
        }
        settings::take_place(&mut config)?;
        Ok(Guard::of_config(
            &config,
            config_file::find(place.config.as_deref()),
            force,
        ))
    }

    /// For a command that needs no project, though it may be started in one.
    pub fn of_place(force: &ForceArgs) -> Guard {
        let file = config_file::find(None);
        let mut config = config_file::read(None).unwrap_or_default();
        // What is wrong with an address is told where files are put there.
        let _ = settings::take_place(&mut config);
        Guard::of_config(&config, file, force)
    }

    fn of_config(config: &Config, file: Option<PathBuf>, force: &ForceArgs) -> Guard {
        let mut parts = Vec::new();
        if let Some(dataset) = &config.dataset {
            // What is wrong with the paths is told where the dataset is read.
            let files = dataset.path.files().unwrap_or_default();
            let database = dataset.url.as_ref().and_then(|url| url.file());
            let lookups = dataset.lookup.values();
            let lookups = lookups.flat_map(|lookup| lookup.path.files().unwrap_or_default());
            let files = files
                .into_iter()
                .chain(lookups)
                .chain(database.map(Path::to_owned));
            parts.extend(files.map(|file| (file, "the dataset")));
            let categories = dataset.categories_file.iter().cloned();
            parts.extend(categories.map(|file| (file, "the file of categories")));
        }
        parts.push((
            config_file::lock_file(file.as_deref()),
            "the lock of plugins",
        ));
        parts.push((
            environment::beside(file.as_deref()),
            "the file of variables",
        ));
        parts.extend(file.map(|file| (file, "the configuration")));
        for component in config.component.values() {
            let origin = component.origin.iter();
            parts.extend(origin.map(|origin| (origin.file.clone(), "a component")));
            for prompt in component.prompts.values() {
                if let PromptSource::File(file) = prompt {
                    parts.push((file.clone(), "a prompt"));
                }
            }
        }
        let keys = config.provider.values();
        let keys = keys.filter_map(|provider| provider.api_key_file.clone());
        parts.extend(keys.map(|file| (file, "the file of a key")));
        let mut folders = vec![
            (config.output.directory.clone(), "the output directory"),
            (
                settings::plugins_directory(config),
                "the directory of plugins",
            ),
        ];
        let published = config.output.publish.clone();
        folders.extend(published.map(|folder| (folder, "the folder of accepted files")));
        Guard {
            parts,
            folders,
            state: config.state.file.clone(),
            written: Written::beside(&config.state.file),
            force: force.force,
        }
    }

    /// Begins a file; `None` and `-` are standard output.
    ///
    /// # Errors
    /// When it would take the place of a part of the project, or of a file that no command of this project wrote and
    /// that is not to be replaced.
    pub fn begin(&self, file: Option<&Path>) -> anyhow::Result<Writing> {
        self.begin_unless(file, |_| false)
    }

    /// The same, where `is_own` knows a file by its content as one that may be replaced.
    ///
    /// # Errors
    /// Like [`Guard::begin`].
    pub fn begin_unless(
        &self,
        file: Option<&Path>,
        is_own: impl Fn(&Path) -> bool,
    ) -> anyhow::Result<Writing> {
        let Some(file) = file.filter(|file| *file != Path::new("-")) else {
            return Ok(Writing::to_stdout());
        };
        if let Some(address) = file.to_str().filter(|text| Address::is_one(text)) {
            return self.begin_object(&Address::parse(address)?);
        }
        let Ok(found) = fs::metadata(file) else {
            self.check_parts(file, None)?;
            return Writing::begin(file, Some(self.written.clone()));
        };
        if found.is_dir() {
            bail!("{} is a directory\nhint: name a file in it", file.display());
        }
        if !found.is_file() {
            // A pipe or a device is written to, and never replaced.
            return Writing::into(file);
        }
        self.check_parts(file, Some(&found))?;
        // Where a link leads, so that the link stays.
        let real = real(file);
        if !is_own(&real) && !self.written.has(&real) {
            self.check_folders(file, &real)?;
            if !self.force {
                bail!(
                    "{} is there already, and is not as an earlier command of this project wrote it\n\
                     hint: name another file, or replace it with --force",
                    file.display()
                );
            }
        }
        Writing::begin(&real, Some(self.written.clone()))
    }

    /// Begins an object in storage.
    fn begin_object(&self, address: &Address) -> anyhow::Result<Writing> {
        if address.key.is_empty() {
            bail!("{address} names no object\nhint: write s3://BUCKET/KEY");
        }
        let shown = PathBuf::from(address.to_string());
        if let Some((_, what)) = self.parts.iter().find(|(part, _)| *part == shown) {
            return Err(refused(&shown, &format!("is {what} of this project")));
        }
        let bucket = Bucket::open(address, &environment::storage_variables())?;
        let condition = match bucket.tag(address)? {
            None => Condition::Absent,
            Some(tag) if self.force || self.written.has_object(address, &tag) => {
                Condition::Unchanged(tag)
            }
            Some(_) => bail!(
                "{address} is there already, and is not as an earlier command of this project wrote it\n\
                 hint: name another object, or replace it with --force"
            ),
        };
        Ok(Writing::object(&bucket, condition, self.written.clone())?)
    }

    /// The files that the project is made of, also those that are not there yet.
    fn check_parts(&self, file: &Path, found: Option<&Metadata>) -> anyhow::Result<()> {
        let real = real(file);
        let is_same = |part: &Path| {
            let by_place = || {
                fs::metadata(part).is_ok_and(|part| {
                    found
                        .is_some_and(|found| (part.dev(), part.ino()) == (found.dev(), found.ino()))
                })
            };
            self::real(part) == real || by_place()
        };
        if let Some((_, what)) = self.parts.iter().find(|(part, _)| is_same(part)) {
            return Err(refused(file, &format!("is {what} of this project")));
        }
        let state = self::real(&self.state);
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.as_encoded_bytes().to_vec())
        };
        let begins = name(&real)
            .zip(name(&state))
            .is_some_and(|(file, state)| file.starts_with(&state));
        if real.parent() == state.parent() && begins {
            return Err(refused(file, "belongs to the state of this project"));
        }
        Ok(())
    }

    /// The directories whose files belong to the project.
    fn check_folders(&self, file: &Path, real: &Path) -> anyhow::Result<()> {
        let within = |folder: &Path| {
            folder
                .canonicalize()
                .is_ok_and(|folder| real.starts_with(folder))
        };
        match self.folders.iter().find(|(folder, _)| within(folder)) {
            Some((_, what)) => Err(refused(file, &format!("lies in {what} of this project"))),
            None => Ok(()),
        }
    }
}

fn refused(file: &Path, why: &str) -> anyhow::Error {
    anyhow!(
        "{} {why}, and is not overwritten\nhint: name another file",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A project with one of everything in a folder.
    fn project() -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("data.csv", "id,name,category\na,A,x\n"),
            ("kinds.csv", "id\nx\n"),
            (".env", "A=b\n"),
            ("write.md", "Write.\n"),
            ("components/note.md", "---\n---\nWrite a note.\n"),
            ("key", "sk\n"),
            ("plugins/prompt.wasm", "wasm"),
            ("content/text/a.md", "A.\n"),
            ("state/state.db", "db"),
            ("state/state.db-wal", "wal"),
            ("state/other", "other\n"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = "[dataset]\npath = \"data.csv\"\ncategories-file = \"kinds.csv\"\n\
            [state]\nfile = \"state/state.db\"\n[plugins]\ndirectory = \"plugins\"\n\
            [provider.x]\napi-key-file = \"key\"\n[component.text.prompts]\nwrite = \"write.md\"\n";
        let file = folder.path().join("batchgen.toml");
        fs::write(&file, text).unwrap();
        let config = Config::read(&file).unwrap();
        (folder, config)
    }

    fn guard(folder: &Path, config: &Config, force: bool) -> Guard {
        let file = folder.join("batchgen.toml");
        Guard::of_config(config, Some(file), &ForceArgs { force })
    }

    fn write(guard: &Guard, file: &Path, text: &str) -> anyhow::Result<()> {
        let mut writing = guard.begin(Some(file))?;
        writing.write_all(text.as_bytes())?;
        writing.publish()
    }

    #[test]
    fn no_part_of_a_project_is_overwritten_even_by_force() {
        let (folder, config) = project();
        let parts = [
            "data.csv",
            "kinds.csv",
            "batchgen.toml",
            ".env",
            "write.md",
            "components/note.md",
            "key",
            "plugins.lock",
            "plugins/prompt.wasm",
            "content/text/a.md",
            "state/state.db",
            "state/state.db-wal",
            "state/state.db.status.json",
            "content/../data.csv",
            "link.csv",
            "hard.csv",
        ];
        std::os::unix::fs::symlink("data.csv", folder.path().join("link.csv")).unwrap();
        fs::hard_link(
            folder.path().join("data.csv"),
            folder.path().join("hard.csv"),
        )
        .unwrap();
        let said: Vec<String> = parts
            .iter()
            .map(|part| {
                let file = folder.path().join(part);
                let before = fs::read(&file).ok();
                for force in [false, true] {
                    let guard = guard(folder.path(), &config, force);
                    assert!(write(&guard, &file, "lost").is_err(), "{part}");
                }
                assert_eq!(fs::read(&file).ok(), before, "{part}");
                let guard = guard(folder.path(), &config, true);
                let error = guard.begin(Some(&file)).err().unwrap().to_string();
                let shown = error.replace(&format!("{}/", folder.path().display()), "");
                shown.lines().next().unwrap_or_default().to_owned()
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        data.csv is the dataset of this project, and is not overwritten
        kinds.csv is the file of categories of this project, and is not overwritten
        batchgen.toml is the configuration of this project, and is not overwritten
        .env is the file of variables of this project, and is not overwritten
        write.md is a prompt of this project, and is not overwritten
        components/note.md is a component of this project, and is not overwritten
        key is the file of a key of this project, and is not overwritten
        plugins.lock is the lock of plugins of this project, and is not overwritten
        plugins/prompt.wasm lies in the directory of plugins of this project, and is not overwritten
        content/text/a.md lies in the output directory of this project, and is not overwritten
        state/state.db belongs to the state of this project, and is not overwritten
        state/state.db-wal belongs to the state of this project, and is not overwritten
        state/state.db.status.json belongs to the state of this project, and is not overwritten
        content/../data.csv is the dataset of this project, and is not overwritten
        link.csv is the dataset of this project, and is not overwritten
        hard.csv is the dataset of this project, and is not overwritten
        "#);
    }

    #[test]
    fn a_file_of_somebody_else_is_replaced_by_force_and_an_own_one_at_once() {
        let (folder, config) = project();
        let file = folder.path().join("rows.csv");
        let plain = guard(folder.path(), &config, false);
        write(&plain, &file, "1").unwrap();
        write(&plain, &file, "2").unwrap();
        fs::write(&file, "edited").unwrap();
        let error = write(&plain, &file, "3").unwrap_err().to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "edited");
        write(&guard(folder.path(), &config, true), &file, "3").unwrap();
        write(&plain, &file, "4").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "4");
        // A site generator's data may lie beside the files that are made.
        let data = folder.path().join("content/rows.jsonl");
        write(&plain, &data, "1").unwrap();
        write(&plain, &data, "2").unwrap();
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_to() {
        let (folder, config) = project();
        let guard = guard(folder.path(), &config, true);
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        write(&guard, &link, "after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");
        write(&guard, Path::new("/dev/null"), "gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let error = write(&guard, &folder.path().join("state"), "x").unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
    }
}

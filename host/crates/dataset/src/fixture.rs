//! Datasets in a temporary folder, for the tests of the formats.

use super::{Dataset, DatasetConfig, DatasetError, Place, Record};

/// A file that is removed when the test ends.
pub(super) struct Fixture {
    folder: tempfile::TempDir,
    config: DatasetConfig,
}

impl Fixture {
    /// Writes `content` to a file of this name.
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Self {
            folder,
            config: DatasetConfig::new(path),
        }
    }

    /// Takes the category facts from another file.
    pub fn with_categories(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        self.config.categories_file = Some(path);
        self
    }

    /// Takes fields from another file, whose key is `sku`.
    pub fn with_lookup(mut self, name: &str, file: &str, content: &str, by: Option<&str>) -> Self {
        self.write(file, content);
        let lookup = super::LookupConfig {
            path: self.folder.path().join(file).into(),
            format: None,
            key: "sku".into(),
            by: by.map(str::to_owned),
        };
        self.config.lookup.insert(name.to_owned(), lookup);
        self
    }

    /// Writes a file beside it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Changes the configuration.
    pub fn with(mut self, change: impl FnOnce(&mut DatasetConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// What it is opened with.
    pub fn config(&self) -> DatasetConfig {
        self.config.clone()
    }

    /// Opens it.
    pub fn open(&self) -> Dataset {
        Dataset::open(self.config()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// All records; each must be the same when it is read again by its place.
    pub fn records(&self) -> Vec<Record> {
        self.entries()
            .into_iter()
            .map(|(_, record)| record)
            .collect()
    }

    /// All records with their places, likewise.
    pub fn entries(&self) -> Vec<(Place, Record)> {
        let dataset = self.open();
        let entries: Result<Vec<_>, _> = dataset.entries().collect();
        let entries = entries.unwrap_or_else(|error| panic!("{error}"));
        for (place, record) in &entries {
            assert_eq!(&dataset.read(*place).unwrap(), record);
        }
        entries
    }

    /// One line for each record, with its id or what is wrong with it; what is wrong with the file comes last.
    pub fn report(&self) -> String {
        let lines = match Dataset::open(self.config()) {
            Ok(dataset) => dataset
                .entries()
                .map(|entry| self.describe(entry))
                .collect(),
            Err(error) => vec![self.message(&error)],
        };
        lines.join("\n")
    }

    /// The message without the temporary folder.
    pub fn message(&self, error: &DatasetError) -> String {
        error
            .to_string()
            .replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn describe(&self, entry: Result<(Place, Record), DatasetError>) -> String {
        match entry {
            Ok((place, record)) => format!("line {}: {}", place.line, record.id),
            Err(error) => self.message(&error),
        }
    }
}

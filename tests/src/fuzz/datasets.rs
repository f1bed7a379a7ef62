//! Files of datasets: what was read is the same when it is read again by its place.

use std::fs;

use dataset::{Dataset, DatasetConfig};
use tempfile::TempDir;

use super::Target;

struct Reader {
    folder: TempDir,
    ending: &'static str,
}

/// For the format of this ending.
pub fn make(ending: &'static str) -> anyhow::Result<Box<dyn Target>> {
    let folder = tempfile::tempdir()?;
    Ok(Box::new(Reader { folder, ending }))
}

impl Target for Reader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let path = self
            .folder
            .path()
            .join("records")
            .with_extension(self.ending);
        fs::write(&path, input).map_err(|error| error.to_string())?;
        let Ok(dataset) = Dataset::open(DatasetConfig::new(path)) else {
            return Ok(());
        };
        for entry in dataset.entries() {
            let Ok((place, record)) = entry else {
                continue;
            };
            match dataset.read(place) {
                Ok(again) if again == record => {}
                other => return Err(format!("{record:?} is {other:?} when read again")),
            }
        }
        Ok(())
    }
}

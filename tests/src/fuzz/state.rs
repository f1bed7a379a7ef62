//! A damaged state: whoever opens it is told so, or can use it. An input is a list of changes to a state that a run left:
//! a place (three bytes), and what is there instead (one byte).

use std::fs;
use std::path::Path;

use store::{FailureFilter, Store};
use tempfile::TempDir;

use super::Target;
use crate::scene::Scene;

struct Damage {
    folder: TempDir,
    state: Vec<u8>,
}

pub fn make() -> anyhow::Result<Box<dyn Target>> {
    let scene = Scene::new();
    scene.run(&["--record", "oak", "--record", "iron"]).ended(0);
    let state = fs::read(scene.path(".batchgen/state.db"))?;
    let folder = tempfile::tempdir()?;
    Ok(Box::new(Damage { folder, state }))
}

impl Target for Damage {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let mut state = self.state.clone();
        for change in input.chunks_exact(4) {
            if let [high, middle, low, value] = change {
                let place = u32::from_be_bytes([0, *high, *middle, *low]) as usize % state.len();
                if let Some(byte) = state.get_mut(place) {
                    *byte = *value;
                }
            }
        }
        let file = self.folder.path().join("state.db");
        fs::write(&file, state).map_err(|error| error.to_string())?;
        use_it(&file);
        Ok(())
    }
}

/// Opens it in every way, and looks at all that it tells.
fn use_it(file: &Path) {
    if let Ok(store) = Store::open_reading(file) {
        let _ = store.verify(None);
        let _ = store.stats();
        let _ = store.failure_groups(1, &FailureFilter::default());
    }
    let saved = file.with_extension("saved");
    let _ = store::recover(file, &saved);
    let _ = fs::remove_file(&saved);
    drop(Store::open_inline(file));
}

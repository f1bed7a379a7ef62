//! Gives the lanes of a run the pictures of its dataset.

use std::sync::Arc;

use dataset::{Dataset, Images};
use gateway::pictures::{PictureLoader, PictureSource};
use types::image::Image;

/// Loads the pictures that the records of a dataset name.
pub(super) fn loader(dataset: &Dataset) -> PictureLoader {
    PictureLoader::new(Arc::new(OfDataset(Arc::clone(dataset.images()))))
}

struct OfDataset(Arc<Images>);

impl PictureSource for OfDataset {
    fn load(&self, image: &Image) -> Result<Vec<u8>, String> {
        self.0.load(image)
    }
}

//! What the bundled plugins share: the materials of this dataset, their units, their facts as a model is told them, and where
//! their pages lie.
//!
//! It knows one dataset. What every plugin needs is in the crate `sdk`, which does not know it.

pub mod facts;
pub mod material;
pub mod page;
mod quantity;

pub use quantity::{Quantity, quantity};
use sdk::Input;

/// Where the record's page will be: `<base URL>/<category>/<id>-laser-cleaning`.
pub fn page_url(input: &Input) -> String {
    format!(
        "{}/{}/{}-laser-cleaning",
        input.site().base_url,
        input.category(),
        input.id()
    )
}

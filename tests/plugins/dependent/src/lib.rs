//! Repeats the file of the component that it depends on, and can do without. Only tests load it.

use sdk::{Component, Failure, Input};

/// The `dependent` component.
pub struct Dependent;

impl Component for Dependent {
    fn generate(input: &Input) -> Result<String, Failure> {
        let given = input.upstream("hostile");
        Ok(given.map_or("without\n".to_owned(), |file| {
            format!("with {}", file.text())
        }))
    }
}

sdk::export!(Dependent);

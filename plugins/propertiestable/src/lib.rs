//! A Markdown table of two columns: a row for each property that the front matter has, with its
//! value and unit. Nothing here asks a model.

use materials::page;
use sdk::markdown::{Table, capitalized};
use sdk::{Component, Failure, Input, Map, Value};
use serde::Deserialize;

/// What is taken from the front matter, which may have been edited.
#[derive(Deserialize)]
struct FrontMatter {
    #[serde(default)]
    properties: Map<String, Value>,
}

/// The `propertiestable` component.
pub struct PropertiesTable;

impl Component for PropertiesTable {
    fn generate(input: &Input) -> Result<String, Failure> {
        let page: FrontMatter = input.upstream("frontmatter")?.json()?;
        let mut table = Table::new(["Property", "Value"]);
        for property in page::measures(&page.properties) {
            if let Some(value) = property.value_text() {
                table.row([capitalized(&property.label), value]);
            }
        }
        if table.is_empty() {
            let name = input.name();
            return Err(Failure::unsuitable_record(format!(
                "the front matter of {name} has no property with a value"
            )));
        }
        Ok(table.render())
    }
}

sdk::export!(PropertiesTable);

#[cfg(test)]
mod tests;

//! What is known of models without asking anybody: prices, and what a model takes. `cargo xtask models` writes the table. A
//! model that is not in it works too: its cost is unknown, and what it takes is learned from its refusals.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::efforts::{Efforts, Thinking};
use super::prices::Price;

/// The model that is the stand-in: it costs nothing.
pub const OFFLINE: &str = "offline";

/// What is known of one model.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ModelFacts {
    /// What its tokens cost, one call after the other.
    pub price: Price,
    /// The same at the flex tier, where there is one.
    pub flex: Option<Price>,
    /// What they cost in a batch, where that is known.
    pub batch: Option<Price>,
    /// Most tokens that it puts out.
    #[serde(rename = "max-output")]
    pub max_output: Option<u32>,
    /// Whether it thinks before it answers.
    #[serde(default)]
    pub reasons: bool,
    /// The words that it knows for how much it thinks, where that is known.
    pub efforts: Option<Efforts>,
    /// How it is told, where it is one of Anthropic's.
    pub thinking: Option<Thinking>,
    /// Whether it takes a temperature, where that is known.
    pub temperature: Option<bool>,
    /// Whether its server holds answers to a JSON schema, where that is known.
    pub schema: Option<bool>,
}

impl ModelFacts {
    /// Whether it is known to think though it is told not to.
    pub fn thinks_anyway(&self) -> bool {
        let knows_no_none = self.efforts.is_some_and(|efforts| !efforts.has_none());
        self.thinking == Some(Thinking::Always) || (self.thinking.is_none() && knows_no_none)
    }
}

/// The bundled table.
#[derive(Default, Deserialize)]
struct Table {
    date: String,
    models: BTreeMap<String, ModelFacts>,
}

// A test reads it, so it cannot be wrong in a build that was tested.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("models.json")).unwrap_or_default());

/// The known model whose name is most like this one.
pub fn closest(model: &str) -> Option<&'static str> {
    types::suggest::closest(model, TABLE.models.keys().map(String::as_str))
}

/// The day that the facts are of.
pub fn date() -> &'static str {
    &TABLE.date
}

/// What is known of a model, named as `provider/model`. A model with a date in its name is the one without, unless the table
/// knows better.
pub fn facts(model: &str) -> Option<&'static ModelFacts> {
    let known = |model: &str| TABLE.models.get(model);
    known(model).or_else(|| known(undated(model)?))
}

/// What a model costs, by the table.
pub fn price(model: &str) -> Option<Price> {
    if model == OFFLINE {
        return Some(Price::FREE);
    }
    facts(model).map(|facts| facts.price)
}

/// `p/m` of `p/m-2024-07-18` and `p/m-20240718`.
fn undated(model: &str) -> Option<&str> {
    ["-dddd-dd-dd", "-dddddddd"].into_iter().find_map(|form| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(form.len())?)?;
        let matches = |(byte, form): (u8, u8)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        };
        date.bytes().zip(form.bytes()).all(matches).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_table_is_read() {
        let table: Table = serde_json::from_str(include_str!("models.json")).unwrap();
        assert_eq!(date(), table.date);
        assert!(table.models.len() >= 300);
        for model in table.models.keys() {
            let preset = model.split_once('/').map(|(provider, _)| provider).unwrap();
            assert!(crate::providers::preset(preset).is_some(), "{model}");
        }
        let page = include_str!("../../../../docs/PROVIDERS.md");
        let told = format!("{} models", table.models.len());
        assert!(
            page.contains(date()) && page.contains(&told),
            "{told} of {}",
            date()
        );
    }
    #[test]
    fn unknown_is_not_free() {
        assert_eq!(price("offline"), Some(Price::FREE));
        assert_eq!(price("openai/no-such-model"), None);
        assert_eq!(price("local/gpt-4o-mini"), None);
        assert_eq!(price(""), None);
    }

    #[test]
    fn a_dated_model_costs_what_it_costs_without_unless_known_better() {
        assert_eq!(
            price("openai/gpt-4o-mini-2024-07-18"),
            price("openai/gpt-4o-mini")
        );
        assert_ne!(price("openai/gpt-4o-2024-05-13"), price("openai/gpt-4o"));
        assert_eq!(
            price("anthropic/claude-haiku-4-5-20251001"),
            price("anthropic/claude-haiku-4-5")
        );
        assert_eq!(undated("2024-07-18"), None);
        assert_eq!(undated("p/é-2024-07-18"), Some("p/é"));
        assert_eq!(undated("p/ééééééé"), None);
    }

    #[test]
    fn what_a_model_takes_is_known() {
        let facts = facts("anthropic/claude-haiku-4-5").unwrap();
        assert_eq!(facts.schema, Some(true));
        assert_eq!(
            super::facts("openai/gpt-3.5-turbo").unwrap().schema,
            Some(false)
        );
        assert_eq!(
            super::facts("anthropic/claude-opus-5").unwrap().temperature,
            Some(false)
        );
    }
}

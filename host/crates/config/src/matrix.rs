//! Components that are made for each value of something: for each locale, or for each tone of voice.
//!
//! `[matrix]` names the values, and a component asks for them with `for-each`. From here on each value is a component of its own, with
//! its own name, fingerprint, files and statistics. What it depends on is found here too: a component for the same value, if there
//! is one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::{ComponentConfig, Config, ConfigError};
use types::suggest::closest;

/// What a path of output may name without a matrix.
const TAKEN: [&str; 5] = ["component", "category", "shard", "id", "extension"];
/// The value of this name takes the place of the site's locale.
pub(crate) const LOCALE: &str = "locale";
/// What a prompt calls the values.
pub(crate) const VARIANT: &str = "variant";

/// Which values a component is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Name of the component in the configuration.
    pub base: String,
    /// Name and value, in the order of its `for-each`.
    pub values: Vec<(String, String)>,
}

impl Variant {
    /// The value of this name.
    fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        values.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// The locale that its text is written for.
    pub(crate) fn locale(&self) -> Option<&str> {
        self.value(LOCALE)
    }

    /// Names that a prompt may use, as `variant.NAME`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_str())
    }

    /// A template with the values before it, on its first line, so that lines keep their numbers.
    pub(crate) fn before(&self, template: &str) -> String {
        let values: BTreeMap<&str, &str> = self
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        format!("{{% set {VARIANT} = {} %}}{template}", json!(values))
    }

    /// A path with the values in their places, and the name that stands for `{component}`: without the values, where the path
    /// names all of them.
    pub(crate) fn path<'a>(&'a self, template: &str, name: &'a str) -> (String, &'a str) {
        let mut path = template.to_owned();
        let mut all = true;
        for (axis, value) in &self.values {
            let place = format!("{{{axis}}}");
            all &= template.contains(&place);
            path = path.replace(&place, value);
        }
        (path, if all { self.base.as_str() } else { name })
    }
}

/// One name, or a list of names.
pub(crate) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a name of [matrix], or a list of them")]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::More(names) => names,
    })
}

impl Config {
    /// Puts one component for each value in the place of each component with a `for-each`.
    pub(crate) fn expand_matrix(&mut self) -> Result<(), ConfigError> {
        self.check_matrix()?;
        let mut expanded: BTreeMap<String, ComponentConfig> = BTreeMap::new();
        for (name, settings) in &self.component {
            for (name, settings) in self.variants(name, settings)? {
                if let Some(other) = expanded.get(&name) {
                    let base = |settings: &ComponentConfig| match &settings.variant {
                        Some(variant) => variant.base.clone(),
                        None => name.clone(),
                    };
                    return Err(ConfigError::Value {
                        key: format!("component.{}", base(&settings)),
                        cause: format!(
                            "it and `{}` would both give the component `{name}`",
                            base(other)
                        ),
                        hint: "give one of them another name".to_owned(),
                    });
                }
                expanded.insert(name, settings);
            }
        }
        self.component = expanded;
        Ok(())
    }

    fn check_matrix(&self) -> Result<(), ConfigError> {
        for (name, values) in &self.matrix {
            let fault = |cause: String, hint: &str| {
                Err(ConfigError::Value {
                    key: format!("matrix.{name}"),
                    cause,
                    hint: hint.to_owned(),
                })
            };
            let is_word = name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_');
            if !is_word || name.is_empty() || TAKEN.contains(&name.as_str()) {
                return fault(
                    format!("`{name}` cannot be named in a path"),
                    "use lower-case letters and `_`, and not component, category, shard, id or extension",
                );
            }
            if values.is_empty() {
                return fault(
                    "it has no value".to_owned(),
                    "list its values, as in `locale = [\"en_US\", \"de_DE\"]`",
                );
            }
            let mut seen = BTreeSet::new();
            for value in values {
                if slug(value).is_none() {
                    return fault(
                        format!("the value `{value}` becomes part of names and paths"),
                        "use letters, digits, `_` and `-`",
                    );
                }
                if !seen.insert(slug(value)) {
                    return fault(
                        format!("the value `{value}` is there twice"),
                        "values differ in more than case, `_` and `-`",
                    );
                }
            }
        }
        Ok(())
    }

    /// The components that a component stands for: itself, or one for each value.
    fn variants(
        &self,
        name: &str,
        settings: &ComponentConfig,
    ) -> Result<Vec<(String, ComponentConfig)>, ConfigError> {
        if settings.for_each.is_empty() {
            return Ok(vec![(name.to_owned(), settings.clone())]);
        }
        let mut found: Vec<Vec<(String, String)>> = vec![Vec::new()];
        let mut seen = BTreeSet::new();
        for axis in &settings.for_each {
            let fault = |cause: String, hint: String| ConfigError::Value {
                key: format!("component.{name}.for-each"),
                cause,
                hint,
            };
            let Some(values) = self.matrix.get(axis) else {
                let known: Vec<&str> = self.matrix.keys().map(String::as_str).collect();
                return Err(fault(
                    format!("there is no `{axis}` in [matrix]"),
                    match closest(axis, known.iter().copied()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("write [matrix] with `{axis} = [\"...\", \"...\"]`"),
                    },
                ));
            };
            if !seen.insert(axis) {
                let cause = format!("`{axis}` is there twice");
                return Err(fault(cause, "name it once".to_owned()));
            }
            let mut longer = Vec::with_capacity(found.len() * values.len());
            for value in values {
                for before in &found {
                    let mut values = before.clone();
                    values.push((axis.clone(), value.clone()));
                    longer.push(values);
                }
            }
            found = longer;
        }
        let variant = |values: Vec<(String, String)>| {
            let mut own = name.to_owned();
            for (_, value) in &values {
                own.push('-');
                own.push_str(&slug(value).unwrap_or_default());
            }
            let mut settings = settings.clone();
            settings.plugin.get_or_insert_with(|| name.to_owned());
            settings.variant = Some(Variant {
                base: name.to_owned(),
                values,
            });
            (own, settings)
        };
        Ok(found.into_iter().map(variant).collect())
    }

    /// The component that `dependent` means when it says that it depends on `wanted`: the one that is made for the same values, where
    /// `wanted` is made for each. Names that nobody has stay as they are.
    ///
    /// # Errors
    /// When `wanted` is made for values that `dependent` is not made for.
    pub(crate) fn upstream(&self, dependent: &str, wanted: &str) -> Result<String, ConfigError> {
        if self.component.contains_key(wanted) {
            return Ok(wanted.to_owned());
        }
        let own = self.component.get(dependent);
        let own = own.and_then(|settings| settings.variant.as_ref());
        let variants: Vec<(&String, &Variant)> = self
            .component
            .iter()
            .filter_map(|(name, settings)| Some((name, settings.variant.as_ref()?)))
            .filter(|(_, variant)| variant.base == wanted)
            .collect();
        let agrees = |variant: &Variant| {
            let mut values = variant.values.iter();
            values.all(|(name, value)| own.and_then(|own| own.value(name)) == Some(value.as_str()))
        };
        if let Some((name, _)) = variants.iter().find(|(_, variant)| agrees(variant)) {
            return Ok((*name).clone());
        }
        if variants.is_empty() {
            return Ok(wanted.to_owned());
        }
        let names: Vec<&str> = variants.iter().map(|(name, _)| name.as_str()).collect();
        Err(ConfigError::Value {
            key: format!("component.{dependent}.depends-on"),
            cause: format!("`{wanted}` is made for several values, and it is not said for which"),
            hint: format!("name one of {}", names.join(", ")),
        })
    }
}

/// A value as a part of a component's name; `None` where it has other letters than paths may have.
fn slug(value: &str) -> Option<String> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let good = !value.is_empty() && value.chars().all(is_fine);
    good.then(|| value.to_ascii_lowercase().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("batchgen.toml"), text)
    }

    const TWO: &str = "[matrix]\nlocale = [\"en_US\", \"de_DE\"]\ntone = [\"dry\", \"warm\"]\n";

    #[test]
    fn a_component_is_made_for_each_value() {
        let config = config(&format!(
            "{TWO}[component.text]\nfor-each = \"locale\"\n[component.teaser]\nplugin = \"prompt\"\nfor-each = [\"locale\", \"tone\"]\n[component.tags]\n"
        ))
        .unwrap();
        let names: Vec<&str> = config.component.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "tags",
                "teaser-de-de-dry",
                "teaser-de-de-warm",
                "teaser-en-us-dry",
                "teaser-en-us-warm",
                "text-de-de",
                "text-en-us"
            ]
        );
        let text = &config.component["text-de-de"];
        assert_eq!(text.plugin.as_deref(), Some("text"));
        let variant = text.variant.as_ref().unwrap();
        assert_eq!(
            (variant.base.as_str(), variant.locale()),
            ("text", Some("de_DE"))
        );
    }

    #[test]
    fn a_component_depends_on_the_one_for_the_same_values() {
        let config = config(&format!(
            "{TWO}[component.text]\nfor-each = \"locale\"\n[component.teaser]\nfor-each = [\"tone\", \"locale\"]\n[component.tags]\n"
        ))
        .unwrap();
        let upstream = |dependent, wanted| config.upstream(dependent, wanted);
        assert_eq!(upstream("teaser-dry-de-de", "text").unwrap(), "text-de-de");
        assert_eq!(upstream("teaser-dry-de-de", "tags").unwrap(), "tags");
        assert_eq!(upstream("tags", "text-en-us").unwrap(), "text-en-us");
        assert_eq!(upstream("tags", "nobody").unwrap(), "nobody");
        let error = upstream("tags", "text").unwrap_err().to_string();
        assert!(
            error.contains("name one of text-de-de, text-en-us"),
            "{error}"
        );
        let error = upstream("text-de-de", "teaser").unwrap_err().to_string();
        assert!(error.contains("component.text-de-de.depends-on"), "{error}");
    }

    #[test]
    fn a_path_that_names_all_values_has_the_plain_name() {
        let variant = Variant {
            base: "text".to_owned(),
            values: vec![("locale".to_owned(), "de_DE".to_owned())],
        };
        let path = |template| variant.path(template, "text-de-de");
        assert_eq!(
            path("{locale}/{component}/{id}"),
            ("de_DE/{component}/{id}".to_owned(), "text")
        );
        assert_eq!(
            path("{component}/{id}"),
            ("{component}/{id}".to_owned(), "text-de-de")
        );
    }

    #[test]
    fn a_fault_in_a_matrix_is_told() {
        for (text, said) in [
            ("[matrix]\nlocale = []", "it has no value"),
            ("[matrix]\nid = [\"a\"]", "`id` cannot be named in a path"),
            (
                "[matrix]\nLocale = [\"a\"]",
                "`Locale` cannot be named in a path",
            ),
            (
                "[matrix]\nlocale = [\"../x\"]",
                "becomes part of names and paths",
            ),
            (
                "[matrix]\nlocale = [\"de_DE\", \"de-de\"]",
                "is there twice",
            ),
            (
                "[matrix]\nlocale = [\"de\"]\n[component.text]\nfor-each = \"local\"",
                "did you mean `locale`?",
            ),
            (
                "[component.text]\nfor-each = \"locale\"",
                "write [matrix] with `locale",
            ),
            (
                "[matrix]\nlocale = [\"de\"]\n[component.text]\nfor-each = [\"locale\", \"locale\"]",
                "`locale` is there twice",
            ),
            (
                "[matrix]\nlocale = [\"de\"]\n[component.text]\nfor-each = \"locale\"\n[component.text-de]",
                "would both give the component `text-de`",
            ),
        ] {
            let error = config(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

//! How components, and what of them is meant, are named on the command line: `text`, `text+`, `+page`, `state:failed` and
//! `category:metal`. All commands that take `--component` read it here.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::anyhow;

use super::exit::Failure;
use plan::decision::OutcomeKind;
use types::suggest::closest;

/// What names a component may have around it.
const EACH: &str = "NAME, NAME+ (and all that depend on it), +NAME (and all that it depends on), state:STATE, category:ID";

/// One value of `--component`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    /// A component, with others around it.
    Component(Named),
    /// Only records that have a task in this state.
    State(OutcomeKind),
    /// Only records of this category.
    Category(String),
}

/// A component, with others around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    /// Also all that it depends on.
    pub brings_dependencies: bool,
    /// Also all that depend on it.
    pub brings_dependents: bool,
}

impl Selector {
    /// This component alone.
    pub fn component(name: &str) -> Selector {
        Selector::Component(Named {
            name: name.to_owned(),
            brings_dependencies: false,
            brings_dependents: false,
        })
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Component(named) => {
                let before = if named.brings_dependencies { "+" } else { "" };
                let behind = if named.brings_dependents { "+" } else { "" };
                write!(f, "{before}{}{behind}", named.name)
            }
            Selector::State(state) => write!(f, "state:{}", state.as_str()),
            Selector::Category(category) => write!(f, "category:{category}"),
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Selector, String> {
        if let Some((kind, value)) = text.split_once(':') {
            return of_kind(kind, value);
        }
        let (name, brings_dependencies) = match text.strip_prefix('+') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (name, brings_dependents) = match name.strip_suffix('+') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() {
            return Err(format!(
                "it names no component; a selector is one of: {EACH}"
            ));
        }
        Ok(Selector::Component(Named {
            name: name.to_owned(),
            brings_dependencies,
            brings_dependents,
        }))
    }
}

/// A selector of records.
fn of_kind(kind: &str, value: &str) -> Result<Selector, String> {
    match kind {
        "category" if !value.is_empty() => Ok(Selector::Category(value.to_owned())),
        "category" => Err("it names no category, as `category:metal` does".to_owned()),
        "state" => OutcomeKind::named(value)
            .map(Selector::State)
            .ok_or_else(|| {
                let states = OutcomeKind::ALL.map(OutcomeKind::as_str);
                let meant = meant(value, &states, "state:");
                let states = states.join(", ");
                format!("there is no state `{value}`; {meant}the states are: {states}")
            }),
        _ => {
            let meant = meant(kind, &["state", "category"], "");
            Err(format!(
                "`{kind}:` selects nothing; {meant}a selector is one of: {EACH}"
            ))
        }
    }
}

fn meant(given: &str, known: &[&str], before: &str) -> String {
    let near = closest(given, known.iter().copied());
    near.map(|near| format!("did you mean `{before}{near}`? "))
        .unwrap_or_default()
}

/// Passes what chooses either all components, or some.
///
/// # Errors
/// When it is both.
pub(super) fn names_all_or_some(all: bool, selectors: &[Selector]) -> Result<(), Failure> {
    let mut named = selectors.iter();
    match named.find(|selector| matches!(selector, Selector::Component(_))) {
        Some(some) if all => Err(Failure::usage(anyhow!(
            "--all and `--component {some}` are not wanted together\nhint: leave one of them out"
        ))),
        _ => Ok(()),
    }
}

/// Whether components are named, and not only records.
pub(super) fn names_components(selectors: &[Selector]) -> bool {
    selectors
        .iter()
        .any(|selector| matches!(selector, Selector::Component(_)))
}

/// The categories that are named, here or by `--category`.
pub(super) fn categories(selectors: &[Selector], more: &[String]) -> Vec<String> {
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::Category(category) => Some(category),
        Selector::Component(_) | Selector::State(_) => None,
    });
    more.iter().chain(named).cloned().collect()
}

/// The states that are named.
pub(super) fn states(selectors: &[Selector]) -> Vec<OutcomeKind> {
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::State(state) => Some(*state),
        Selector::Component(_) | Selector::Category(_) => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> (String, bool, bool) {
        match text.parse().unwrap() {
            Selector::Component(named) => (
                named.name,
                named.brings_dependencies,
                named.brings_dependents,
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plus_brings_what_is_on_its_side() {
        for (text, before, behind) in [
            ("text", false, false),
            ("text+", false, true),
            ("+text", true, false),
            ("+text+", true, true),
        ] {
            assert_eq!(component(text), ("text".to_owned(), before, behind));
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
        assert_eq!(component("text@de"), ("text@de".to_owned(), false, false));
    }

    #[test]
    fn records_are_named_by_their_state_and_category() {
        assert_eq!(
            "state:failed".parse(),
            Ok(Selector::State(OutcomeKind::Failed))
        );
        // An id may have anything in it.
        assert_eq!(
            "category:a:b+".parse(),
            Ok(Selector::Category("a:b+".to_owned()))
        );
        let all: Vec<Selector> = ["+text", "state:due", "category:metal"]
            .map(|text| text.parse().unwrap())
            .into();
        assert!(names_components(&all) && !names_components(&all[1..]));
        assert_eq!(states(&all), [OutcomeKind::Due]);
        assert_eq!(categories(&all, &["wood".to_owned()]), ["wood", "metal"]);
    }

    #[test]
    fn what_selects_nothing_is_told_with_what_was_meant() {
        for (text, told) in [
            ("", "names no component"),
            ("++", "names no component"),
            ("state:faild", "did you mean `state:failed`?"),
            ("state:", "the states are: done, failed"),
            ("categry:metal", "did you mean `category`?"),
            (
                "tag:x",
                "`tag:` selects nothing; a selector is one of: NAME",
            ),
            ("category:", "names no category"),
        ] {
            let error = text.parse::<Selector>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

//! What a variant changes of the project, as it is written on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};

/// Most variants: each has a letter.
const MOST: usize = 26;

/// One variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its letter or word.
    pub tag: String,
    /// What it is, for people.
    pub title: String,
    pub changes: Vec<Change>,
}

/// One thing that is not as the project has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Another model.
    Model(String),
    /// Another text of a prompt.
    Prompt {
        component: String,
        /// Name of the prompt, where the component has several.
        name: Option<String>,
        file: PathBuf,
    },
    /// These texts in the place of what is made, by record.
    Texts(Arc<BTreeMap<String, String>>),
}

impl Variant {
    /// The project as it is, and one for each of these.
    pub fn all(with: &[String]) -> anyhow::Result<Vec<Variant>> {
        if with.len() >= MOST {
            bail!(
                "{} variants are too many\nhint: compare at most {}",
                with.len(),
                MOST - 1
            );
        }
        let base = (String::from("as it is"), Vec::new());
        let mut all = vec![base];
        for text in with {
            let changes = text.split(',').map(Change::read);
            all.push((text.clone(), changes.collect::<anyhow::Result<_>>()?));
        }
        for (place, (title, changes)) in all.iter().enumerate() {
            if all.iter().take(place).any(|(_, other)| other == changes) {
                bail!("the variant `{title}` is there twice\nhint: leave one of them out");
            }
        }
        let variant = |(letter, (title, changes)): (u8, _)| Variant {
            tag: char::from(letter).to_string(),
            title,
            changes,
        };
        Ok((b'A'..).zip(all).map(variant).collect())
    }

    /// The texts that it consists of, if it does.
    pub fn texts(&self) -> Option<&Arc<BTreeMap<String, String>>> {
        self.changes.iter().find_map(|change| match change {
            Change::Texts(texts) => Some(texts),
            Change::Model(_) | Change::Prompt { .. } => None,
        })
    }
}

impl Change {
    fn read(text: &str) -> anyhow::Result<Change> {
        let hint = "write model=PROVIDER/MODEL, or prompt:COMPONENT=FILE";
        let (what, value) = text
            .split_once('=')
            .ok_or_else(|| anyhow!("`{text}` changes nothing\nhint: {hint}"))?;
        if value.is_empty() {
            bail!("`{text}` has nothing behind `=`\nhint: {hint}");
        }
        match what.split_once(':') {
            None if what == "model" => Ok(Change::Model(value.to_owned())),
            Some(("prompt", place)) if !place.is_empty() => {
                let (component, name) = match place.split_once('.') {
                    Some((component, name)) => (component, Some(name.to_owned())),
                    None => (place, None),
                };
                Ok(Change::Prompt {
                    component: component.to_owned(),
                    name,
                    file: value.into(),
                })
            }
            _ => bail!("`{what}` cannot be varied\nhint: {hint}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(with: &[&str]) -> anyhow::Result<Vec<Variant>> {
        let with: Vec<String> = with.iter().map(|text| (*text).to_owned()).collect();
        Variant::all(&with)
    }

    #[test]
    fn each_variant_has_a_letter_and_its_changes() {
        let variants = all(&["model=openai/x", "prompt:text.write=b.md,model=y"]).unwrap();
        let tags: Vec<&str> = variants.iter().map(|one| one.tag.as_str()).collect();
        assert_eq!(tags, ["A", "B", "C"]);
        assert!(variants[0].changes.is_empty());
        assert_eq!(variants[1].changes, [Change::Model("openai/x".to_owned())]);
        let prompt = Change::Prompt {
            component: "text".to_owned(),
            name: Some("write".to_owned()),
            file: "b.md".into(),
        };
        assert_eq!(variants[2].changes, [prompt, Change::Model("y".to_owned())]);
    }

    #[test]
    fn what_is_no_change_is_told() {
        for (with, said) in [
            (vec!["model"], "changes nothing"),
            (vec!["model="], "nothing behind"),
            (vec!["modell=x"], "`modell` cannot be varied"),
            (vec!["prompt:=x"], "cannot be varied"),
            (vec!["prompt=x"], "cannot be varied"),
            (vec!["model=x", "model=x"], "there twice"),
            (vec!["model=x"; 26], "too many"),
        ] {
            let error = all(&with).unwrap_err().to_string();
            assert!(error.contains(said), "{with:?}: {error}");
            assert!(error.contains("hint: "), "{error}");
        }
    }
}

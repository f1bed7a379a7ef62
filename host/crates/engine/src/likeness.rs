//! The texts of components whose gate asks that no file says nearly the same as another one. The files of earlier runs are read when the
//! first text is compared; about 280 bytes are kept of each.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use config::component::Component;
use quality::{Form, Nearest, Prose, Signature, Signer};
use store::{Store, StoreError};

/// Before the first run.
const FIRST: i64 = i64::MIN;

/// The texts of each component.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    components: HashMap<String, OnceCell<Mutex<Texts>>>,
}

/// Where the files of earlier runs are.
#[derive(Clone)]
pub(super) struct Earlier {
    pub store: Store,
    pub dataset: i64,
    pub output_root: PathBuf,
}

/// The file that is the most like another one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Likest {
    /// Id of its record.
    pub record: String,
    /// The share of word groups that both have.
    pub similarity: f64,
}

impl Likeness {
    /// For the components that need it.
    pub fn new(components: &[Component]) -> Likeness {
        let compared = components.iter().filter(|component| {
            let rules = component.rules.as_ref();
            rules.is_some_and(|rules| rules.max_similarity().is_some())
        });
        Likeness {
            components: compared
                .map(|component| (component.name.clone(), OnceCell::new()))
                .collect(),
        }
    }

    /// Takes in the text of a record, in the place of what it had before, and finds the one of another record that is the most like it.
    /// Of two that are alike, so, the one that comes first finds nothing.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn put(
        &self,
        component: &Component,
        record: &str,
        text: &str,
        earlier: Earlier,
    ) -> Result<Option<Likest>, StoreError> {
        let Some(texts) = self.components.get(&component.name) else {
            return Ok(None);
        };
        let signature = sign(&mut Signer::default(), text, form(component));
        let read = || read(component.clone(), earlier);
        let texts = texts.get_or_try_init(read).await?;
        let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(signature) = signature else {
            texts.take_away(record);
            return Ok(None);
        };
        let likest = texts.likest(record, &signature);
        texts.put(record, signature);
        Ok(likest)
    }
}

/// Reads the files of earlier runs.
async fn read(component: Component, earlier: Earlier) -> Result<Mutex<Texts>, StoreError> {
    let file = earlier.store.file().to_owned();
    let reading = spawn_blocking(move || {
        let mut texts = Texts::default();
        let mut signer = Signer::default();
        let Earlier {
            store,
            dataset,
            output_root,
        } = earlier;
        store.made_since(dataset, FIRST, Some(&component.name), |file| {
            // A file that is gone or was replaced by something else is like no other one.
            if let Ok(text) = fs::read_to_string(output_root.join(&file.path))
                && let Some(signature) = sign(&mut signer, &text, form(&component))
            {
                texts.put(&file.record, signature);
            }
            true
        })?;
        Ok(Mutex::new(texts))
    });
    match reading.await {
        Ok(texts) => texts,
        Err(error) => Err(StoreError::Failed {
            file,
            cause: format!("the files that it knows could not be compared: {error}"),
        }),
    }
}

fn sign(signer: &mut Signer, text: &str, form: Form) -> Option<Signature> {
    signer.sign(&Prose::of(text, form))
}

/// What the files of a component are to rules and to this comparison: data is taken for plain text.
pub(super) fn form(component: &Component) -> Form {
    component.form().unwrap_or(Form::Plain)
}

/// The texts of one component.
#[derive(Debug, Default)]
struct Texts {
    nearest: Nearest,
    /// The record of each text, as long as the text is its last one.
    owners: Vec<Option<Arc<str>>>,
    /// The number of the last text of each record.
    last: HashMap<Arc<str>, u32>,
}

impl Texts {
    fn likest(&self, record: &str, signature: &Signature) -> Option<Likest> {
        let owner = |text: u32| self.owners.get(text as usize)?.as_ref();
        let of_another = |text| owner(text).is_some_and(|owner| **owner != *record);
        let (text, similarity) = self.nearest.find(signature, of_another)?;
        Some(Likest {
            record: owner(text)?.to_string(),
            similarity,
        })
    }

    fn put(&mut self, record: &str, signature: Signature) {
        self.take_away(record);
        let record: Arc<str> = record.into();
        let text = self.nearest.add(signature);
        self.owners.push(Some(Arc::clone(&record)));
        self.last.insert(record, text);
    }

    fn take_away(&mut self, record: &str) {
        let text = self.last.remove(record);
        let owner = text.and_then(|text| self.owners.get_mut(text as usize));
        if let Some(owner) = owner {
            *owner = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str) -> Signature {
        sign(&mut Signer::default(), text, Form::Plain).unwrap()
    }

    #[test]
    fn a_text_is_compared_with_the_last_texts_of_other_records() {
        let one = signature("Oak is hard and heavy and lasts for a long time outside.");
        let other = signature("Silk shines, and it is made by worms that eat leaves.");
        let mut texts = Texts::default();
        assert_eq!(texts.likest("oak", &one), None);
        texts.put("oak", one);
        assert_eq!(texts.likest("oak", &one), None);
        let likest = texts.likest("ash", &one).unwrap();
        assert_eq!((likest.record.as_str(), likest.similarity), ("oak", 1.0));
        texts.put("oak", other);
        let likest = texts.likest("ash", &one);
        assert!(likest.is_none_or(|likest| likest.similarity < 0.2));
        texts.take_away("oak");
        assert_eq!(texts.likest("ash", &other), None);
    }
}

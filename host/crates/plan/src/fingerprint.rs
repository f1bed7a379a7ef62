//! The fingerprint of a task: the hash of all that its artifact depends on. Equal fingerprint and
//! intact file: nothing to do. Beside it, eight bytes of the hash of each part tell later which one changed.

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::recipe::Recipe;
use super::verdict::Feedback;
use types::digest::{Digest, DigestBuilder};
use types::fields::{ALL_FIELDS, FieldTexts};

/// All that an artifact depends on. Only the fields that the component asks for are looked at, so a
/// change to any other field changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// What all tasks of the component are made with.
    pub recipe: &'a Recipe,
    pub recipe_digest: Digest,
    /// Id, name and category of the record.
    pub identity: [&'a str; 3],
    pub fields: &'a dyn FieldTexts,
    pub category_fields: &'a dyn FieldTexts,
    /// Component and hash of the file of each upstream, in the order of the recipe; `None` for one that it has
    /// to do without.
    pub upstreams: &'a [(&'a str, Option<Digest>)],
    /// What counts of the pictures of each field that the recipe names for them.
    pub images: &'a [Digest],
    /// What was said about earlier artifacts of the task.
    pub feedback: &'a Feedback,
}

/// Stands for an upstream that was left out. No file is taken for it: artifacts are text, and this is none.
const LEFT_OUT: &[u8] = b"left out\xff";

/// Bytes of the hash of each part that are kept.
const KEPT: usize = 8;
/// FingerprintParts of the record's identity: name and category. Its id never changes.
const IDENTITY: usize = 2;

/// Eight bytes of the hash of each part: name and category, then fields, category fields and upstreams in the
/// order of the recipe, and the pictures of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintParts(pub Vec<u8>);

impl Ingredients<'_> {
    /// The fingerprint and its parts.
    pub fn fingerprint(&self) -> (Digest, FingerprintParts) {
        let [id, name, category] = self.identity;
        let mut builder = DigestBuilder::new("batchgen fingerprint 2");
        builder.bytes(self.recipe_digest.as_bytes()).text(id);
        let mut parts = Vec::with_capacity(
            KEPT * (IDENTITY + self.recipe.fields.len() + self.recipe.category_fields.len()),
        );
        let mut add = |digest: Digest| {
            builder.bytes(digest.as_bytes());
            parts.extend(digest.seed().to_be_bytes());
        };
        add(Digest::of(name.as_bytes()));
        add(Digest::of(category.as_bytes()));
        for (names, fields) in [
            (&self.recipe.fields, self.fields),
            (&self.recipe.category_fields, self.category_fields),
        ] {
            names.iter().for_each(|name| add(field(fields, name)));
        }
        self.upstreams.iter().for_each(|(_, content)| {
            add(content.unwrap_or_else(|| Digest::of(LEFT_OUT)));
        });
        self.images.iter().for_each(|digest| add(*digest));
        // Most tasks have none, and a fingerprint without it is as it was before there was any.
        if !self.feedback.is_empty() {
            add(self.feedback.digest());
        }
        (builder.finish(), FingerprintParts(parts))
    }
}

impl FingerprintParts {
    /// Whether all but the record is as it was: `self` was made by `recipe`, which is still the same, from
    /// these category fields and upstream files. Then, if the record is the same too, so is the fingerprint. It never is where
    /// the recipe names pictures: those have to be looked at.
    pub fn surrounded_by(
        &self,
        recipe: &Recipe,
        category_fields: &dyn FieldTexts,
        upstreams: impl Iterator<Item = Digest>,
    ) -> bool {
        let of_category = recipe
            .category_fields
            .iter()
            .map(|name| field(category_fields, name));
        let now = of_category
            .chain(upstreams)
            .map(|digest| digest.seed().to_be_bytes());
        let before = self.0.chunks(KEPT).skip(IDENTITY + recipe.fields.len());
        recipe.images.is_empty() && before.eq(now)
    }
}

/// The hash of a field. The order of keys within it counts, since the component sees it.
fn field(fields: &dyn FieldTexts, name: &str) -> Digest {
    if name == ALL_FIELDS {
        return fields.all();
    }
    fields.one(name).unwrap_or_else(|| Digest::of(b""))
}

/// Names what changed between two fingerprints, with the recipes that they were made with. Feedback counts as changed if there is more or
/// less of it.
pub fn changes(
    now: (&Recipe, &FingerprintParts),
    before: (&Recipe, &FingerprintParts),
) -> Vec<Change> {
    let feedback = |(recipe, parts): (&Recipe, &FingerprintParts)| {
        let before = IDENTITY + recipe.parts();
        parts.0.chunks(KEPT).nth(before).map(<[u8]>::to_vec)
    };
    let mut changes = named(now.0, now.1)
        .filter_map(|(change, part)| {
            let old = named(before.0, before.1).find(|(known, _)| *known == change);
            (old.is_some_and(|(_, old)| old != part)).then_some(change)
        })
        .collect::<Vec<_>>();
    changes.extend(now.0.changes_since(before.0));
    if feedback(now) != feedback(before) {
        changes.push(Change::Feedback);
    }
    if changes.is_empty() {
        changes.push(Change::Unknown);
    }
    changes
}

fn named<'a>(
    recipe: &'a Recipe,
    parts: &'a FingerprintParts,
) -> impl Iterator<Item = (Change, &'a [u8])> {
    let names = [Change::Record("name"), Change::Record("category")]
        .into_iter()
        .chain(recipe.fields.iter().cloned().map(Change::Field))
        .chain(
            recipe
                .category_fields
                .iter()
                .cloned()
                .map(Change::CategoryField),
        )
        .chain(recipe.upstreams.iter().cloned().map(Change::Upstream))
        .chain(recipe.images.iter().cloned().map(Change::Picture));
    names.zip(parts.0.chunks(KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::recipe;
    use serde_json::{Map, Value, json};

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    struct Given {
        recipe: Recipe,
        identity: [&'static str; 3],
        fields: Map<String, Value>,
        category_fields: Map<String, Value>,
        upstream: Option<Digest>,
        images: Vec<Digest>,
        feedback: Vec<&'static str>,
    }

    impl Given {
        fn print(&self) -> (Digest, FingerprintParts) {
            Ingredients {
                recipe: &self.recipe,
                recipe_digest: self.recipe.digest(),
                identity: self.identity,
                fields: &self.fields,
                category_fields: &self.category_fields,
                upstreams: &[("frontmatter", self.upstream)],
                images: &self.images,
                feedback: &Feedback {
                    reasons: self
                        .feedback
                        .iter()
                        .map(|said| (*said).to_owned())
                        .collect(),
                },
            }
            .fingerprint()
        }
    }

    fn given() -> Given {
        Given {
            recipe: recipe(),
            identity: ["aluminum", "Aluminum", "metal"],
            fields: map(json!({"density": 2.7, "formula": "Al", "colour": "grey"})),
            category_fields: map(json!({"hazards": ["dust"], "note": "x"})),
            upstream: Some(Digest::of(b"---")),
            images: Vec::new(),
            feedback: Vec::new(),
        }
    }

    type Edit = (&'static [&'static str], fn(&mut Given));

    #[test]
    fn who_is_given_all_fields_sees_each_change() {
        let mut given = given();
        given.recipe.fields = vec![ALL_FIELDS.to_owned()];
        let (before, _) = given.print();
        given.fields.insert("colour".to_owned(), json!("red"));
        assert_ne!(given.print().0, before);
    }

    #[test]
    fn a_picture_is_a_part_that_is_looked_at_each_time() {
        let mut given = given();
        let (without, parts) = given.print();
        assert_eq!(
            without.to_string(),
            "dea4f5951da89d03c4b7b9b8ce3569ada3d9e931d32815b58ad032b48972003d",
            "checkpoints have it"
        );
        let category = given.category_fields.clone();
        let upstream = || given.upstream.into_iter();
        assert!(parts.surrounded_by(&given.recipe, &category, upstream()));
        let mut with = super::tests::given();
        with.recipe.images = vec!["photo".to_owned()];
        with.images = vec![Digest::of(b"one")];
        let (before, old) = with.print();
        with.images = vec![Digest::of(b"other")];
        with.feedback.push("too dry");
        let (now, new) = with.print();
        assert_ne!(before, now);
        let said = changes((&with.recipe, &new), (&with.recipe, &old));
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["picture changed: photo", "feedback given"]);
        assert!(!old.surrounded_by(&with.recipe, &category, upstream()));
        given.recipe = with.recipe;
        assert_ne!(given.print().0, without);
    }

    /// What each change must remake, and how it is named: the table of docs/FINGERPRINT.md.
    #[test]
    fn table_of_changes() {
        let before = given();
        let (print, parts) = before.print();
        let edits: [Edit; 14] = [
            (&[], |given| {
                given.fields = map(json!({"formula": "Al", "colour": "grey", "density": 2.7}));
            }),
            (&[], |given| {
                given.fields.insert("colour".to_owned(), json!("red"));
            }),
            (&[], |given| {
                given.category_fields.insert("note".to_owned(), json!("y"));
            }),
            (&[], |given| given.recipe.version = "0.2.0".to_owned()),
            (&["record changed: fields.density"], |given| {
                given.fields.insert("density".to_owned(), json!(2.8));
            }),
            (&["record changed: fields.formula"], |given| {
                given.fields.remove("formula");
            }),
            (&["category changed: fields.hazards"], |given| {
                given
                    .category_fields
                    .insert("hazards".to_owned(), json!([]));
            }),
            (&["record changed: name"], |given| {
                given.identity[1] = "Aluminium";
            }),
            (&["record changed: category"], |given| {
                given.identity[2] = "alloy";
            }),
            (&["upstream changed: frontmatter"], |given| {
                given.upstream = Some(Digest::of(b"x"));
            }),
            (&["upstream changed: frontmatter"], |given| {
                given.upstream = None;
            }),
            (
                &["record changed: fields.density", "site changed"],
                |given| {
                    given.fields.insert("density".to_owned(), json!(null));
                    given.recipe.site[0].push('x');
                },
            ),
            (&["changed"], |given| given.identity[0] = "other"),
            (&["feedback given"], |given| given.feedback.push("too dry")),
        ];
        for (place, (expected, edit)) in edits.into_iter().enumerate() {
            let mut now = given();
            edit(&mut now);
            let (other, others) = now.print();
            assert_eq!(other != print, !expected.is_empty(), "change {place}");
            if !expected.is_empty() {
                assert!(
                    parts.0 != others.0
                        || now.recipe != before.recipe
                        || now.identity[0] != before.identity[0]
                );
                let said = changes((&now.recipe, &others), (&before.recipe, &parts));
                let said: Vec<String> = said.iter().map(ToString::to_string).collect();
                assert_eq!(said, expected, "change {place}");
            }
        }
    }
}

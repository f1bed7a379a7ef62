//! What all tasks of one component are made with: plugin, options, prompts, parameters, site, and which data
//! it is given. It is stored, so that a later run can say what changed, and not only that something did.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Change;
use types::digest::{Digest, DigestBuilder};
use types::key::Parameters;

/// What all tasks of one component are made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Name of the plugin.
    pub plugin: String,
    /// Its version, for people: what counts is the hash of its file.
    pub version: String,
    /// Hash of the plugin's file.
    pub code: Digest,
    /// Base URL, name and locale of the site.
    pub site: [String; 3],
    /// Path of a file below the output directory, with `{id}`, `{shard}` and `{category}`.
    pub output: String,
    pub options: BTreeMap<String, Value>,
    /// Hash of the text of each prompt, by name.
    pub prompts: BTreeMap<String, Digest>,
    /// What questions are asked with; `None` for a component without LLM.
    pub parameters: Option<Parameters>,
    /// Fields of the record that it is given; `*` stands for all.
    pub fields: Vec<String>,
    /// Fields of the category that it is given.
    pub category_fields: Vec<String>,
    /// Components whose files it reads.
    pub upstreams: Vec<String>,
    /// Fields of the record whose pictures its questions may show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

impl Recipe {
    /// The hash of all that counts.
    pub fn digest(&self) -> Digest {
        let mut builder = DigestBuilder::new("batchgen recipe 1");
        builder.bytes(self.code.as_bytes());
        for part in self.site.iter().chain([&self.output]) {
            builder.text(part);
        }
        // The order of keys counts, since the component sees it.
        builder.list(self.options.iter(), |builder, (name, value)| {
            builder.text(name).text(&value.to_string());
        });
        builder.list(self.prompts.iter(), |builder, (name, text)| {
            builder.text(name).bytes(text.as_bytes());
        });
        builder.optional(self.parameters.as_ref(), |builder, parameters| {
            parameters.add_to(builder)
        });
        for names in [&self.fields, &self.category_fields, &self.upstreams] {
            builder.list(names.iter(), |builder, name| {
                builder.text(name);
            });
        }
        // Most components have none, and a recipe without them is as it was before there were any.
        if !self.images.is_empty() {
            builder
                .text("images")
                .list(self.images.iter(), |builder, name| {
                    builder.text(name);
                });
        }
        builder.finish()
    }

    /// How many fields and files its tasks are made from.
    pub(crate) fn parts(&self) -> usize {
        self.fields.len() + self.category_fields.len() + self.upstreams.len() + self.images.len()
    }

    /// What is not as it was.
    pub fn changes_since(&self, before: &Recipe) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.code != before.code {
            changes.push(Change::Plugin {
                from: before.version.clone(),
                to: self.version.clone(),
            });
        }
        changes.extend(differing(&self.prompts, &before.prompts).map(Change::Prompt));
        changes.extend(differing(&self.options, &before.options).map(Change::Option));
        match (&self.parameters, &before.parameters) {
            (Some(now), Some(before)) if now.model != before.model => changes.push(Change::Model {
                from: before.model.clone(),
                to: now.model.clone(),
            }),
            (now, before) if now != before => changes.push(Change::Parameters),
            _ => {}
        }
        if self.site != before.site {
            changes.push(Change::Site);
        }
        if self.output != before.output {
            changes.push(Change::Output);
        }
        let given = |recipe: &Recipe| {
            let lists = [
                &recipe.fields,
                &recipe.category_fields,
                &recipe.upstreams,
                &recipe.images,
            ];
            lists.map(Clone::clone)
        };
        if given(self) != given(before) {
            changes.push(Change::Given);
        }
        changes
    }
}

/// Names whose values differ, or that only one of the two has.
fn differing<'a, V: PartialEq>(
    now: &'a BTreeMap<String, V>,
    before: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = String> + 'a {
    let names: BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    names
        .into_iter()
        .filter(|name| now.get(*name) != before.get(*name))
        .cloned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub fn recipe() -> Recipe {
        Recipe {
            plugin: "text".to_owned(),
            version: "0.1.0".to_owned(),
            code: Digest::of(b"plugin"),
            site: ["https://example.org", "Example", "en_US"].map(str::to_owned),
            output: "text/{id}.md".to_owned(),
            options: BTreeMap::from([("max-words".to_owned(), json!(300))]),
            prompts: BTreeMap::from([("write".to_owned(), Digest::of(b"Write."))]),
            parameters: Some(Parameters {
                model: "offline".to_owned(),
                temperature: 0.6,
                max_output_tokens: 100,
                extra_body: None,
                reasoning: None,
            }),
            fields: vec!["density".to_owned(), "formula".to_owned()],
            category_fields: vec!["hazards".to_owned()],
            upstreams: vec!["frontmatter".to_owned()],
            images: Vec::new(),
        }
    }

    type Edit = (&'static str, fn(&mut Recipe));

    #[test]
    fn every_part_counts_and_is_named() {
        let before = recipe();
        let edits: [Edit; 14] = [
            ("plugin changed", |recipe| recipe.code = Digest::of(b"x")),
            ("site changed", |recipe| recipe.site[2].push('x')),
            ("output path changed", |recipe| recipe.output.push('x')),
            ("option changed: max-words", |recipe| {
                recipe.options.insert("max-words".to_owned(), json!(301));
            }),
            ("option changed: tone", |recipe| {
                recipe.options.insert("tone".to_owned(), json!("dry"));
            }),
            ("prompt changed: write", |recipe| {
                recipe
                    .prompts
                    .insert("write".to_owned(), Digest::of(b"Write!"));
            }),
            ("prompt changed: write", |recipe| recipe.prompts.clear()),
            ("model changed: offline to openai/gpt-4o", |recipe| {
                if let Some(parameters) = &mut recipe.parameters {
                    parameters.model = "openai/gpt-4o".to_owned();
                }
            }),
            ("model parameters changed", |recipe| {
                recipe.parameters = None;
            }),
            ("model parameters changed", |recipe| {
                if let Some(parameters) = &mut recipe.parameters {
                    parameters.extra_body = Some(json!({"seed": 7}));
                }
            }),
            ("model parameters changed", |recipe| {
                if let Some(parameters) = &mut recipe.parameters {
                    parameters.reasoning = Some(types::key::Reasoning::Low);
                }
            }),
            ("given data changed", |recipe| {
                recipe.fields.pop();
            }),
            ("given data changed", |recipe| recipe.upstreams.clear()),
            ("given data changed", |recipe| {
                recipe.images.push("photo".to_owned());
            }),
        ];
        for (name, edit) in edits {
            let mut now = before.clone();
            edit(&mut now);
            assert_ne!(now.digest(), before.digest(), "{name}");
            let said: Vec<String> = now
                .changes_since(&before)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(said, [name]);
        }
        // As it was before recipes named pictures: checkpoints have it.
        assert_eq!(
            before.digest().to_string(),
            "260bcc3fe38a7a26972fa3beb88e7ed877805bb11e990006868b56a7f43cba9d"
        );
        let mut same = before.clone();
        same.version = "0.1.1".to_owned();
        assert_eq!(same.digest(), before.digest());
        assert!(before.changes_since(&before).is_empty());
    }
}

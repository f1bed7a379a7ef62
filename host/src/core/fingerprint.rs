//! The fingerprint of a task: the hash of all that its artifact depends on. Equal fingerprint and
//! intact file: nothing to do.

use serde_json::Value;

use super::digest::{Digest, DigestBuilder};
use super::key::Parameters;

/// All that an artifact depends on. Only the fields that the manifest asks for are given, so a
/// change to any other field changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// Hash of the plugin's file.
    pub plugin: Digest,
    /// Id, name and category of the record.
    pub identity: [&'a str; 3],
    /// The record's fields that the manifest asks for.
    pub fields: &'a Value,
    /// The category's fields that the manifest asks for.
    pub category_fields: &'a Value,
    /// Base URL, name and locale of the site, and the output path.
    pub site: [&'a str; 4],
    /// The component's options.
    pub options: &'a Value,
    /// Name and text of each prompt.
    pub prompts: &'a [(String, String)],
    /// What questions are asked with; `None` for a component without LLM.
    pub parameters: Option<&'a Parameters>,
    /// Component and hash of the file of each upstream.
    pub upstreams: &'a [(&'a str, Digest)],
}

impl Ingredients<'_> {
    /// The fingerprint.
    pub fn fingerprint(&self) -> Digest {
        let mut builder = DigestBuilder::new("batchgen fingerprint 1");
        builder.bytes(self.plugin.as_bytes());
        for part in self.identity.iter().chain(&self.site) {
            builder.text(part);
        }
        builder
            .json(self.fields)
            .json(self.category_fields)
            .json(self.options);
        builder.list(self.prompts.iter(), |builder, (name, text)| {
            builder.text(name).text(text);
        });
        builder.optional(self.parameters, |builder, parameters| {
            parameters.add_to(builder)
        });
        builder.list(self.upstreams.iter(), |builder, (component, content)| {
            builder.text(component).bytes(content.as_bytes());
        });
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_ingredient_counts_and_the_order_of_fields_does_not() {
        let fields = json!({"density": 2.7, "formula": "Al"});
        let reordered = json!({"formula": "Al", "density": 2.7});
        let other = json!({"density": 2.8, "formula": "Al"});
        let empty = json!({});
        let prompts = [("write".to_owned(), "Write.".to_owned())];
        let parameters = Parameters {
            model: "offline".to_owned(),
            temperature: 0.6,
            max_output_tokens: 100,
        };
        let base = Ingredients {
            plugin: Digest::of(b"plugin"),
            identity: ["aluminum", "Aluminum", "metal"],
            fields: &fields,
            category_fields: &empty,
            site: [
                "https://example.org",
                "Example",
                "en_US",
                "text/aluminum.md",
            ],
            options: &empty,
            prompts: &prompts,
            parameters: Some(&parameters),
            upstreams: &[("frontmatter", Digest::of(b"---"))],
        };
        let print = base.fingerprint();
        assert_eq!(
            print,
            Ingredients {
                fields: &reordered,
                ..base
            }
            .fingerprint()
        );
        let changes = [
            Ingredients {
                plugin: Digest::of(b"other"),
                ..base
            },
            Ingredients {
                identity: ["aluminum", "Aluminium", "metal"],
                ..base
            },
            Ingredients {
                fields: &other,
                ..base
            },
            Ingredients {
                category_fields: &other,
                ..base
            },
            Ingredients {
                site: ["https://example.com", "Example", "en_US", "x"],
                ..base
            },
            Ingredients {
                options: &other,
                ..base
            },
            Ingredients {
                prompts: &[],
                ..base
            },
            Ingredients {
                parameters: None,
                ..base
            },
            Ingredients {
                upstreams: &[],
                ..base
            },
            Ingredients {
                upstreams: &[("frontmatter", Digest::of(b"x"))],
                ..base
            },
        ];
        for (place, change) in changes.iter().enumerate() {
            assert_ne!(print, change.fingerprint(), "change {place}");
        }
    }
}

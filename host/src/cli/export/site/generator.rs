//! The generators of sites: where each looks for pages, and how it wants their front matter.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::page::Page;
use super::yaml;

/// A generator of sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum Generator {
    Hugo,
    Astro,
    Eleventy,
    Docusaurus,
}

/// A file of a site.
pub(super) struct PageFile {
    /// Its path below the folder of the site.
    pub path: PathBuf,
    /// What stands before the line that says who made it.
    pub head: &'static str,
    /// How that line begins.
    pub comment: &'static str,
    pub rest: String,
}

impl Generator {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Generator::Hugo => "Hugo",
            Generator::Astro => "Astro",
            Generator::Eleventy => "Eleventy",
            Generator::Docusaurus => "Docusaurus",
        }
    }

    /// The folder of the pages, which is called as the dataset calls its records.
    pub fn folder(self, noun: &str) -> PathBuf {
        let parent = match self {
            Generator::Hugo => "content",
            Generator::Astro => "src/content",
            Generator::Eleventy => "",
            Generator::Docusaurus => "docs",
        };
        Path::new(parent).join(noun)
    }

    /// What the generator needs besides the pages.
    pub(super) fn files(self, noun: &str) -> Vec<PageFile> {
        let folder = self.folder(noun);
        let label = capitalised(noun);
        let file = match self {
            Generator::Hugo => markdown(folder.join("_index.md"), &json!({"title": label}), ""),
            Generator::Astro => PageFile {
                path: "src/content.config.ts".into(),
                head: "",
                comment: "// ",
                rest: format!(
                    r#"import {{ defineCollection }} from "astro:content";
import {{ glob }} from "astro/loaders";
import {{ z }} from "astro/zod";

const pages = defineCollection({{
  loader: glob({{ base: "./src/content/{noun}", pattern: "**/*.md" }}),
  schema: z.object({{
    title: z.string(),
    description: z.string().optional(),
    category: z.string(),
    tags: z.array(z.string()),
    data: z.record(z.string(), z.any()),
  }}),
}});

export const collections = {{ "{noun}": pages }};
"#
                ),
            },
            // The text of a page is no template: braces in it mean nothing.
            Generator::Eleventy => PageFile {
                path: folder.join(format!("{noun}.11tydata.cjs")),
                head: "",
                comment: "// ",
                rest: format!(
                    "module.exports = {{\n  tags: [\"{noun}\"],\n  templateEngineOverride: \"md\",\n}};\n"
                ),
            },
            Generator::Docusaurus => {
                let mut rest = String::new();
                let category = json!({"label": label, "link": {"type": "generated-index"}});
                yaml::write(&object(category), &mut rest);
                PageFile {
                    path: folder.join("_category_.yml"),
                    head: "",
                    comment: "# ",
                    rest,
                }
            }
        };
        vec![file]
    }

    /// The file of a page.
    pub(super) fn page(self, noun: &str, page: &Page) -> PageFile {
        let path = self.folder(noun).join(format!("{}.md", page.stem()));
        let Page {
            slug,
            title,
            description,
            category,
            tags,
            data,
            body,
        } = page;
        let front = match self {
            Generator::Hugo => json!({
                "title": title, "description": description, "slug": slug, "categories": [category], "tags": tags, "params": data,
            }),
            // With this loader, the slug is the id of the entry.
            Generator::Astro => json!({
                "title": title, "description": description, "slug": slug, "category": category, "tags": tags, "data": data,
            }),
            Generator::Eleventy => json!({
                "title": title, "description": description, "permalink": format!("/{noun}/{slug}/"), "category": category,
                "tags": tags, "data": data,
            }),
            // Without `mdx.format`, braces and tags in a text would be taken for JavaScript.
            Generator::Docusaurus => json!({
                "id": slug, "title": title, "description": description, "slug": format!("/{noun}/{slug}"), "tags": tags,
                "mdx": {"format": "md"}, "category": category, "data": data,
            }),
        };
        match self {
            Generator::Hugo => markdown(path, &front, &without_shortcodes(body)),
            Generator::Astro | Generator::Eleventy | Generator::Docusaurus => {
                markdown(path, &front, body)
            }
        }
    }
}

/// A page with front matter. What is null is left out.
fn markdown(path: PathBuf, front: &Value, body: &str) -> PageFile {
    let mut front = object(front.clone());
    front.retain(|_, value| !value.is_null());
    let mut rest = String::new();
    yaml::write(&front, &mut rest);
    rest.push_str("---\n");
    if !body.is_empty() {
        rest.push('\n');
        rest.push_str(body);
        rest.push('\n');
    }
    PageFile {
        path,
        head: "---\n",
        comment: "# ",
        rest,
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn capitalised(noun: &str) -> String {
    let mut letters = noun.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// A text in which Hugo sees no call of a shortcode: where it is a whole one, it is written as Hugo shows it literally, and
/// elsewhere its first brace is written as HTML has it.
fn without_shortcodes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((place, opening)) = next_shortcode(rest) {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        let closing = if opening == "{{<" { ">}}" } else { "%}}" };
        let inner = from.get(opening.len()..).unwrap_or_default();
        rest = match inner.find(closing) {
            Some(end) if !inner.get(..end).unwrap_or_default().contains("*/") => {
                let call = inner.get(..end).unwrap_or_default();
                out.push_str(&format!("{opening}/*{call}*/{closing}"));
                inner.get(end + closing.len()..).unwrap_or_default()
            }
            _ => {
                out.push_str("&#123;");
                from.get(1..).unwrap_or_default()
            }
        };
    }
    out.push_str(rest);
    out
}

fn next_shortcode(text: &str) -> Option<(usize, &'static str)> {
    let openings = ["{{<", "{{%"];
    let found = openings.map(|opening| text.find(opening).map(|place| (place, opening)));
    found.into_iter().flatten().min_by_key(|(place, _)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_calls_a_shortcode_of_hugo() {
        for (text, expected) in [
            ("a {{ b }} c", "a {{ b }} c"),
            ("{{< ref \"x\" >}} y", "{{</* ref \"x\" */>}} y"),
            ("{{% a %}}{{< b >}}", "{{%/* a */%}}{{</* b */>}}"),
            ("{{< open", "&#123;{< open"),
            ("{{< a */ b >}}", "&#123;{< a */ b >}}"),
            ("{{{< a >}}", "{{{</* a */>}}"),
        ] {
            assert_eq!(without_shortcodes(text), expected, "{text}");
        }
    }

    #[test]
    fn files_that_mean_something_to_a_generator_are_called_otherwise() {
        let page = |slug: &str| Page {
            slug: slug.into(),
            title: "T".into(),
            description: None,
            category: "c".into(),
            tags: Vec::new(),
            data: Map::new(),
            body: String::new(),
        };
        for (slug, stem) in [
            ("oak", "oak"),
            ("index", "page+index"),
            ("_index", "page+_index"),
            ("_draft", "page+_draft"),
            ("readme", "page+readme"),
        ] {
            assert_eq!(page(slug).stem(), stem);
            let file = Generator::Hugo.page("things", &page(slug));
            assert_eq!(
                file.path,
                Path::new("content/things").join(format!("{stem}.md"))
            );
        }
    }
}

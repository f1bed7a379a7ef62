//! The page as an article: who wrote what about which material, and when.

use materials::page;
use sdk::{Input, Value, json};

use crate::front_matter::FrontMatter;
use crate::node;

/// Fewest keywords of an article.
const KEYWORDS: usize = 5;

/// What every page is about, where its own keywords are too few.
const COMMON: [&str; 5] = [
    "laser cleaning",
    "laser ablation",
    "surface preparation",
    "non-contact cleaning",
    "pulsed laser",
];

pub(crate) fn article(input: &Input, front: &FrontMatter) -> Value {
    let url = materials::page_url(input);
    let headline = front.headline.as_ref().unwrap_or(&front.title);
    node(
        "Article",
        [
            ("@id", json!(format!("{url}#article"))),
            ("headline", json!(headline)),
            ("name", json!(front.title)),
            ("description", json!(front.description)),
            ("author", author(input, front)),
            ("publisher", publisher(input)),
            ("datePublished", json!(front.published_on)),
            ("dateModified", json!(front.updated_on)),
            ("keywords", json!(keywords(input, front))),
            ("image", json!(images(front))),
            ("about", json!(about(input, front))),
            (
                "articleSection",
                json!(
                    front
                        .category
                        .as_ref()
                        .and_then(|category| category.name.as_ref())
                ),
            ),
            ("inLanguage", json!(input.site().locale.replace('_', "-"))),
            ("url", json!(url)),
            (
                "mainEntityOfPage",
                json!({ "@type": "WebPage", "@id": url }),
            ),
            (
                "isPartOf",
                json!({ "@type": "WebSite", "name": input.site().name, "url": input.site().base_url }),
            ),
        ],
    )
}

/// The desk that signs the page; without one, the site.
fn author(input: &Input, front: &FrontMatter) -> Value {
    let Some(byline) = &front.byline else {
        return publisher(input);
    };
    node(
        "Organization",
        [
            ("name", json!(byline.name)),
            ("description", json!(byline.profile)),
            ("knowsAbout", json!(byline.expertise)),
            ("parentOrganization", publisher(input)),
        ],
    )
}

fn publisher(input: &Input) -> Value {
    let site = input.site();
    node(
        "Organization",
        [("name", json!(site.name)), ("url", json!(site.base_url))],
    )
}

/// The front matter's keywords, filled up to the fewest, whatever their case each once.
fn keywords(input: &Input, front: &FrontMatter) -> Vec<String> {
    let own = front.keywords.iter().map(|keyword| keyword.trim());
    let own: Vec<&str> = own.filter(|keyword| !keyword.is_empty()).collect();
    let few = own.len() < KEYWORDS;
    let more = [input.name()].into_iter().chain(COMMON).filter(|_| few);
    let mut keywords: Vec<String> = Vec::new();
    for keyword in own.into_iter().chain(more) {
        let same = |known: &String| known.to_lowercase() == keyword.to_lowercase();
        if !keywords.iter().any(same) {
            keywords.push(keyword.to_owned());
        }
    }
    keywords
}

fn images(front: &FrontMatter) -> Vec<Value> {
    let with_address = front
        .images
        .values()
        .filter(|image| image.get("url").is_some_and(Value::is_string));
    let image = |image: &Value| {
        let field = |name| image.get(name).cloned().unwrap_or_default();
        node(
            "ImageObject",
            [
                ("url", field("url")),
                ("caption", field("alt")),
                ("width", field("width")),
                ("height", field("height")),
            ],
        )
    };
    with_address.map(image).collect()
}

/// The material, and its properties with their units.
fn about(input: &Input, front: &FrontMatter) -> Vec<Value> {
    let mut about = vec![node("Thing", [("name", json!(input.name()))])];
    for property in page::measures(&front.properties) {
        // A value that cannot be shown is none.
        if property.value_text().is_none() {
            continue;
        }
        let (value, unit) = (property.value.unwrap_or_default(), property.unit);
        about.push(node(
            "PropertyValue",
            [
                ("name", json!(property.label)),
                ("value", value),
                ("unitText", json!(unit)),
            ],
        ));
    }
    about
}

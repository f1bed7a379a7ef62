//! What a page's head says: meta tags, Open Graph, Twitter card and links. All of it comes from the
//! front matter and the site; nothing here asks a model.

use sdk::{Component, Failure, Input, Map, Value, json, yaml};
use serde::Deserialize;

const VIEWPORT: &str = "width=device-width, initial-scale=1";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Options {
    robots: String,
    theme_color: String,
}

/// What is taken from the front matter, which may have been edited: only title and description must
/// be there.
#[derive(Deserialize)]
struct FrontMatter {
    title: String,
    description: String,
    headline: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    byline: Option<Byline>,
    #[serde(default)]
    images: Images,
    published_on: Option<String>,
    updated_on: Option<String>,
}

#[derive(Deserialize)]
struct Byline {
    name: String,
}

#[derive(Default, Deserialize)]
struct Images {
    hero: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    url: String,
    alt: String,
    width: Option<u32>,
    height: Option<u32>,
}

/// Tags in their order; what has no content is left out.
struct Tags {
    key: &'static str,
    tags: Vec<Value>,
}

impl Tags {
    fn new(key: &'static str) -> Self {
        Tags {
            key,
            tags: Vec::new(),
        }
    }

    fn add(&mut self, name: &str, content: Option<impl Into<Value>>) {
        if let Some(content) = content {
            let content: Value = content.into();
            self.tags
                .push(json!({ self.key: name, "content": content }));
        }
    }
}

/// The `metatags` component.
pub struct MetaTags;

impl Component for MetaTags {
    fn generate(input: &Input) -> Result<String, Failure> {
        let options: Options = input.options()?;
        let page: FrontMatter = input.upstream("frontmatter")?.json()?;
        let url = materials::page_url(input);
        let language = input.site().locale.replace('_', "-");
        let mut head = Map::new();
        head.insert("title".to_owned(), json!(page.title));
        head.insert("meta".to_owned(), json!(meta(input, &options, &page)));
        head.insert(
            "open_graph".to_owned(),
            json!(open_graph(input, &page, &url)),
        );
        head.insert("twitter".to_owned(), json!(twitter(&page)));
        head.insert("canonical".to_owned(), json!(url));
        let alternate = [language.as_str(), "x-default"];
        let alternate = alternate.map(|language| json!({ "hreflang": language, "href": url }));
        head.insert("alternate".to_owned(), json!(alternate));
        Ok(yaml::front_matter(&head))
    }
}

fn meta(input: &Input, options: &Options, page: &FrontMatter) -> Vec<Value> {
    let author = page
        .byline
        .as_ref()
        .map_or(&input.site().name, |byline| &byline.name);
    let keywords = (!page.keywords.is_empty()).then(|| page.keywords.join(", "));
    let mut tags = Tags::new("name");
    tags.add("description", Some(page.description.as_str()));
    tags.add("keywords", keywords);
    tags.add("author", Some(author.as_str()));
    tags.add("robots", Some(options.robots.as_str()));
    tags.add("viewport", Some(VIEWPORT));
    tags.add("theme-color", Some(options.theme_color.as_str()));
    tags.add("application-name", Some(input.site().name.as_str()));
    tags.add("format-detection", Some("telephone=no"));
    tags.tags
}

fn open_graph(input: &Input, page: &FrontMatter, url: &str) -> Vec<Value> {
    let hero = page.images.hero.as_ref();
    let mut tags = Tags::new("property");
    tags.add(
        "og:title",
        Some(page.headline.as_ref().unwrap_or(&page.title).as_str()),
    );
    tags.add("og:description", Some(page.description.as_str()));
    tags.add("og:type", Some("article"));
    tags.add("og:image", hero.map(|image| image.url.as_str()));
    tags.add("og:image:alt", hero.map(|image| image.alt.as_str()));
    tags.add("og:image:width", hero.and_then(|image| image.width));
    tags.add("og:image:height", hero.and_then(|image| image.height));
    tags.add("og:url", Some(url));
    tags.add("og:site_name", Some(input.site().name.as_str()));
    tags.add("og:locale", Some(input.site().locale.as_str()));
    tags.add("article:published_time", page.published_on.as_deref());
    tags.add("article:modified_time", page.updated_on.as_deref());
    tags.tags
}

fn twitter(page: &FrontMatter) -> Vec<Value> {
    let hero = page.images.hero.as_ref();
    let card = if hero.is_some() {
        "summary_large_image"
    } else {
        "summary"
    };
    let mut tags = Tags::new("name");
    tags.add("twitter:card", Some(card));
    tags.add("twitter:title", Some(page.title.as_str()));
    tags.add("twitter:description", Some(page.description.as_str()));
    tags.add("twitter:image", hero.map(|image| image.url.as_str()));
    tags.add("twitter:image:alt", hero.map(|image| image.alt.as_str()));
    tags.tags
}

sdk::export!(MetaTags);

#[cfg(test)]
mod tests;

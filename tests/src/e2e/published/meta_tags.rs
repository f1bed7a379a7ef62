//! Meta tags by the Open Graph protocol (ogp.me) and X's documentation of its cards.

use saphyr::Yaml;

/// Required of every page by ogp.me, and what this project adds.
const OPEN_GRAPH: [&str; 10] = [
    "og:title",
    "og:type",
    "og:image",
    "og:url",
    "og:description",
    "og:site_name",
    "og:locale",
    "og:image:alt",
    "og:image:width",
    "og:image:height",
];
/// What ogp.me defines besides, of an article.
const OF_ARTICLE: [&str; 5] = [
    "article:published_time",
    "article:modified_time",
    "article:author",
    "article:section",
    "article:tag",
];
const CARDS: [&str; 4] = ["summary", "summary_large_image", "app", "player"];
const TWITTER: [&str; 5] = [
    "twitter:card",
    "twitter:title",
    "twitter:description",
    "twitter:image",
    "twitter:image:alt",
];
const META: [&str; 5] = ["description", "keywords", "author", "robots", "viewport"];
/// Longest text of a card's image and title that is shown.
const LONGEST_ALT: usize = 420;

/// What is wrong with a file.
pub fn faults(yaml: &Yaml<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let meta = tags(yaml, "meta", "name", &mut found);
    let graph = tags(yaml, "open_graph", "property", &mut found);
    let card = tags(yaml, "twitter", "name", &mut found);
    for (tags, wanted) in [
        (&meta, &META[..]),
        (&graph, &OPEN_GRAPH[..]),
        (&card, &TWITTER[..]),
    ] {
        for name in wanted {
            match tags.iter().filter(|(known, _)| known == name).count() {
                0 => found.push(format!("it has no {name}")),
                1 => {}
                count => found.push(format!("it has {count} {name}")),
            }
        }
    }
    for (name, content) in &graph {
        if !OPEN_GRAPH.contains(&name.as_str()) && !OF_ARTICLE.contains(&name.as_str()) {
            found.push(format!("Open Graph has no {name}"));
        }
        let good = match name.as_str() {
            "og:type" => content == "article",
            "og:url" | "og:image" => is_url(content),
            "og:image:width" | "og:image:height" => {
                content.parse::<u32>().is_ok_and(|size| size > 0)
            }
            "og:locale" => is_locale(content),
            "article:published_time" | "article:modified_time" => {
                content.len() == 10 && content.starts_with("20")
            }
            _ => !content.trim().is_empty(),
        };
        if !good {
            found.push(format!("{name} may not be {content:?}"));
        }
    }
    for (name, content) in &card {
        let good = match name.as_str() {
            "twitter:card" => CARDS.contains(&content.as_str()),
            "twitter:image" => is_url(content),
            "twitter:image:alt" => content.chars().count() <= LONGEST_ALT,
            name => TWITTER.contains(&name) && !content.is_empty(),
        };
        if !good {
            found.push(format!("{name} may not be {content:?}"));
        }
    }
    let canonical = text(&yaml["canonical"]);
    if !is_url(&canonical) || !graph.contains(&("og:url".to_owned(), canonical)) {
        found.push("canonical is not og:url".to_owned());
    }
    found
}

/// Name and content of each tag in a list.
fn tags(yaml: &Yaml<'_>, list: &str, key: &str, found: &mut Vec<String>) -> Vec<(String, String)> {
    match yaml.as_mapping_get(list).and_then(Yaml::as_vec) {
        Some(tags) => tags
            .iter()
            .map(|tag| (text(&tag[key]), text(&tag["content"])))
            .collect(),
        None => {
            found.push(format!("it has no list {list}"));
            Vec::new()
        }
    }
}

fn text(value: &Yaml<'_>) -> String {
    let number = value.as_integer().map(|number| number.to_string());
    number.unwrap_or_else(|| value.as_str().unwrap_or_default().to_owned())
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.scheme() == "https")
}

/// `en_US`.
fn is_locale(text: &str) -> bool {
    text.split_once('_').is_some_and(|(language, territory)| {
        language.len() == 2
            && territory.len() == 2
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && territory.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

//! JSON-LD of a material's page in a script element: article, how-to and breadcrumbs, linked with each
//! other. All of it comes from the front matter and the site; nothing here asks a model.

mod article;
mod front_matter;
mod how_to;

use front_matter::FrontMatter;
use sdk::{Component, Failure, Input, Map, Value, json, markdown};

/// The `jsonld` component.
pub struct JsonLd;

impl Component for JsonLd {
    fn generate(input: &Input) -> Result<String, Failure> {
        let page: FrontMatter = input.upstream("frontmatter")?.json()?;
        let article = article::article(input, &page);
        let nodes = [
            Some(article),
            how_to::how_to(input, &page),
            Some(breadcrumbs(input, &page)),
        ];
        let graph: Vec<Value> = nodes.into_iter().flatten().collect();
        Ok(script(
            &json!({ "@context": "https://schema.org", "@graph": graph }),
        ))
    }
}

/// The element. In JSON, `<` stands in strings only, where its code says the same: so no text can
/// close the element or open another one inside it.
fn script(data: &Value) -> String {
    let json = format!("{data:#}").replace('<', "\\u003c");
    format!("<script type=\"application/ld+json\">\n{json}\n</script>\n")
}

fn breadcrumbs(input: &Input, page: &FrontMatter) -> Value {
    let site = input.site();
    let category = page
        .category
        .as_ref()
        .and_then(|category| category.name.clone());
    let category = category.unwrap_or_else(|| markdown::capitalized(input.category()));
    let trail = [
        (site.name.clone(), site.base_url.clone()),
        (category, format!("{}/{}", site.base_url, input.category())),
        (page.title.clone(), materials::page_url(input)),
    ];
    let items = trail.iter().zip(1..).map(|((name, url), position)| {
        json!({ "@type": "ListItem", "position": position, "name": name, "item": url })
    });
    json!({
        "@type": "BreadcrumbList",
        "@id": format!("{}#breadcrumbs", materials::page_url(input)),
        "itemListElement": items.collect::<Vec<_>>(),
    })
}

/// A node of the type, with those of the fields that have a value.
fn node<const FIELDS: usize>(kind: &str, fields: [(&str, Value); FIELDS]) -> Value {
    let mut node = Map::new();
    node.insert("@type".to_owned(), json!(kind));
    for (name, value) in fields {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        if !empty {
            node.insert(name.to_owned(), value);
        }
    }
    Value::Object(node)
}

sdk::export!(JsonLd);

#[cfg(test)]
mod tests;

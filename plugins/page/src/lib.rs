//! One publishable Markdown page of a record, put together from what other components made of it:
//! their files as they are on disk, so that an edited one reaches the page. Nothing here asks a model.

mod body;

use sdk::{Component, Failure, Input, Map, Value, json, yaml};

/// The `page` component.
pub struct Page;

impl Component for Page {
    fn generate(input: &Input) -> Result<String, Failure> {
        let front = front_matter(input)?;
        let body = body::body(input, &front)?;
        Ok(format!("{}\n{body}\n", yaml::front_matter(&front)))
    }
}

/// The front matter with the tags and, for the page's head, the meta tags.
fn front_matter(input: &Input) -> Result<Map<String, Value>, Failure> {
    let mut front: Map<String, Value> = input.upstream("frontmatter")?.json()?;
    let head: Map<String, Value> = input.upstream("metatags")?.json()?;
    let line = input.upstream("tags")?;
    let mut tags: Vec<&str> = Vec::new();
    for tag in line.text().split([',', '\n']).map(str::trim) {
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    front.insert("tags".to_owned(), json!(tags));
    front.insert("head".to_owned(), Value::Object(head));
    Ok(front)
}

sdk::export!(Page);

#[cfg(test)]
mod tests;

use sdk::testing;

use super::*;

fn page() -> Value {
    json!({
        "title": "Tin: Laser Cleaning",
        "headline": "How Tin comes clean",
        "description": "Tin \"whiskers\" and oxide: gone.",
        "keywords": ["tin", "oxide"],
        "byline": {"name": "Metals desk"},
        "images": {"hero": {"url": "https://example.org/tin.jpg", "alt": "Tin", "width": 1200, "height": 630}},
        "published_on": "2026-11-24",
    })
}

fn run(front_matter: Option<&Value>) -> Result<Value, Failure> {
    let mut input = testing::input("tin", "Tin", "metal");
    input.options = json!({"robots": "index, follow", "theme-color": "#123456"}).to_string();
    input.upstreams = vec![testing::upstream("frontmatter", "", front_matter)];
    let (text, asked) = testing::generate::<MetaTags>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    let text = text?;
    let body = text
        .strip_prefix("---\n")
        .unwrap()
        .strip_suffix("---\n")
        .unwrap();
    Ok(serde_saphyr::from_str(body).unwrap())
}

fn content<'a>(head: &'a Value, group: &str, name: &str) -> &'a Value {
    let tags = head[group].as_array().unwrap();
    let tag = tags
        .iter()
        .find(|tag| tag["name"] == name || tag["property"] == name);
    tag.map_or(&Value::Null, |tag| &tag["content"])
}

#[test]
fn the_description_is_the_front_matters_everywhere() {
    let head = run(Some(&page())).unwrap();
    for (group, name) in [
        ("meta", "description"),
        ("open_graph", "og:description"),
        ("twitter", "twitter:description"),
    ] {
        assert_eq!(content(&head, group, name), &page()["description"]);
    }
}

#[test]
fn every_tag_has_its_content() {
    let head = run(Some(&page())).unwrap();
    for (group, name, expected) in [
        ("meta", "keywords", json!("tin, oxide")),
        ("meta", "author", json!("Metals desk")),
        ("meta", "robots", json!("index, follow")),
        ("meta", "viewport", json!(VIEWPORT)),
        ("meta", "theme-color", json!("#123456")),
        ("open_graph", "og:title", json!("How Tin comes clean")),
        ("open_graph", "og:type", json!("article")),
        ("open_graph", "og:image:width", json!(1200)),
        (
            "open_graph",
            "og:url",
            json!("https://example.org/metal/tin-laser-cleaning"),
        ),
        ("open_graph", "og:locale", json!("en_US")),
        ("twitter", "twitter:card", json!("summary_large_image")),
    ] {
        assert_eq!(content(&head, group, name), &expected, "{name}");
    }
    assert_eq!(
        head["canonical"],
        "https://example.org/metal/tin-laser-cleaning"
    );
    assert_eq!(head["alternate"][0]["hreflang"], "en-US");
}

#[test]
fn an_edited_page_without_optional_parts_is_enough() {
    let head = run(Some(
        &json!({"title": "Tin", "description": "A metal.", "images": null}),
    ))
    .unwrap();
    assert_eq!(content(&head, "meta", "author"), "Example");
    assert_eq!(content(&head, "open_graph", "og:title"), "Tin");
    assert_eq!(content(&head, "open_graph", "og:image"), &Value::Null);
    assert_eq!(content(&head, "twitter", "twitter:card"), "summary");
    assert!(!head.to_string().contains("null"));
}

#[test]
fn a_page_that_cannot_be_read_says_so() {
    assert!(
        run(None)
            .unwrap_err()
            .message
            .contains("the file of frontmatter")
    );
    assert!(
        run(Some(&json!({"title": "Tin"})))
            .unwrap_err()
            .message
            .contains("description")
    );
}

use sdk::{FailureKind, testing};

use super::*;

const SCRIPT: &str =
    "<script type=\"application/ld+json\">\n{\"@context\": \"https://schema.org\"}\n</script>\n";

fn front() -> Value {
    json!({
        "title": "Oak: Laser Cleaning",
        "description": "Soot leaves \"oak\" cold: no solvents.",
        "images": {"micro": {"url": "https://example.org/oak (1).jpg", "alt": "Oak [magnified]"}},
    })
}

fn head() -> Value {
    json!({"title": "Oak: Laser Cleaning", "meta": [{"name": "description", "content": front()["description"]}]})
}

/// What other components made, by their names.
fn made() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "bullets",
            "• **Soot**: It leaves.\n• **Varnish**: It stays.\n",
        ),
        ("caption", "**Before:** Soot.\n**After:** Grain.\n"),
        (
            "text",
            "# Oak, Clean\n\nOak is a wood.\n\n## Practice\n\nStart low.\n",
        ),
        ("table", "## Laser\n\n| A | B |\n| --- | --- |\n| 1 | 2 |\n"),
        ("tags", "oak, laser, cleaning, laser\n"),
        ("jsonld", SCRIPT),
        ("author", "**Wood desk**\n"),
    ]
}

fn run(front: Option<&Value>, made: &[(&str, &str)]) -> Result<String, Failure> {
    let mut input = testing::input("oak", "Oak", "wood");
    input.upstreams = vec![
        testing::upstream("frontmatter", "", front),
        testing::upstream("metatags", "", Some(&head())),
    ];
    let files = made
        .iter()
        .map(|(name, text)| testing::upstream(name, text, None));
    input.upstreams.extend(files);
    let (text, asked) = testing::generate::<Page>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    text
}

fn parts(page: &str) -> (Value, &str) {
    let page = page.strip_prefix("---\n").unwrap();
    let (front, body) = page.split_once("\n---\n").unwrap();
    (serde_saphyr::from_str(front).unwrap(), body)
}

#[test]
fn the_front_matter_parses_and_has_tags_and_head() {
    let page = run(Some(&front()), &made()).unwrap();
    let mut expected = front();
    expected["tags"] = json!(["oak", "laser", "cleaning"]);
    expected["head"] = head();
    assert_eq!(parts(&page).0, expected);
}

#[test]
fn the_parts_stand_in_their_order_a_blank_line_apart() {
    let page = run(Some(&front()), &made()).unwrap();
    let expected = format!(
        "
# Oak, Clean

![Oak \\[magnified\\]](<https://example.org/oak (1).jpg>)

**Before:** Soot.

**After:** Grain.

Oak is a wood.

## Practice

Start low.

## At a Glance

- **Soot**: It leaves.
- **Varnish**: It stays.

## Laser

| A | B |
| --- | --- |
| 1 | 2 |

## About the Author

**Wood desk**

{SCRIPT}"
    );
    assert_eq!(parts(&page).1, expected);
}

#[test]
fn what_somebody_emptied_or_rewrote_makes_no_empty_section() {
    let mut made = made();
    made.retain(|(name, _)| !["bullets", "text", "author"].contains(name));
    made.extend([
        ("bullets", "\n"),
        ("author", ""),
        ("text", "Oak is a wood.\n"),
    ]);
    let page = run(Some(&json!({"title": "Oak: Laser Cleaning"})), &made).unwrap();
    let (_, body) = parts(&page);
    assert!(
        body.starts_with("\n# Oak: Laser Cleaning\n\n**Before:**"),
        "{body}"
    );
    for absent in ["At a Glance", "About the Author", "![", "None", "null"] {
        assert!(!body.contains(absent), "{absent} in\n{body}");
    }
    assert!(!body.contains("\n\n\n"), "{body}");
    let page = run(Some(&json!({})), &made).unwrap();
    assert!(parts(&page).1.starts_with("\n# Oak\n"), "{page}");
}

#[test]
fn a_part_that_cannot_be_read_or_is_not_there_says_so() {
    let failure = run(None, &made()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::UnsuitableRecord);
    assert!(
        failure.message.contains("the file of frontmatter"),
        "{failure:?}"
    );
    let failure = run(Some(&front()), &made()[1..]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::ComponentFault);
    assert!(
        failure.message.contains("no upstream bullets"),
        "{failure:?}"
    );
}

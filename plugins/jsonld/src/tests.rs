use sdk::{FailureKind, testing};

use super::*;

const URL: &str = "https://example.org/wood/oak-laser-cleaning";

/// A wood, which has no formula.
fn oak() -> Value {
    json!({
        "title": "Oak Laser Cleaning",
        "headline": "How Oak Comes Clean",
        "description": "Soot leaves oak </script><script>alert(1)</script> cold.",
        "keywords": ["oak", "soot", "varnish", "wood", "restoration", "beams"],
        "category": {"id": "wood", "name": "Wood"},
        "published_on": "2026-11-24",
        "updated_on": "2026-11-25",
        "byline": {"name": "Wood desk", "profile": "Covers wood.", "expertise": ["char limits"]},
        "images": {"hero": {"url": "https://example.org/oak.jpg", "alt": "Oak", "width": 1200, "height": 630}},
        "properties": {
            "density": {"label": "density", "value": 0.76, "unit": "g/cm³", "min": 0.3, "max": 0.9},
            "hardness_mohs": {"label": "Mohs hardness", "value": 2.5},
        },
        "machine_settings": {
            "wavelength": {"label": "wavelength", "typical": 1064, "unit": "nm"},
            "fluence": {"label": "fluence", "typical": 0.7, "min": 0.3, "max": 1.4, "unit": "J/cm²"},
        },
        "contaminants": ["soot", "varnish"],
        "compatibility": {"applies_to": "Wood", "suited": ["sound timber"], "caution": ["thin veneer", "glue lines"]},
        "outcomes": [{"outcome": "cleaned area per minute", "metric": "270 cm²/min", "basis": "typical values"}],
    })
}

fn run(front_matter: Option<&Value>) -> Result<String, Failure> {
    let mut input = testing::input("oak", "Oak", "wood");
    input.upstreams = vec![testing::upstream("frontmatter", "", front_matter)];
    let (text, asked) = testing::generate::<JsonLd>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    text
}

/// The nodes of the graph by type.
fn graph(front_matter: &Value) -> Map<String, Value> {
    let text = run(Some(front_matter)).unwrap();
    let json = text
        .strip_prefix("<script type=\"application/ld+json\">")
        .unwrap();
    let json = json.strip_suffix("</script>\n").unwrap();
    let data: Value = json.parse().unwrap();
    assert_eq!(data["@context"], "https://schema.org");
    let nodes = data["@graph"].as_array().unwrap().iter();
    nodes
        .map(|node| (node["@type"].as_str().unwrap().to_owned(), node.clone()))
        .collect()
}

#[test]
fn the_article_has_all_that_search_engines_want() {
    let article = &graph(&oak())["Article"];
    for (name, expected) in [
        ("@id", json!(format!("{URL}#article"))),
        ("headline", oak()["headline"].clone()),
        ("description", oak()["description"].clone()),
        ("keywords", oak()["keywords"].clone()),
        ("datePublished", json!("2026-11-24")),
        ("dateModified", json!("2026-11-25")),
        ("inLanguage", json!("en-US")),
        ("mainEntityOfPage", json!({"@type": "WebPage", "@id": URL})),
    ] {
        assert_eq!(article[name], expected, "{name}");
    }
    assert_eq!(article["author"]["@type"], "Organization");
    assert_eq!(article["author"]["name"], "Wood desk");
    assert_eq!(article["image"][0]["url"], "https://example.org/oak.jpg");
}

#[test]
fn the_article_is_about_the_material_and_its_properties() {
    let about = &graph(&oak())["Article"]["about"];
    let expected = json!([
        {"@type": "Thing", "name": "Oak"},
        {"@type": "PropertyValue", "name": "density", "value": 0.76, "unitText": "g/cm³"},
        {"@type": "PropertyValue", "name": "Mohs hardness", "value": 2.5},
    ]);
    assert_eq!(*about, expected);
}

#[test]
fn the_steps_come_from_settings_and_compatibility() {
    let how_to = &graph(&oak())["HowTo"];
    let steps = how_to["step"].as_array().unwrap();
    let texts: Vec<&str> = steps
        .iter()
        .map(|step| step["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            "In the category Wood, these respond well: sound timber. Take care with thin veneer and glue lines.",
            "Start from wavelength 1064 nm and fluence 0.7 J/cm².",
            "Try on a small area, and stay within fluence 0.3–1.4 J/cm².",
            "Scan the surface to remove soot and varnish.",
            "With the typical settings, expect these values: cleaned area per minute 270 cm²/min.",
        ]
    );
    let positions: Vec<&Value> = steps.iter().map(|step| &step["position"]).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    assert!(steps.iter().all(|step| step["@type"] == "HowToStep"));
}

#[test]
fn breadcrumbs_lead_from_the_site_to_the_page() {
    let items = &graph(&oak())["BreadcrumbList"]["itemListElement"];
    let expected = json!([
        {"@type": "ListItem", "position": 1, "name": "Example", "item": "https://example.org"},
        {"@type": "ListItem", "position": 2, "name": "Wood", "item": "https://example.org/wood"},
        {"@type": "ListItem", "position": 3, "name": "Oak Laser Cleaning", "item": URL},
    ]);
    assert_eq!(*items, expected);
}

#[test]
fn no_text_can_close_the_element() {
    let text = run(Some(&oak())).unwrap();
    let inside = text.strip_suffix("</script>\n").unwrap();
    assert_eq!(inside.matches('<').count(), 1, "{inside}");
    assert!(inside.contains("\\u003c/script>"), "{inside}");
}

#[test]
fn what_an_edited_page_lacks_is_left_out() {
    let bare = json!({"title": "Oak", "description": "A wood.", "images": {"hero": {"alt": "x"}}, "byline": null,
        "keywords": ["Oak", "oak", " "], "properties": {"colour": "brown", "odd": {}}});
    let graph = graph(&bare);
    assert!(!graph.contains_key("HowTo"));
    let article = &graph["Article"];
    assert_eq!(article["headline"], "Oak");
    assert_eq!(article["author"]["name"], "Example");
    assert_eq!(
        article["about"][1],
        json!({"@type": "PropertyValue", "name": "colour", "value": "brown"})
    );
    assert_eq!(article["about"].as_array().unwrap().len(), 2);
    for absent in ["datePublished", "dateModified", "image", "articleSection"] {
        assert_eq!(article.get(absent), None, "{absent}");
    }
    assert!(
        article["keywords"].as_array().unwrap().len() >= 5,
        "{article}"
    );
    let all = Value::Object(graph).to_string();
    assert!(!all.contains("null") && !all.contains("None"), "{all}");
}

#[test]
fn a_page_that_cannot_be_read_says_so() {
    for page in [None, Some(json!({"title": "Oak"}))] {
        let failure = run(page.as_ref()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::UnsuitableRecord);
        assert!(
            failure.message.contains("the file of frontmatter"),
            "{failure:?}"
        );
    }
}

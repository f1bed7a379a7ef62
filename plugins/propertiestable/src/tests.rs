use sdk::{FailureKind, json, testing};

use super::*;

fn run(front_matter: Option<&Value>) -> Result<String, Failure> {
    let mut input = testing::input("oak", "Oak", "wood");
    input.upstreams = vec![testing::upstream("frontmatter", "", front_matter)];
    let (text, asked) = testing::generate::<PropertiesTable>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    text
}

#[test]
fn every_property_that_has_a_value_is_a_row_of_two_cells() {
    let text = run(Some(&json!({"title": "Oak", "properties": {
        "density": {"label": "density", "value": 0.76, "unit": "g/cm³", "min": 0.4, "max": 0.9, "position_pct": 72},
        "porosity": {"label": "porosity", "value": 53, "unit": "%"},
        "electrical_resistivity": {"label": "electrical resistivity", "value": 1e14, "unit": "Ω·m"},
        "hardness_mohs": {"label": "Mohs hardness", "value": 2.5},
    }})));
    let expected = "\
| Property | Value |
| --- | --- |
| Density | 0.76 g/cm³ |
| Porosity | 53% |
| Electrical resistivity | 1 × 10¹⁴ Ω·m |
| Mohs hardness | 2.5 |
";
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn an_edited_page_keeps_its_two_columns() {
    let text = run(Some(&json!({"properties": {
        "colour": "brown | grey\nwith age",
        "janka_hardness": {"value": "6050", "unit": "N"},
        "gone": null,
        "odd": {"label": "odd", "unit": "N"},
        "list": [1, 2],
    }})))
    .unwrap();
    let rows: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        rows,
        [
            "| Colour | brown \\| grey with age |",
            "| Janka hardness | 6050 N |"
        ]
    );
}

#[test]
fn a_page_without_any_property_or_that_cannot_be_read_is_unsuitable() {
    for page in [
        json!({"title": "Oak"}),
        json!({"properties": {}}),
        json!({"properties": {"density": {}}}),
    ] {
        let failure = run(Some(&page)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::UnsuitableRecord);
        assert!(
            failure.message.contains("Oak has no property"),
            "{failure:?}"
        );
    }
    let failure = run(None).unwrap_err();
    assert!(
        failure.message.contains("the file of frontmatter"),
        "{failure:?}"
    );
}

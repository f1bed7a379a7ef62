use sdk::{FailureKind, json, testing};

use super::*;

fn run(fields: &Value) -> Result<String, Failure> {
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields = fields.to_string();
    input.category_fields =
        json!({"ranges": {"density_g_cm3": {"min": 1.7, "max": 22.6}}}).to_string();
    let (text, asked) = testing::generate::<Tables>(input, &[]);
    assert!(asked.is_empty(), "it needs no model");
    text
}

#[test]
fn the_tables_stand_in_their_order_and_agree_with_their_separators() {
    let text = run(&json!({
        "laser": {"wavelength_nm": 1064, "passes": {"min": 1, "max": 4, "typical": 2}},
        "environment": {"recyclable": true, "embodied_energy_mj_kg": 190},
        "standards": [{"code": "EN 610", "title": "tin | ingots"}],
        "performance": {"corrosion_resistance": "good"},
        "grades": [{"name": "Sn 99.90", "purity_pct": 99.9, "use": "coatings"}, {"name": "Sn X"}],
        "properties": {"density_g_cm3": 7.3, "electrical_resistivity_ohm_m": 1.15e-7},
    }))
    .unwrap();
    let expected = "\
## Material Properties

| Property | Value | Range in category |
| --- | --- | --- |
| Density | 7.3 g/cm³ | 1.7–22.6 g/cm³ |
| Electrical resistivity | 1.15 × 10⁻⁷ Ω·m | – |

## Grades and Purity

| Grade | Purity | Use |
| --- | --- | --- |
| Sn 99.90 | 99.9% | Coatings |
| Sn X | – | – |

## Performance

| Aspect | Value |
| --- | --- |
| Corrosion resistance | Good |

## Standards and Compliance

| Standard | Title | Scope |
| --- | --- | --- |
| EN 610 | Tin \\| ingots | Material |

## Environmental Data

| Aspect | Value |
| --- | --- |
| Recyclable | Yes |
| Embodied energy | 190 MJ/kg |

## Laser Cleaning Parameters

| Parameter | Typical | Range |
| --- | --- | --- |
| Wavelength | 1064 nm | fixed |
| Passes | 2 | 1–4 |
";
    assert_eq!(text, expected);
}

#[test]
fn what_the_record_lacks_has_no_row_and_no_table() {
    let text = run(&json!({
        "properties": {"density_g_cm3": null, "hardness_mohs": 1.5, "odd": {"a": 1}, "blank": " "},
        "grades": null,
        "laser": {"passes": {"min": 1}},
    }))
    .unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("| Mohs hardness | 1.5 | – |"));
}

#[test]
fn a_record_without_any_value_is_unsuitable() {
    assert_eq!(
        run(&json!({})).unwrap_err().kind,
        FailureKind::UnsuitableRecord
    );
}

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn facts() -> Value {
    json!({
        "name": "Aluminum",
        "formula": "Al2O3",
        "properties": {
            "density": "2.7 g/cm³",
            "melting point": "660.32 °C",
            "electrical resistivity": "2.65 × 10⁻⁸ Ω·m",
            "band gap": "1 × 10¹⁴ Ω·m",
            "reflectivity at 1064 nm": "91.5%",
            "lowest temperature": "-78 °C",
        },
        "laser settings": {"fluence": "0.5–3 J/cm², typically 1.5 J/cm²", "scan speed": "12500 mm/s"},
        "grades": ["EN AW-1050A", "6061-T6", "316L"],
        "standards": [
            "ISO 11553-1 (Safety of machinery)", "IEC 60825-1:2014", "ASTM B209", "EN 10088-1",
            "29 CFR 1926.102", "ANSI Z136.1", "ISO 8501-1",
        ],
        "passes": 4,
    })
}

fn strange(text: &str) -> Vec<String> {
    strangers(&facts(), text)
}

#[test]
fn numbers_of_the_facts_pass_in_every_spelling() {
    for text in [
        "It weighs 2.7 g/cm³, or about 3 g/cm³.",
        "It melts at 660.32 °C, 660.3 °C, 660°C.",
        "Use 0.5–3 J/cm², 0.5-3 J/cm², 0.5 to 3 J/cm² (1.5 J/cm² is typical).",
        "Scan at 12,500 mm/s, at 12\u{a0}500 mm/s, at 12\u{202f}500mm/s or at some 13,000 mm/s.",
        "A resistivity of 2.65 × 10⁻⁸, 2.7×10^-8 or 2.65e-8 Ω·m.",
        "As much as 1 × 10¹⁴ or 10¹⁴ or 10^14 Ω·m.",
        "It returns 91.5% or 92 percent at 1064-nm wavelength, **1064 nm**.",
        "Down to −78 °C, -78 °C, or 78 °C below zero.",
        "**4** passes; four-pass work",
    ] {
        assert_eq!(strange(text), [""; 0], "{text}");
    }
}

#[test]
fn designations_of_the_facts_pass() {
    for text in [
        "Alumina (Al2O3, Al₂O₃) and Al2O3-based grit.",
        "Grades EN AW-1050A, 1050A, 6061-T6 and 316L/6061-T6.",
        "See ISO 11553-1, ISO 11553-1:2020, ISO 11553, IEC 60825-1:2014, IEC 60825-1, and EN 10088-1.",
        "See ASTM B209, ASTM B209-14, 29 CFR 1926.102 and ANSI Z136.1-2022.",
        "CO2 and H2O come off each cm2.",
    ] {
        assert_eq!(strange(text), [""; 0], "{text}");
    }
}

#[test]
fn list_ordinals_pass() {
    assert_eq!(
        strange("1. First\n2) Second\n## 3. Third\n> 7. Quoted"),
        [""; 0]
    );
    assert_eq!(strange("There are 7. Sometimes."), ["7"]);
}

#[test]
fn other_numbers_are_shown_as_they_stand() {
    for (text, expected) in [
        ("up to 90% faster", "90"),
        ("at 2.71 g/cm³", "2.71"),
        ("at 661 °C", "661"),
        ("at -2.7 V", "-2.7"),
        ("about 1,000,000 parts", "1,000,000"),
        ("1.1 × 10¹⁵ of them", "1.1e15"),
        ("grade 304L", "304L"),
        ("Fe2O3 forms", "Fe2O3"),
        ("see ISO 9013", "9013"),
        ("see IEC 60825-14", "60825"),
        ("a factor of 10", "10"),
        ("since 1998", "1998"),
        ("nothing at 0 °C", "0"),
    ] {
        assert_eq!(
            strange(text).first().map(String::as_str),
            Some(expected),
            "{text}"
        );
    }
}

#[test]
fn the_number_of_a_standard_is_no_quantity() {
    assert_eq!(strange("heats by 11553 K, 29 times"), ["11553", "29"]);
}

#[test]
fn a_violation_names_the_place_and_each_number_once() {
    assert_eq!(
        violations(&facts(), "headline", "7 and 7 and 8"),
        ["headline has numbers that are not in the facts: 7, 8; leave them out"]
    );
}

proptest! {
    #[test]
    fn a_fact_rounded_to_fewer_digits_passes(value in 1u64..100_000_000, scale in 0u32..7, digits in 0u32..7) {
        let fact = value as f64 / 10f64.powi(scale as i32);
        let decimals = digits.min(scale) as usize;
        let shown = format!("{fact:.decimals$}");
        // Nothing but noughts shows nothing of the fact.
        prop_assume!(shown.contains(|c: char| ('1'..='9').contains(&c)));
        let facts = json!({"a": {"some size": format!("{fact} mm")}});
        prop_assert_eq!(strangers(&facts, &format!("It is {shown} mm.")), [""; 0]);
    }

    #[test]
    fn a_fact_in_scientific_form_passes(mantissa in 10u32..100, exponent in -20i32..20) {
        let mantissa = f64::from(mantissa) / 10.0;
        let facts = json!({"size": mantissa * 10f64.powi(exponent)});
        let shown = crate::units::number(mantissa * 10f64.powi(exponent));
        prop_assert_eq!(strangers(&facts, &format!("of {shown} m")), [""; 0]);
    }

    #[test]
    fn a_number_far_from_all_facts_is_a_stranger(fact in 1u32..1000, number in 1u32..1_000_000, decimals in 0usize..4) {
        let number = f64::from(number) / 10f64.powi(decimals as i32);
        let fact = f64::from(fact);
        let apart = (number - fact).abs();
        // More than half a step of the last digit, or of the second digit where noughts follow it.
        prop_assume!(apart > 0.5 && apart > number * 0.06);
        let shown = format!("{number:.decimals$}");
        prop_assert_eq!(strangers(&json!({"a": fact}), &shown), [shown]);
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}", fact in "\\PC{0,20}") {
        strangers(&json!({ "a": fact }), &text);
    }

    #[test]
    fn a_text_of_the_facts_passes(text in "[0-9a-zA-Z.,:/×⁰¹²³₂ –-]{0,30}") {
        prop_assert_eq!(strangers(&json!({ "a": text }), &text), [""; 0]);
    }
}

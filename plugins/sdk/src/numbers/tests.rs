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
    assert_eq!(strange("There are 17. Sometimes."), ["17"]);
}

#[test]
fn both_conventions_of_decimals_and_thousands_are_read() {
    let facts = json!({
        "Preis": "1.299,00 €", "weight": "12,5 kg", "price": "2,499.50 USD", "lakh": "1,29,900", "swiss": "3'400.00 CHF",
        "spaced": "45 600 km", "thin": "7\u{2009}800", "plain": 1299.5, "list": "sizes 38,39 and 40", "half": 0.5,
    });
    for text in [
        "It costs €1,299.00, 1299 €, 1.299 €, 1 299,00 € or 1'299.-.",
        "It weighs 12.5 kg, 12,5 kg, 12,50 kg or 13 kg.",
        "2.499,50 USD, 2499.5 USD, 2 499,50 USD, 2\u{202f}499,50 USD",
        "129,900 or 129.900 or 1,29,900 rupees",
        "3400 CHF, CHF 3,400, CHF 3’400",
        "45,600 km, 45600 km, 45 600 km, 7800, 7 800",
        "1.299,5 or 1,299.5 or 1 299.5",
        "38, 39,40",
        "0,5 or 0.5 or .5",
    ] {
        assert_eq!(strangers(&facts, text), [""; 0], "{text}");
    }
    for (text, strange) in [
        ("It costs 1,298.00 €.", "1,298.00"),
        ("It costs 1.298,00 €.", "1.298,00"),
        ("It weighs 12,6 kg.", "12,6"),
        ("45 700 km", "45 700"),
        ("1,2,3", "1,2,3"),
    ] {
        assert_eq!(strangers(&facts, text), [strange], "{text}");
    }
}

#[test]
fn the_same_in_another_unit_or_in_words_passes() {
    let facts = json!({
        "weight": "500 g", "length_mm": 1250, "Volume (ml)": "750", "duration": "90 min", "power": "1.5 kW", "sold": 1_200_000,
        "revenue": "3.4 million", "share": 0.15, "range": "200–800 mm", "file": "2 GB", "warranty": "24 months", "people": "12k",
    });
    for text in [
        "0.5 kg, 0,5 kg, 0.5kg, 500 g or 500 grams",
        "1.25 m, 125 cm, 1.3 m",
        "0.75 l, 75 cl, 0.75 litres, 750 ml",
        "1.5 hours, 1.5 h, 90 minutes",
        "1500 W, 1,500 watts",
        "1.2 million, 1.2M, 1.2 Mio.",
        "3,400,000 or 3.4M",
        "15 %, 15% or 15 percent",
        "20–80 cm, 20 to 80 cm, 0.2 m",
        "2000 MB",
        "2 years of warranty",
        "12,000 people",
    ] {
        assert_eq!(strangers(&facts, text), [""; 0], "{text}");
    }
    for (text, strange) in [
        ("0.6 kg", "0.6"),
        ("5 kg", "5"),
        ("1.3 million", "1.3"),
        ("16 %", "16"),
        ("0.5 m", "0.5"),
    ] {
        assert_eq!(strangers(&facts, text), [strange], "{text}");
    }
}

#[test]
fn dates_of_the_facts_pass_in_every_order() {
    let facts =
        json!({"a": "2024-03-15", "b": "7.11.98", "c": "May 4, 2019", "d": "2023-12-24T18:30:00Z"});
    for text in [
        "15.03.2024, 15.3.24, 3/15/2024, 03/15/24, 2024/03/15, March 15th, 2024, on the 15th of March",
        "7 November 1998, 07.11.1998, 1998-11-07, in 1998",
        "2019-05-04, 4.5.2019, 05/04/19",
        "on 24 December 2023 at 18:30, at 6:30 pm, at 6:30pm",
    ] {
        assert_eq!(strangers(&facts, text), [""; 0], "{text}");
    }
    assert_eq!(strangers(&facts, "on 16.03.2024"), ["16.03.2024"]);
    assert_eq!(strangers(&facts, "in 2022"), ["2022"]);
}

#[test]
fn idioms_decades_and_labels_are_no_quantities() {
    for text in [
        "Open 24/7, 24 hours a day, 7 days a week, 365 days a year.",
        "One of the top 10, in the Top 100.",
        "It is one of 3 ways.",
        "A classic of the 1990s, a mid-1980s style, the 1970's, die 1960er, the early 90s, the ’80s",
        "in the 19th century, the 21st century, im 19. Jahrhundert, 18th-century oak",
        "Step 1: wait. See figure 2, chapter 3 and tip 4. It is our number 1, our #1.",
        "a 50/50 chance, a 9-to-5 job, oak 101",
        "in 3D, for B2B",
    ] {
        assert_eq!(strange(text), [""; 0], "{text}");
    }
    for (text, strange) in [
        ("in 90s it melts", "90s"),
        ("24 hours of work", "24"),
        ("step 3000", "3000"),
        ("on top of 10 others", "10"),
        ("1995s", "1995s"),
    ] {
        assert_eq!(super::strangers(&json!({}), text), [strange], "{text}");
    }
}

#[test]
fn the_length_of_a_list_is_known() {
    let facts = json!({"colours": ["red", "green", "blue"]});
    assert_eq!(strangers(&facts, "In 3 colours, not in 4."), ["4"]);
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
        violations(&facts(), "headline", "17 and 17 and 18"),
        ["headline has numbers that are not in the facts: 17, 18; leave them out"]
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

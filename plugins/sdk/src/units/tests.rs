use proptest::prelude::*;

use super::*;

#[test]
fn numbers_are_written_as_people_read_them() {
    for (value, text) in [
        (2.7, "2.7"),
        (1064.0, "1064"),
        (0.0, "0"),
        (-78.5, "-78.5"),
        (0.001, "0.001"),
        (1e14, "1 × 10¹⁴"),
        (2.65e-8, "2.65 × 10⁻⁸"),
        (12_500_000.0, "1.25 × 10⁷"),
    ] {
        assert_eq!(number(value), text);
    }
    assert_eq!(with_unit("50", "%"), "50%");
    assert_eq!(range(0.5, 3.0, "J/cm²"), "0.5–3 J/cm²");
    assert_eq!(range(4.0, 4.0, ""), "4");
}

proptest! {
    /// The digits are as many as those of the standard library, in its notation or as a power of ten, and they are those
    /// of the value. Where two numbers of as many digits are equally near, another one may be chosen.
    #[test]
    fn numbers_have_as_few_digits_as_tell_them_apart(bits in any::<u64>(), small in -1e8f64..1e8) {
        // The last lies midway between two numbers of sixteen digits.
        for value in [f64::from_bits(bits), small, small / 1e6, small.round(), f64::from_bits(0x4308_5ee2_764e_d8fa)] {
            let standard = if !value.is_finite() {
                String::new()
            } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
                value.to_string()
            } else {
                let text = format!("{value:e}");
                let (mantissa, power) = text.split_once('e').unwrap();
                format!("{mantissa} × 10{}", power.chars().map(superscript).collect::<String>())
            };
            let text = number(value);
            prop_assert_eq!(text.chars().count(), standard.chars().count());
            if value.is_finite() {
                let plain = text.chars().map(|letter| "⁰¹²³⁴⁵⁶⁷⁸⁹⁻".chars().position(|other| other == letter).map_or(letter, |place| {
                    "0123456789-".chars().nth(place).unwrap()
                }));
                let plain = plain.collect::<String>().replace(" × 10", "e");
                prop_assert_eq!(plain.parse::<f64>().unwrap(), value);
            }
        }
    }

    #[test]
    fn rounding_keeps_the_value_within_half_a_digit(value in -1e9f64..1e9, digits in 1i32..6) {
        let rounded = round(value, digits);
        prop_assert!((rounded - value).abs() <= value.abs() * 0.51 * 10f64.powi(1 - digits));
        prop_assert_eq!(round(rounded, digits), rounded);
    }
}

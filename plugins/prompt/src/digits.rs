//! Numbers in a template: it reckons with their values, and puts in the digits that the dataset has.

use minijinja::value::ValueKind;
use minijinja::{Error, Output, State};
use sdk::digits::Digits;

/// Writes a value into a text.
pub fn format(
    digits: &Digits,
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), Error> {
    let number = (value.kind() == ValueKind::Number && !value.is_integer())
        .then(|| f64::try_from(value.clone()).ok())
        .flatten();
    match number.and_then(|number| digits.of(number)) {
        Some(digits) => Ok(out.write_str(digits)?),
        None => minijinja::escape_formatter(out, state, value),
    }
}

//! Reads the values of flags.

use gateway::settings::Mode;
use types::class::FailureClass;
use types::suggest::closest;

/// Reads an amount of dollars.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    let amount: f64 = text
        .trim_start_matches('$')
        .parse()
        .map_err(|_| "it is not a number of dollars, as in 2.50".to_owned())?;
    if amount.is_finite() && amount > 0.0 && amount < 1e9 {
        Ok(amount)
    } else {
        Err("it must be more than 0".to_owned())
    }
}

/// Reads percent.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("it is no number from 0 to 100".to_owned()),
    }
}

/// Reads a number that must not be 0.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("it must be 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is not a whole number, as in 100".to_owned()),
    }
}

/// Reads how questions are asked.
pub(super) fn mode(text: &str) -> Result<Mode, String> {
    [Mode::Online, Mode::Batch, Mode::Auto]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| "the modes are: online, batch, auto".to_owned())
}

/// Reads the name of a class of failures.
pub(super) fn class(text: &str) -> Result<FailureClass, String> {
    text.parse().map_err(|error| {
        let names = FailureClass::all().map(FailureClass::as_str);
        let meant = closest(text, names.clone())
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        let names: Vec<&str> = names.collect();
        format!("{error}; {meant}the classes are: {}", names.join(", "))
    })
}

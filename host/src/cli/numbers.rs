//! Numbers as people read them.

use crate::core::statistics::CallCount;

/// What calls cost, as far as prices are known; `None` if nothing was asked for money.
pub(super) fn cost(calls: &CallCount) -> Option<String> {
    let known = calls.cost_micros > 0;
    let text = dollars(calls.cost_micros);
    match (known, calls.unpriced) {
        (false, _) => None,
        (true, 0) => Some(text),
        (true, unpriced) => Some(format!("{text} and {unpriced} calls of unknown price")),
    }
}

/// Millionths of a dollar.
pub(super) fn dollars(micros: u64) -> String {
    let dollars = micros as f64 / 1e6;
    if dollars >= 10.0 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.4}")
    }
}

/// `1:05` or `2:01:05`.
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number that fits: `950`, `12.3k`, `4.56M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.2}M", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (duration(65.4), duration(7265.0)),
            ("1:05".to_owned(), "2:01:05".to_owned())
        );
        assert_eq!(
            [count(950), count(12_345), count(4_560_000)],
            ["950", "12.3k", "4.56M"]
        );
    }
}

//! A comparison on the terminal.

use super::outcome::Comparison;
use super::totals::VariantTotals;
use crate::cli::numbers::{count, dollars};
use crate::cli::table::Table;

/// The tables, and which variant is better.
pub(super) fn render(compared: &[Comparison], width: usize) -> String {
    let mut text = String::new();
    for comparison in compared {
        let judge = match &comparison.judge {
            Some(judge) => format!(", judged by {judge}"),
            None => String::new(),
        };
        text.push_str(&format!("{}{judge}\n", comparison.component));
        text.push_str(&table(&comparison.variants).render(width));
        for against in &comparison.against {
            let options = textwrap::Options::new(width).subsequent_indent("  ");
            text.push_str(&textwrap::fill(&against.says, options));
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn table(variants: &[VariantTotals]) -> Table {
    let mut table = Table::new([
        "",
        "files",
        "failed",
        "keep rules",
        "score",
        "words",
        "tokens in",
        "out",
        "cost",
        "s",
        "what differs",
    ]);
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    for variant in variants {
        table.row([
            variant.name.clone(),
            variant.files.to_string(),
            variant.failed.to_string(),
            variant
                .rules_kept
                .map_or_else(String::new, |kept| kept.to_string()),
            number(variant.score, 2),
            number(variant.words, 0),
            count(variant.input_tokens),
            count(variant.output_tokens),
            variant.cost_micros.map_or_else(String::new, dollars),
            number(variant.seconds, 1),
            variant.title.clone(),
        ]);
    }
    table
        .without_empty_columns(&["failed", "keep rules", "score", "cost", "s"])
        .wrapping_last()
}

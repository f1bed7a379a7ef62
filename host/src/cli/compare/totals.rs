//! What all texts of a variant are and took together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::copies::Copies;
use super::rows::Row;

/// What all texts of a variant are and took together.
#[derive(Debug, Default, Serialize)]
pub(crate) struct VariantTotals {
    pub name: String,
    /// What it changes.
    pub title: String,
    pub files: u64,
    pub failed: u64,
    /// Of the files, how many keep the rules of the gate; nothing where there are none.
    pub rules_kept: Option<u64>,
    /// Mean score by the judge: the worst criterion of each text.
    pub score: Option<f64>,
    /// Mean score of each criterion.
    pub scores: BTreeMap<String, f64>,
    /// Mean words of a text.
    pub words: Option<f64>,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Millionths of a dollar, where prices are known.
    pub cost_micros: Option<u64>,
    /// Mean seconds of the calls of a text.
    pub seconds: Option<f64>,
}

/// Of each variant, in their order.
pub(super) fn of(copies: &Copies, rows: &[Row]) -> Vec<VariantTotals> {
    let totals = |(place, variant): (usize, &super::Variant)| {
        let cells = || rows.iter().filter_map(|row| row.cells.get(place));
        let files = || cells().filter(|cell| cell.text.is_some());
        let count = files().count() as u64;
        let mut by_criterion: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (criterion, score) in files().flat_map(|cell| &cell.scores) {
            by_criterion.entry(criterion).or_default().push(*score);
        }
        let scores = by_criterion.into_iter();
        VariantTotals {
            name: variant.tag.clone(),
            title: variant.title.clone(),
            files: count,
            failed: cells().filter(|cell| cell.cause.is_some()).count() as u64,
            rules_kept: files()
                .map(|cell| cell.rules_kept.map(u64::from))
                .sum::<Option<u64>>()
                .filter(|_| count > 0),
            score: mean(files().filter_map(|cell| cell.score)),
            scores: scores
                .filter_map(|(name, scores)| Some((name.clone(), mean(scores)?)))
                .collect(),
            words: mean(files().map(|cell| cell.words as f64)),
            calls: files().map(|cell| cell.calls).sum(),
            input_tokens: files().map(|cell| cell.input_tokens).sum(),
            output_tokens: files().map(|cell| cell.output_tokens).sum(),
            cost_micros: files().map(|cell| cell.cost_micros).sum(),
            seconds: mean(files().filter_map(|cell| Some(cell.milliseconds? as f64 / 1000.0))),
        }
    };
    copies.variants.iter().enumerate().map(totals).collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

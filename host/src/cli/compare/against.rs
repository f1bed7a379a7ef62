//! Which variant is better than the first one, by what was said of the texts of both, and what that rests on.

use serde::Serialize;

use super::copies::{Compared, Copies};
use super::rows::{Cell, Row};
use quality::{Better, Paired};

/// Share of comparisons of equals that may name a better one, over all pairs of a comparison together. Five records of five for one
/// variant are enough, four are not.
const ERROR: f64 = 0.035;
/// Where the draws of the statistics begin: equal results have equal intervals.
const SEED: u64 = 1;

/// By what two variants were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// The judge saw both, in both orders.
    Pairs,
    /// The rules of the gate.
    Rules,
    /// Whether there is a file.
    Files,
}

/// A variant against the first one.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    /// Name of the first variant.
    pub first: String,
    /// Name of the other one.
    pub second: String,
    pub measure: Measure,
    /// Records in which the first, the second or neither is better.
    pub first_better: u64,
    pub second_better: u64,
    pub neither: u64,
    /// Mean of 1 where the second is better and −1 where the first is.
    pub mean: Option<f64>,
    /// Where that lies in 95 of 100 samples.
    pub interval: Option<(f64, f64)>,
    /// How often equals differ more.
    pub chance: Option<f64>,
    pub better: Better,
    /// The same in words.
    pub says: String,
}

/// By what the copies of a component can be compared.
pub(super) fn measure(compared: &Compared) -> Measure {
    let has_rules = compared.copies.iter().any(|copy| copy.rules.is_some());
    match &compared.judge {
        Some(_) => Measure::Pairs,
        None if has_rules => Measure::Rules,
        None => Measure::Files,
    }
}

/// From −1 to 1, how much better the second is; nothing where that is not known. Without a file it is worse.
pub(super) fn difference(first: &Cell, second: &Cell, measure: Measure) -> Option<f64> {
    let stands = |cell: &Cell| match (&cell.text, &cell.cause) {
        (Some(_), _) => Some(1.0),
        (None, Some(_)) => Some(0.0),
        (None, None) => None,
    };
    let there: f64 = stands(second)? - stands(first)?;
    if there != 0.0 || first.text.is_none() {
        return Some(there);
    }
    match measure {
        Measure::Files => Some(0.0),
        Measure::Rules => {
            let kept = |cell: &Cell| f64::from(u8::from(cell.rules_kept.unwrap_or(true)));
            Some(kept(second) - kept(first))
        }
        Measure::Pairs => {
            let chosen = second.compared.iter().map(|choice| match choice.better {
                Better::First => -1.0,
                Better::Second => 1.0,
                Better::Neither => 0.0,
            });
            let count = second.compared.len();
            (count > 0).then(|| chosen.sum::<f64>() / count as f64)
        }
    }
}

/// Each variant against the first.
pub(super) fn of(copies: &Copies, compared: &Compared, rows: &[Row]) -> Vec<Against> {
    let Some((first, others)) = copies.variants.split_first() else {
        return Vec::new();
    };
    let measure = measure(compared);
    let pairs = others.len() * copies.compared.len();
    let error = ERROR / pairs.max(1) as f64;
    let one = |(place, second): (usize, &super::Variant)| {
        let differences: Vec<f64> = rows
            .iter()
            .filter_map(|row| difference(row.cells.first()?, row.cells.get(place + 1)?, measure))
            .collect();
        let paired = Paired::of(&differences, SEED);
        let count = |wanted: fn(f64) -> bool| {
            let found = differences.iter().filter(|one| wanted(**one));
            found.count() as u64
        };
        let better = paired.map_or(Better::Neither, |paired| paired.better(error));
        let mut against = Against {
            first: first.tag.clone(),
            second: second.tag.clone(),
            measure,
            first_better: count(|one| one < 0.0),
            second_better: count(|one| one > 0.0),
            neither: count(|one| one == 0.0),
            mean: paired.map(|paired| paired.mean),
            interval: paired.map(|paired| paired.interval),
            chance: paired.map(|paired| paired.chance),
            better,
            says: String::new(),
        };
        against.says = against.in_words(&first.title, &second.title);
        against
    };
    others.iter().enumerate().map(one).collect()
}

impl Against {
    /// Which is better, and what that rests on.
    fn in_words(&self, first_title: &str, second_title: &str) -> String {
        let Against { first, second, .. } = self;
        let records = self.first_better + self.second_better + self.neither;
        let by = match self.measure {
            Measure::Pairs => "by the judge, who saw both in both orders",
            Measure::Rules => "by the rules of its gate; nobody judges it",
            Measure::Files => "by whether there is a file; nobody judges it",
        };
        let counts = format!(
            "{second} is better in {}, {first} in {}, neither in {} of {records} records",
            self.second_better, self.first_better, self.neither
        );
        let (Some((low, high)), Some(chance)) = (self.interval, self.chance) else {
            return format!(
                "{second} ({second_title}) and {first} were not compared: there is no record with both."
            );
        };
        let range = format!("95 %: {low:+.2} to {high:+.2}");
        let named = |winner: &str, title: &str, loser: &str| {
            let chance = match chance < 0.001 {
                true => "less than 0.1 %".to_owned(),
                false => format!("{:.1} %", 100.0 * chance),
            };
            format!(
                "{winner} ({title}) is better than {loser}, {by}: {counts} ({range}; equals differ more in {chance} of cases)."
            )
        };
        match self.better {
            Better::First => named(first, first_title, second),
            Better::Second => named(second, second_title, first),
            Better::Neither => format!(
                "Between {first} and {second} ({second_title}) there is no difference that {records} records can show, {by}: {counts} ({range})."
            ),
        }
    }
}

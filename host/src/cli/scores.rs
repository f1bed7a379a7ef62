//! What judges and persons said of files, as a table.

use super::table::Table;
use engine::statistics::percent;
use watch::{ScoreRow, totals};

/// Rows of a table that are looked through at one glance; of more, only the sums and the worst are shown.
const ROWS: usize = 30;
/// The worst that are shown then.
const WORST: usize = 10;

/// All rows.
pub(super) fn table<'a>(rows: impl IntoIterator<Item = &'a ScoreRow>) -> Table {
    let mut table = Table::new([
        "component",
        "by",
        "category",
        "files",
        "pass",
        "%",
        "mean score",
    ]);
    for row in rows {
        table.row([
            row.component.clone(),
            row.by.clone(),
            row.category.clone(),
            row.files().to_string(),
            row.passed.to_string(),
            format!("{:.0}", percent(row.passed, row.files())),
            row.mean
                .map_or_else(String::new, |mean| format!("{mean:.2}")),
        ]);
    }
    table.without_empty_columns(&["mean score"])
}

/// The sums, and the categories as far as they are few: of many, those of which the fewest files pass.
pub(super) fn glance(rows: &[ScoreRow]) -> (Vec<ScoreRow>, usize) {
    let mut shown = totals(rows);
    let mut worst: Vec<&ScoreRow> = rows.iter().collect();
    if worst.len() > ROWS {
        let passing = |row: &ScoreRow| percent(row.passed, row.files());
        worst.sort_by(|one, other| passing(one).total_cmp(&passing(other)));
        worst.truncate(WORST);
    }
    shown.extend(worst.iter().map(|row| (*row).clone()));
    (shown, rows.len() - worst.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_categories_the_worst_are_shown() {
        let row = |number: u64| ScoreRow {
            component: "text".to_owned(),
            by: "quality".to_owned(),
            category: format!("c{number}"),
            passed: number,
            failed: 100 - number,
            ..ScoreRow::default()
        };
        let few: Vec<ScoreRow> = (0..3).map(row).collect();
        let (shown, left) = glance(&few);
        assert_eq!((shown.len(), left), (4, 0));
        let many: Vec<ScoreRow> = (0..50).rev().map(row).collect();
        let (shown, left) = glance(&many);
        assert_eq!((shown.len(), left), (1 + WORST, 40));
        assert_eq!(shown.get(1).unwrap().category, "c0");
    }
}

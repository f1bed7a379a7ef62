//! How tasks ended, by category and component.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use plan::decision::TaskEnd;

/// Categories that are told apart; those beyond are counted together.
const CATEGORIES: usize = 100;
/// The row of those beyond.
const OTHERS: &str = "(others)";

/// Tasks of one component over the records of one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatCell {
    pub made: u64,
    /// Artifacts that were there, edited ones included.
    pub kept: u64,
    pub failed: u64,
    /// Tasks that were not begun, since something else failed.
    pub blocked: u64,
    /// Records of the category that are not in the sample of the component, so that they have no task of it.
    #[serde(default)]
    pub not_sampled: u64,
}

/// The row of a category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatRow {
    /// Id of the category.
    pub category: String,
    /// Records wanted: tasks of each component that has no sample.
    pub records: u64,
    /// One for each component, in their order.
    pub cells: Vec<HeatCell>,
}

impl HeatRow {
    /// Tasks that a cell stands for.
    pub fn tasks(&self, cell: &HeatCell) -> u64 {
        self.records.saturating_sub(cell.not_sampled)
    }
}

/// Category by component.
#[derive(Debug, Default)]
pub(super) struct Heat {
    rows: Vec<HeatRow>,
    places: HashMap<String, usize>,
}

impl Heat {
    /// All at zero.
    pub fn new(components: usize, categories: &[(String, u64)]) -> Heat {
        let cells = vec![HeatCell::default(); components];
        let mut heat = Heat::default();
        for (category, records) in categories {
            if heat.rows.len() < CATEGORIES - 1 || categories.len() <= CATEGORIES {
                heat.places.insert(category.clone(), heat.rows.len());
                heat.rows.push(HeatRow {
                    category: category.clone(),
                    records: *records,
                    cells: cells.clone(),
                });
            } else {
                match heat.rows.get_mut(CATEGORIES - 1) {
                    Some(others) => others.records += records,
                    None => heat.rows.push(HeatRow {
                        category: OTHERS.to_owned(),
                        records: *records,
                        cells: cells.clone(),
                    }),
                }
            }
        }
        heat
    }

    /// The place of a category among the rows.
    pub fn place(&self, category: &str) -> usize {
        let known = self.places.get(category).copied();
        known.unwrap_or(CATEGORIES - 1)
    }

    /// So many records of a category have no task of this component.
    pub fn not_sampled(&mut self, category: &str, component: usize, records: u64) {
        let place = self.place(category);
        let row = self.rows.get_mut(place);
        if let Some(cell) = row.and_then(|row| row.cells.get_mut(component)) {
            cell.not_sampled += records;
        }
    }

    /// A task ended.
    pub fn ended(&mut self, category: &str, component: usize, end: TaskEnd) {
        let place = self.place(category);
        let row = self.rows.get_mut(place);
        let Some(cell) = row.and_then(|row| row.cells.get_mut(component)) else {
            return;
        };
        match end {
            TaskEnd::Made => cell.made += 1,
            TaskEnd::Kept | TaskEnd::Edited => cell.kept += 1,
            TaskEnd::Failed => cell.failed += 1,
            TaskEnd::Blocked | TaskEnd::Skipped => cell.blocked += 1,
        }
    }

    /// The rows, in running order.
    pub fn rows(&self) -> &[HeatRow] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_beyond_the_bound_are_counted_together() {
        let many: Vec<(String, u64)> = (0..1000).map(|number| (format!("c{number}"), 2)).collect();
        let mut heat = Heat::new(1, &many);
        heat.ended("c1", 0, TaskEnd::Made);
        heat.ended("c998", 0, TaskEnd::Failed);
        heat.ended("c999", 0, TaskEnd::Failed);
        let rows = heat.rows();
        assert_eq!(rows.len(), CATEGORIES);
        assert_eq!((rows[1].cells[0].made, rows[1].records), (1, 2));
        let last = &rows[CATEGORIES - 1];
        assert_eq!(
            (last.category.as_str(), last.records, last.cells[0].failed),
            (OTHERS, 1802, 2)
        );
        assert_eq!(Heat::new(1, &many[..CATEGORIES]).rows().len(), CATEGORIES);
    }
}

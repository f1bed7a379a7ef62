//! A number with what it is to reach, as a row of a Markdown table.

/// Head and separator of the table.
pub const HEAD: &str = "| benchmark | what | measured | to reach | |\n|---|---|---|---|---|";

/// What a number is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    None,
}

/// One measured number.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    goal: Goal,
}

impl Row {
    /// A number and its goal, both in `unit`.
    pub fn new(what: impl Into<String>, measured: f64, unit: &'static str, goal: Goal) -> Row {
        Row {
            what: what.into(),
            measured,
            unit,
            goal,
        }
    }

    /// The row of a table.
    pub fn line(&self, benchmark: &str) -> String {
        let (goal, verdict) = match self.goal {
            Goal::AtMost(goal) => (
                format!("≤ {}", self.amount(goal)),
                verdict(self.measured <= goal),
            ),
            Goal::AtLeast(goal) => (
                format!("≥ {}", self.amount(goal)),
                verdict(self.measured >= goal),
            ),
            Goal::None => (String::new(), ""),
        };
        format!(
            "| {benchmark} | {} | {} | {goal} | {verdict} |",
            self.what,
            self.amount(self.measured)
        )
    }

    fn amount(&self, number: f64) -> String {
        let digits = match number.abs() {
            0.0 => 0,
            size if size < 10.0 => 2,
            size if size < 100.0 => 1,
            _ => 0,
        };
        format!("{number:.digits$} {}", self.unit)
            .trim_end()
            .to_owned()
    }
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "**missed**" }
}

/// The middle one of some numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_goal_is_reached() {
        let row = Row::new("wall time", 1.234, "s", Goal::AtMost(2.0));
        assert_eq!(
            row.line("offline"),
            "| offline | wall time | 1.23 s | ≤ 2.00 s | reached |"
        );
        let row = Row::new("valid", 98.0, "%", Goal::AtLeast(99.0));
        assert_eq!(
            row.line("sloppy"),
            "| sloppy | valid | 98.0 % | ≥ 99.0 % | **missed** |"
        );
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}

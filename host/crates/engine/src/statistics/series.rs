//! What happened over the whole time of a run, in a fixed number of steps: when they do not suffice, two
//! become one. So a run of days is kept in as much memory as one of a minute.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Most steps.
const STEPS: usize = 240;
/// Length of a step at first.
const FIRST: Duration = Duration::from_secs(1);

/// Sums by step.
#[derive(Debug)]
pub(super) struct Series {
    width: Duration,
    steps: Vec<Step>,
    lanes: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Step {
    tasks: u64,
    input: u64,
    output: u64,
    /// Most of its limits that each lane used, in percent; nothing where nobody looked.
    lanes: Vec<Option<f64>>,
}

/// The series as it is shown. Every list has one number for each step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesView {
    /// Length of a step.
    pub step_seconds: f64,
    pub tasks_per_second: Vec<f64>,
    /// Tokens of questions.
    pub input_tokens_per_second: Vec<f64>,
    /// Tokens of answers.
    pub output_tokens_per_second: Vec<f64>,
    /// How far lanes used their limits.
    pub lanes: Vec<LaneSeries>,
}

/// How far a lane used its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneSeries {
    /// `provider/model`.
    pub model: String,
    /// The most of the limit that was used most, in percent.
    pub used_percent: Vec<f64>,
}

impl Default for Series {
    fn default() -> Self {
        Series {
            width: FIRST,
            steps: Vec::new(),
            lanes: Vec::new(),
        }
    }
}

impl Series {
    /// So many tasks ended now.
    pub fn tasks(&mut self, now: Duration, count: u64) {
        if let Some(step) = self.at(now) {
            step.tasks += count;
        }
    }

    /// A call took so many tokens.
    pub fn tokens(&mut self, now: Duration, input: u64, output: u64) {
        if let Some(step) = self.at(now) {
            step.input += input;
            step.output += output;
        }
    }

    /// A lane uses so much of its limits now.
    pub fn lane(&mut self, now: Duration, model: &str, percent: f64) {
        let place = match self.lanes.iter().position(|known| known == model) {
            Some(place) => place,
            None => {
                self.lanes.push(model.to_owned());
                self.lanes.len() - 1
            }
        };
        let Some(step) = self.at(now) else { return };
        if step.lanes.len() <= place {
            step.lanes.resize(place + 1, None);
        }
        if let Some(most) = step.lanes.get_mut(place) {
            *most = Some(most.map_or(percent, |most| most.max(percent)));
        }
    }

    fn at(&mut self, now: Duration) -> Option<&mut Step> {
        while self.place(now) >= STEPS {
            self.halve();
        }
        let place = self.place(now);
        if self.steps.len() <= place {
            self.steps.resize(place + 1, Step::default());
        }
        self.steps.get_mut(place)
    }

    fn place(&self, now: Duration) -> usize {
        usize::try_from(now.as_nanos() / self.width.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        self.width *= 2;
        self.steps = self.steps.chunks(2).map(Step::merged).collect();
    }

    /// All steps up to now. The last is left out while it has hardly begun, since its pace says nothing yet.
    pub fn view(&self, now: Duration) -> SeriesView {
        let width = self.width.as_secs_f64();
        let begun = now.as_secs_f64() / width;
        let whole = begun.floor();
        let last = begun - whole;
        let count = whole as usize + usize::from(last >= 0.5);
        let none = Step::default();
        let steps = || (0..count).map(|place| (place, self.steps.get(place).unwrap_or(&none)));
        let rates = |of: fn(&Step) -> u64| {
            let rate = |(place, step): (usize, &Step)| {
                let share = if place as f64 == whole { last } else { 1.0 };
                rounded(of(step) as f64 / (width * share))
            };
            steps().map(rate).collect()
        };
        SeriesView {
            step_seconds: width,
            tasks_per_second: rates(|step| step.tasks),
            input_tokens_per_second: rates(|step| step.input),
            output_tokens_per_second: rates(|step| step.output),
            lanes: (0..)
                .zip(&self.lanes)
                .map(|(lane, model)| {
                    let mut before = 0.0;
                    let used = |(_, step): (usize, &Step)| {
                        before = step.lanes.get(lane).copied().flatten().unwrap_or(before);
                        rounded(before)
                    };
                    LaneSeries {
                        model: model.clone(),
                        used_percent: steps().map(used).collect(),
                    }
                })
                .collect(),
        }
    }
}

impl Step {
    fn merged(steps: &[Step]) -> Step {
        let mut all = Step::default();
        for step in steps {
            all.tasks += step.tasks;
            all.input += step.input;
            all.output += step.output;
            if all.lanes.len() < step.lanes.len() {
                all.lanes.resize(step.lanes.len(), None);
            }
            for (most, seen) in all.lanes.iter_mut().zip(&step.lanes) {
                *most = match (*most, *seen) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        all
    }
}

/// As exact as anybody can see, and short when it is written.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_most_that_a_lane_used_stays_when_steps_are_merged() {
        let mut series = Series::default();
        series.lane(Duration::from_secs(10), "a/b", 40.0);
        series.lane(Duration::from_secs(11), "a/b", 100.0);
        series.lane(Duration::from_secs(7000), "a/b", 30.0);
        let view = series.view(Duration::from_secs(7001));
        let [lane] = view.lanes.as_slice() else {
            panic!("one lane")
        };
        assert_eq!(
            (lane.used_percent.first(), lane.used_percent.last()),
            (Some(&100.0), Some(&30.0))
        );
    }

    #[test]
    fn a_step_that_has_hardly_begun_is_no_sag() {
        let mut series = Series::default();
        series.tasks(Duration::from_millis(400), 8);
        let at = |millis| series.view(Duration::from_millis(millis)).tasks_per_second;
        assert!(at(400).is_empty());
        assert_eq!(at(800), [10.0]);
        assert_eq!(at(1100), [8.0]);
    }

    proptest! {
        #[test]
        fn steps_are_bounded_and_no_task_is_lost(mut at in prop::collection::vec(0_u64..1_000_000_000, 1..300)) {
            at.sort_unstable();
            let mut series = Series::default();
            at.iter().for_each(|at| series.tasks(Duration::from_millis(*at), 1));
            let end = Duration::from_millis(at.last().copied().unwrap_or(0)) + series.width;
            let view = series.view(end);
            prop_assert!(view.tasks_per_second.len() <= STEPS + 1);
            prop_assert!(series.steps.len() <= STEPS);
            let sum: u64 = series.steps.iter().map(|step| step.tasks).sum();
            prop_assert_eq!(sum, at.len() as u64);
        }
    }
}

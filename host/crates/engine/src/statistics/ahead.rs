//! What is still to come, reckoned from attempts that have ended: calls, and what the run will have cost. Calls of
//! attempts under way are not among these, or what is expected of a task would be too much while many are.

use super::ComponentCount;

/// What attempts took, by component.
#[derive(Debug)]
pub(super) struct Ahead {
    attempts: Vec<Attempts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    ended: u64,
    calls: u64,
    micros: u64,
}

impl Ahead {
    /// Nothing has ended yet.
    pub fn new(components: usize) -> Ahead {
        Ahead {
            attempts: vec![Attempts::default(); components],
        }
    }

    /// An attempt at a task of the component at this place ended.
    pub fn attempt_ended(&mut self, component: usize, calls: u64, micros: u64) {
        if let Some(attempts) = self.attempts.get_mut(component) {
            attempts.ended += 1;
            attempts.calls += calls;
            attempts.micros = attempts.micros.saturating_add(micros);
        }
    }

    /// Calls that tasks to come make, if they are like those of their component before.
    pub fn calls(&self, components: &[ComponentCount], records: u64) -> f64 {
        let known = components.iter().zip(&self.attempts);
        known
            .map(|(count, attempts)| {
                attempts_left(count, records) * attempts.each(attempts.calls).unwrap_or(0.0)
            })
            .sum()
    }

    /// What the run will have cost, if tasks to come cost what those of their component did; `spent` so far, all in
    /// millionths of a dollar. Unknown while nothing cost anything, or a component has not ended any task.
    pub fn cost(&self, components: &[ComponentCount], records: u64, spent: u64) -> Option<u64> {
        if spent == 0 {
            return None;
        }
        let mut sum = 0.0;
        for (count, attempts) in components.iter().zip(&self.attempts) {
            sum += attempts.micros as f64;
            let left = attempts_left(count, records);
            match attempts.each(attempts.micros) {
                Some(each) => sum += left * each,
                None if left > 0.0 => return None,
                None => {}
            }
        }
        Some((sum.round() as u64).max(spent))
    }
}

impl Attempts {
    /// A share of a sum for each attempt.
    fn each(&self, sum: u64) -> Option<f64> {
        (self.ended > 0).then(|| sum as f64 / self.ended as f64)
    }
}

/// Attempts that a component still makes: of those that ended, some were kept or not begun.
fn attempts_left(count: &ComponentCount, records: u64) -> f64 {
    let left = count.tasks(records).saturating_sub(count.ended()) as f64;
    match count.ended() {
        0 => left,
        ended => left * (count.made + count.failed) as f64 / ended as f64,
    }
}

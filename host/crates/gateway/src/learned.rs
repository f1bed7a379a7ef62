//! What a lane learns of how its model wants to be asked, from what the server refuses and from answers that were cut
//! off. It is told once, remembered in the state, and no configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::adaptation::{Adaptation, Adaptations};
use super::error::CallError;
use super::found::{Found, UnixTime, unix_time};
use types::class::FailureClass;
use types::digest::Digest;

/// The output cap grows to so many times the configured one, where the model does not say what it allows.
const MOST_GROWTH: u32 = 8;
/// When so many answers were cut off at the largest cap and none was whole at a larger one, the cap is not at fault.
const HOPELESS: u32 = 3;
/// The limits that were found are kept so often while the lane is used, and when the run ends.
const KEPT_EVERY: Duration = Duration::from_secs(10);
/// So many seconds after a refusal it is tried again whether more tokens may wait in batches.
const WAITING_KEPT: u64 = 7 * 86_400;
/// Questions whose answers were cut off that are remembered.
const QUESTIONS: usize = 4096;

/// What was learned, as it is kept in the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Learned {
    /// How it asks.
    pub adaptations: Adaptations,
    /// The largest output cap that the model takes.
    pub largest_cap: Option<u32>,
    /// Caps that did, by those that are configured.
    pub raised: BTreeMap<u32, u32>,
    /// The limits that it found.
    pub found: Found,
    /// How many tokens may wait in batches at once, as a refusal said, and when.
    pub most_waiting: Option<(u64, UnixTime)>,
}

/// When the limits that were found are kept next.
#[derive(Debug)]
pub(super) struct Keeping(Mutex<Instant>);

impl Default for Keeping {
    fn default() -> Self {
        Keeping(Mutex::new(Instant::now() + KEPT_EVERY))
    }
}

impl Keeping {
    /// Whether it is time to keep them, and they are kept now.
    pub fn is_time(&self, now: Instant) -> bool {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = now >= *next;
        if is_time {
            *next = now + KEPT_EVERY;
        }
        is_time
    }
}

/// What a lane has learned, and what it learns.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    learned: Arc<Learned>,
    /// Most tokens that the model puts out, where that is known without asking it.
    most_output: Option<u32>,
    /// What nobody was told yet, since no call succeeded with it.
    untold: Vec<String>,
    /// Caps at which answers were cut off, by question and configured cap.
    cut: HashMap<(Digest, u32), u32>,
    /// How many answers were cut off at the largest cap, by configured cap.
    hopeless: BTreeMap<u32, u32>,
}

impl State {
    /// The cap that a question is asked with first.
    fn first(&self, configured: u32) -> u32 {
        let raised = self.learned.raised.get(&configured).copied();
        self.allowed(raised.unwrap_or(configured).max(configured))
    }

    /// The largest cap to try.
    fn largest(&self, configured: u32) -> u32 {
        let first = self.first(configured);
        let is_hopeless = !self.learned.raised.contains_key(&configured)
            && self
                .hopeless
                .get(&configured)
                .is_some_and(|times| *times >= HOPELESS);
        if is_hopeless {
            return first;
        }
        let grown = configured.saturating_mul(MOST_GROWTH);
        self.allowed(grown)
            .min(self.most_output.unwrap_or(u32::MAX))
            .max(first)
    }

    fn allowed(&self, cap: u32) -> u32 {
        cap.min(self.learned.largest_cap.unwrap_or(u32::MAX))
    }

    fn learn(&mut self, told: String, change: impl FnOnce(&mut Learned)) {
        change(Arc::make_mut(&mut self.learned));
        self.untold.push(told);
    }
}

impl Lessons {
    /// Goes on from what was learned before, with a model that is known to put out so much.
    pub fn new(learned: Learned, most_output: Option<u32>) -> Lessons {
        Lessons {
            state: Mutex::new(State {
                learned: Arc::new(learned),
                most_output,
                ..State::default()
            }),
        }
    }

    /// What is known now.
    pub fn now(&self) -> Arc<Learned> {
        Arc::clone(&self.state().learned)
    }

    /// Asks in another way from now on.
    pub fn adapt(&self, adaptation: Adaptation) {
        let mut state = self.state();
        if !state.learned.adaptations.contains(&adaptation) {
            state.learn(adaptation.told().to_owned(), |learned| {
                learned.adaptations.insert(adaptation);
            });
        }
    }

    /// A question was answered that asked in these ways; an earlier process may have learned them.
    pub fn answered_with(&self, adaptations: &Adaptations) {
        for adaptation in adaptations {
            self.adapt(*adaptation);
        }
    }

    /// What was learned and has proved itself, if there is news: all that is known, and what people are to be told.
    /// `found` are the limits as they are known now, where it is time to keep them.
    pub fn news(&self, found: Option<Found>) -> Option<(Arc<Learned>, Vec<String>)> {
        let mut state = self.state();
        let untold = std::mem::take(&mut state.untold);
        let found = found.filter(|found| *found != state.learned.found);
        if untold.is_empty() && found.is_none() {
            return None;
        }
        if let Some(found) = found {
            Arc::make_mut(&mut state.learned).found = found;
        }
        Some((Arc::clone(&state.learned), untold))
    }

    /// Whether something was learned that has not proved itself.
    pub fn is_unproved(&self) -> bool {
        !self.state().untold.is_empty()
    }

    /// The cap to ask with. `question` is asked only where answers were cut off.
    ///
    /// # Errors
    /// When its answer was cut off at the largest cap already: it would only be cut off again.
    pub fn first_cap(
        &self,
        configured: u32,
        question: impl FnOnce() -> Digest,
    ) -> Result<u32, CallError> {
        let state = self.state();
        let first = state.first(configured);
        if state.cut.is_empty() {
            return Ok(first);
        }
        let Some(cut) = state.cut.get(&(question(), configured)).copied() else {
            return Ok(first);
        };
        let next = cut
            .saturating_mul(2)
            .min(state.largest(configured))
            .max(first);
        if next > cut {
            return Ok(next);
        }
        let message = format!(
            "the answer to this question was cut off at {cut} tokens, and is not asked for again ({})",
            advice(&state, configured)
        );
        Err(CallError::new(FailureClass::InvalidOutput, message))
    }

    /// The answer to a question was cut off at `cap`; gives a larger one to try, if there is.
    pub fn cut_off(&self, configured: u32, cap: u32, question: Digest) -> Option<u32> {
        let mut state = self.state();
        if state.cut.len() >= QUESTIONS {
            state.cut.clear();
        }
        state.cut.insert((question, configured), cap);
        let next = cap.saturating_mul(2).min(state.largest(configured));
        if next > cap {
            return Some(next);
        }
        *state.hopeless.entry(configured).or_default() += 1;
        None
    }

    /// An answer was whole at a cap that had been raised.
    pub fn whole_at(&self, configured: u32, cap: u32) {
        let mut state = self.state();
        if cap > state.first(configured) {
            let told = format!(
                "answers were cut off at {configured} tokens, so it is asked for up to {cap} tokens"
            );
            state.learn(told, |learned| {
                learned.raised.insert(configured, cap);
            });
        }
    }

    /// No more tokens than these may wait in batches at once, and when that was said. It is to be kept, apart from what has
    /// not proved itself.
    pub fn no_more_waiting(&self, most: u64) -> (u64, UnixTime) {
        let said = (most, unix_time());
        Arc::make_mut(&mut self.state().learned).most_waiting = Some(said);
        said
    }

    /// How many tokens may wait in batches at once, if that was said lately.
    pub fn most_waiting(&self) -> Option<u64> {
        let (most, at) = self.state().learned.most_waiting?;
        (unix_time().saturating_sub(at) < WAITING_KEPT).then_some(most)
    }

    /// The model takes no larger cap than this.
    pub fn no_more_than(&self, largest: u32) {
        let mut state = self.state();
        if state
            .learned
            .largest_cap
            .is_none_or(|known| largest < known)
        {
            let told = format!("it takes no larger cap on answers than {largest} tokens");
            state.learn(told, |learned| learned.largest_cap = Some(largest));
        }
    }

    /// What a person does about answers that are cut off.
    pub fn advice(&self, configured: u32) -> String {
        advice(&self.state(), configured)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn advice(state: &State, configured: u32) -> String {
    let tried = state.allowed(configured.saturating_mul(MOST_GROWTH));
    let most = [state.learned.largest_cap, state.most_output];
    match most.into_iter().flatten().min() {
        Some(largest) if tried >= largest => format!(
            "hint: the model takes no larger cap than {largest} tokens, so ask for less text or use another model"
        ),
        _ => format!("hint: set max-output-tokens = {}", tried.saturating_mul(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn cut(lessons: &Lessons, name: &str) -> Vec<u32> {
        let mut caps = vec![lessons.first_cap(100, || question(name)).unwrap()];
        while let Some(next) = lessons.cut_off(100, caps[caps.len() - 1], question(name)) {
            caps.push(next);
        }
        caps
    }

    #[test]
    fn a_cap_grows_until_it_does_and_later_questions_begin_there() {
        let lessons = Lessons::default();
        assert_eq!(lessons.first_cap(100, || question("a")).unwrap(), 100);
        assert_eq!(lessons.cut_off(100, 100, question("a")), Some(200));
        assert!(lessons.news(None).is_none(), "nothing is known to do yet");
        lessons.whole_at(100, 200);
        let (learned, told) = lessons.news(None).unwrap();
        assert_eq!(learned.raised, BTreeMap::from([(100, 200)]));
        assert!(told[0].contains("at 100 tokens") && told[0].contains("200"));
        assert!(lessons.news(None).is_none(), "it is told once");
        assert_eq!(lessons.first_cap(100, || question("b")).unwrap(), 200);
        assert_eq!(lessons.first_cap(300, || question("b")).unwrap(), 300);
        let again = Lessons::new((*learned).clone(), None);
        assert_eq!(again.first_cap(100, || question("c")).unwrap(), 200);
    }

    #[test]
    fn what_an_earlier_process_asked_with_is_learned_from_its_answer() {
        let lessons = Lessons::default();
        let asked_with = Adaptations::from([Adaptation::NoTemperature]);
        lessons.answered_with(&asked_with);
        let (learned, told) = lessons.news(None).unwrap();
        assert_eq!((&learned.adaptations, told.len()), (&asked_with, 1));
        lessons.answered_with(&asked_with);
        assert!(lessons.news(None).is_none());
    }

    #[test]
    fn a_call_that_was_cut_off_is_not_repeated() {
        let lessons = Lessons::default();
        assert_eq!(cut(&lessons, "a"), [100, 200, 400, 800]);
        let error = lessons.first_cap(100, || question("a")).unwrap_err();
        assert_eq!(error.class, FailureClass::InvalidOutput);
        assert!(error.message.contains("cut off at 800 tokens"), "{error}");
        assert!(
            error.message.contains("max-output-tokens = 1600"),
            "{error}"
        );
        // A question that was interrupted goes on where it was.
        assert_eq!(lessons.cut_off(100, 100, question("b")), Some(200));
        assert_eq!(lessons.first_cap(100, || question("b")).unwrap(), 200);
    }

    #[test]
    fn what_no_cap_helps_is_not_tried_for_ever() {
        let lessons = Lessons::default();
        for name in ["a", "b", "c"] {
            assert_eq!(cut(&lessons, name).len(), 4);
        }
        assert_eq!(cut(&lessons, "d"), [100]);
    }

    #[test]
    fn the_largest_cap_is_kept_to() {
        let lessons = Lessons::default();
        lessons.no_more_than(300);
        assert_eq!(cut(&lessons, "a"), [100, 200, 300]);
        let advice = lessons.advice(100);
        assert!(advice.contains("no larger cap than 300"), "{advice}");
        assert_eq!(lessons.first_cap(500, || question("b")).unwrap(), 300);
    }

    #[test]
    fn a_cap_grows_no_further_than_the_model_is_known_to_put_out() {
        let lessons = Lessons::new(Learned::default(), Some(250));
        assert_eq!(cut(&lessons, "a"), [100, 200, 250]);
        let advice = lessons.advice(100);
        assert!(advice.contains("no larger cap than 250"), "{advice}");
        // What was told counts more than what is known.
        assert_eq!(lessons.first_cap(300, || question("b")).unwrap(), 300);
        assert_eq!(lessons.cut_off(300, 300, question("b")), None);
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let learned = Learned {
            adaptations: Adaptations::from([Adaptation::NoTemperature, Adaptation::MaxTokens]),
            largest_cap: Some(4096),
            raised: BTreeMap::from([(100, 200)]),
            most_waiting: Some((90_000, 1_700_000_000)),
            found: Found {
                a_second: Some((40, 1_700_000_000)),
                ..Found::default()
            },
        };
        let text = serde_json::to_string(&learned).unwrap();
        assert_eq!(serde_json::from_str::<Learned>(&text).unwrap(), learned);
        assert_eq!(
            serde_json::from_str::<Learned>("{}").unwrap(),
            Learned::default()
        );
    }
}

//! What tasks in work hold in memory: questions, answers, and files that are not written yet. Its sum is bounded, however large
//! each is: while there is no room, tasks that hold something go on, and no other begins.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use plugin::pool::{self, Lost, Pool};
use plugin::sandbox::{Answered, Executed, Outcome, Question};
use types::request::{Answer, CompletionRequest, ResponseFormat};

/// Bytes that tasks may hold before no other begins, and as many for each request that may be under way, if that is more.
const ROOM: usize = 12 << 20;
const OF_REQUEST: usize = 128 << 10;
/// Never more than this.
const MOST: usize = 256 << 20;
/// Bytes from which on a task holds no question that was answered.
const QUESTIONS: usize = 1 << 20;
/// The unit that is counted in.
const UNIT: usize = 1 << 10;
/// Bytes that a text takes beside its letters.
const TEXT: usize = 64;

/// The room for all tasks of a run.
#[derive(Debug)]
pub(super) struct Held {
    room: Semaphore,
    /// Tasks that may begin at once after they found no room: what they will hold is not known before they have run.
    turns: Semaphore,
}

impl Held {
    /// With all room free, for so many requests at once.
    pub fn new(at_once: usize) -> Arc<Held> {
        let room = at_once.saturating_mul(OF_REQUEST).clamp(ROOM, MOST);
        Arc::new(Held {
            room: Semaphore::new(room / UNIT),
            turns: Semaphore::new(2 * pool::threads()),
        })
    }

    fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Waits until another task may begin, which lasts until the permits are dropped. Nobody ends the room.
    async fn turn(&self) -> [Option<SemaphorePermit<'_>>; 2] {
        let turn = self.turns.acquire().await.ok();
        [turn, self.room.acquire().await.ok()]
    }
}

/// Runs a component on a thread of the sandbox and books what it asks, before that thread begins another. A task's first
/// execution begins only where there is room; the others go on in any case.
///
/// # Errors
/// [`Lost`] when the host's part of the execution panicked.
pub(super) async fn execute<E: Send + 'static>(
    pool: &Pool,
    weight: Weight,
    is_first: bool,
    execution: E,
    run: impl FnOnce(E) -> Executed + Clone + Send + 'static,
) -> Result<(Executed, Weight), Lost> {
    let held = Arc::clone(&weight.held);
    let mut turn = None;
    let mut waiting = Box::new((weight, execution));
    loop {
        let begins = !is_first || turn.is_some();
        let run = run.clone();
        let job = move || {
            if !begins && !waiting.0.held.has_room() {
                return Err(waiting);
            }
            let (mut weight, execution) = *waiting;
            let executed = run(execution);
            if let Outcome::Suspended { questions } = &executed.outcome {
                weight.add_questions(questions);
            }
            Ok((executed, weight))
        };
        match pool.run(job).await? {
            Ok(executed) => return Ok(executed),
            Err(back) => waiting = back,
        }
        turn = Some(held.turn().await);
    }
}

/// What one task holds. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Weight {
    held: Arc<Held>,
    units: usize,
    /// Bytes that make no whole unit yet.
    rest: usize,
}

impl Weight {
    /// Nothing yet.
    pub fn new(held: &Arc<Held>) -> Weight {
        Weight {
            held: Arc::clone(held),
            units: 0,
            rest: 0,
        }
    }

    /// Books more bytes. They are held already, so nothing is waited for; where there is too little room, all of it is taken.
    pub fn add(&mut self, bytes: usize) {
        self.rest = self.rest.saturating_add(bytes);
        let units = self.rest / UNIT;
        self.rest %= UNIT;
        self.units += self.held.room.forget_permits(units);
    }

    /// Books an answer. The question of a task that holds much is dropped: its hash is enough to know it again.
    pub fn tell(&mut self, answered: &mut Answered) {
        if let Answer::Completion(completion) = &answered.answer {
            self.add(completion.text.len());
        }
        if self.units > QUESTIONS / UNIT {
            answered.request = None;
        }
    }

    /// Books questions.
    fn add_questions(&mut self, questions: &[Question]) {
        self.add(
            questions
                .iter()
                .map(|asked| of_request(&asked.request))
                .sum(),
        );
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.room.add_permits(self.units);
    }
}

fn of_request(request: &CompletionRequest) -> usize {
    let messages = request.messages.iter();
    let messages: usize = messages.map(|message| TEXT + message.content.len()).sum();
    let schema = match &request.format {
        ResponseFormat::JsonSchema(schema) => schema.as_str().len(),
        ResponseFormat::Text | ResponseFormat::JsonObject => 0,
    };
    let rules = request
        .rules
        .iter()
        .flat_map(|rules| rules.required_words.iter().chain(&rules.headings));
    let rules: usize = rules.map(|text| TEXT + text.len()).sum();
    // An answer repeats what the rules require.
    messages + request.facts.as_str().len() + schema + 2 * rules
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn executed() -> Executed {
        Executed {
            outcome: Outcome::Suspended {
                questions: Vec::new(),
            },
            cpu: Duration::ZERO,
            log: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn none_begins_while_others_hold_all_room() {
        let held = Held::new(8);
        let mut one = Weight::new(&held);
        one.add(ROOM / 2);
        let pool = Pool::inline();
        let begin = |is_first| {
            let weight = Weight::new(&held);
            execute(&pool, weight, is_first, (), |()| executed())
        };
        assert!(begin(true).await.is_ok());
        let mut other = Weight::new(&held);
        // More than there is: the rest is not owed when it is given back.
        other.add(2 * ROOM);
        assert!(begin(false).await.is_ok(), "a task that has begun goes on");
        let waits = tokio::time::timeout(Duration::from_secs(60), begin(true)).await;
        assert!(waits.is_err(), "there was room");
        drop(one);
        assert!(begin(true).await.is_ok());
        drop(other);
        assert_eq!(held.room.available_permits(), ROOM / UNIT);
    }

    #[test]
    fn small_parts_add_up() {
        let held = Held::new(8);
        let mut weight = Weight::new(&held);
        for _ in 0..UNIT {
            weight.add(1);
        }
        assert_eq!(held.room.available_permits(), ROOM / UNIT - 1);
    }
}

//! What tasks in work hold in memory: questions, answers, and files that are not written yet. Its sum is bounded, however large
//! each is: while there is no room, tasks that hold something go on, and no other begins.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use plugin::pool;
use plugin::sandbox::Question;
use types::request::{CompletionRequest, ResponseFormat};

/// Bytes that tasks may hold before no other begins, and as many for each request that may be under way, if that is more.
const ROOM: usize = 48 << 20;
const OF_REQUEST: usize = 16 << 10;
/// Never more than this.
const MOST: usize = 1 << 30;
/// The unit that is counted in.
const UNIT: usize = 1 << 10;
/// Bytes that a value in JSON takes beside its text.
const VALUE: usize = 64;

/// The room for all tasks of a run.
#[derive(Debug)]
pub(super) struct Held {
    room: Semaphore,
    /// Tasks that may begin at once: what they will hold is not known before they have run.
    beginning: Semaphore,
}

impl Held {
    /// With all room free, for so many requests at once.
    pub fn new(at_once: usize) -> Arc<Held> {
        let room = at_once.saturating_mul(OF_REQUEST).clamp(ROOM, MOST);
        Arc::new(Held {
            room: Semaphore::new(room / UNIT),
            beginning: Semaphore::new(2 * pool::threads()),
        })
    }

    /// Waits until another task may begin, which lasts until the permits are dropped. Nobody ends the room.
    pub async fn begin(&self) -> [Option<SemaphorePermit<'_>>; 2] {
        let turn = self.beginning.acquire().await.ok();
        [turn, self.room.acquire().await.ok()]
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

    /// Books questions.
    pub fn add_questions(&mut self, questions: &[Question]) {
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
    let messages: usize = messages.map(|message| VALUE + message.content.len()).sum();
    let schema = match &request.format {
        ResponseFormat::JsonSchema(schema) => of_value(schema),
        ResponseFormat::Text | ResponseFormat::JsonObject => 0,
    };
    let rules = request
        .rules
        .iter()
        .flat_map(|rules| rules.required_words.iter().chain(&rules.headings));
    let rules: usize = rules.map(|text| VALUE + text.len()).sum();
    messages + of_value(&request.facts) + schema + rules
}

fn of_value(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of_value).sum(),
            Value::Object(values) => values
                .iter()
                .map(|(key, value)| key.len() + of_value(value))
                .sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn none_begins_while_others_hold_all_room() {
        let held = Held::new(8);
        let mut one = Weight::new(&held);
        one.add(ROOM / 2);
        drop(held.begin().await);
        let mut other = Weight::new(&held);
        // More than there is: the rest is not owed when it is given back.
        other.add(2 * ROOM);
        let waits = tokio::time::timeout(Duration::from_secs(60), held.begin()).await;
        assert!(waits.is_err(), "there was room");
        drop(one);
        drop(held.begin().await);
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

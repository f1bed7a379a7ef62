//! What questions begin with. Providers keep the beginning of a question in a cache and sell it cheaper to the next that
//! begins alike. Nobody tells which questions do: it is seen from one to the next of a component.
//!
//! A beginning ends at the end of a line, so that no word is cut in two where a provider wants it marked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use types::digest::DigestBuilder;
use types::render;
use types::request::{CompletionRequest, Message};

/// A token has about four bytes, and fewer in some languages.
const BYTES_PER_TOKEN: usize = 3;
/// So many beginnings are remembered.
const MOST: usize = 64;
/// More of a question is not kept to compare others with.
const KEPT_BYTES: usize = 64 * 1024;
/// Bytes of all beginnings together that are kept.
const KEPT_IN_ALL: usize = 1024 * 1024;
/// A question that shares less than this of what others share begins otherwise, so that one stranger takes nothing from
/// many.
const ALIKE_PERCENT: usize = 75;

/// The beginning that a question shares with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The same for all questions that share it.
    pub id: u64,
    /// Messages that are shared as a whole.
    pub messages: usize,
    /// Bytes that are shared of the message behind them.
    pub bytes: usize,
    /// Bytes that are shared in all.
    pub total: usize,
}

/// What questions to one model begin with.
#[derive(Debug)]
pub struct Prefixes {
    /// Shorter ones do not count.
    least: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    families: Vec<Family>,
    turn: u64,
}

/// Questions that begin alike.
#[derive(Debug)]
struct Family {
    /// Its name, once a second question has been seen.
    id: Option<u64>,
    component: String,
    /// How they begin; the whole question while there is only one.
    beginning: Vec<Message>,
    used: u64,
}

impl Family {
    fn is_shared(&self) -> bool {
        self.id.is_some()
    }
}

impl Prefixes {
    /// None is known yet. Those with less than `least` bytes do not count.
    pub fn new(least: usize) -> Prefixes {
        Prefixes {
            least: least.max(1),
            state: Mutex::default(),
        }
    }

    /// None is known yet; those that a provider keeps from so many tokens on do not count when they are shorter.
    pub fn from_tokens(least: u32) -> Prefixes {
        Prefixes::new(BYTES_PER_TOKEN * least as usize)
    }

    /// What a question of a component shares with earlier ones, if anything.
    pub fn of(&self, component: &str, request: &CompletionRequest) -> Option<Prefix> {
        if render::bytes(request) < self.least as u64 {
            return None;
        }
        let question = render::render(request);
        let mut state = self.state();
        state.turn += 1;
        let turn = state.turn;
        let of_component = state
            .families
            .iter_mut()
            .filter(|family| family.component == component);
        let best = of_component
            .map(|family| (shared(&family.beginning, &question), family))
            .max_by_key(|(shared, _)| shared.total);
        if let Some((shared, family)) = best
            && shared.total >= self.least
            && (!family.is_shared()
                || shared.total * 100 >= length(&family.beginning) * ALIKE_PERCENT)
        {
            let Family { id, beginning, .. } = family;
            let id = *id.get_or_insert_with(|| name(component, beginning));
            cut(beginning, shared);
            family.used = turn;
            return Some(Prefix {
                id,
                messages: shared.messages,
                bytes: shared.bytes,
                total: shared.total,
            });
        }
        state.remember(component, &question);
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A question that begins as none before it.
    fn remember(&mut self, component: &str, question: &[Message]) {
        let new = length(question).min(KEPT_BYTES);
        let kept = |state: &State| {
            let kept = state.families.iter().map(|one| length(&one.beginning));
            kept.sum::<usize>()
        };
        while self.families.len() >= MOST || kept(self) + new > KEPT_IN_ALL {
            let oldest = (0..self.families.len()).min_by_key(|place| {
                let family = self.families.get(*place);
                family.map(|family| (family.is_shared(), family.used))
            });
            let Some(oldest) = oldest else { break };
            self.families.swap_remove(oldest);
        }
        let mut beginning = Vec::new();
        let mut left = KEPT_BYTES;
        for message in question {
            let mut end = message.content.len().min(left);
            while !message.content.is_char_boundary(end) {
                end -= 1;
            }
            left -= end;
            beginning.push(Message {
                role: message.role,
                content: message.content.get(..end).unwrap_or_default().to_owned(),
            });
            if left == 0 {
                break;
            }
        }
        self.families.push(Family {
            id: None,
            component: component.to_owned(),
            beginning,
            used: self.turn,
        });
    }
}

/// A name for a beginning, by the question that it was first seen with: the same in each run over the same questions.
fn name(component: &str, beginning: &[Message]) -> u64 {
    let mut builder = DigestBuilder::new("batchgen prefix 1");
    builder.text(component);
    for message in beginning {
        builder.text(&message.content);
    }
    builder.finish().seed()
}

/// How much two questions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shared {
    messages: usize,
    bytes: usize,
    total: usize,
}

fn shared(one: &[Message], other: &[Message]) -> Shared {
    let mut shared = Shared {
        messages: 0,
        bytes: 0,
        total: 0,
    };
    for (one, other) in one.iter().zip(other) {
        if one.role != other.role {
            break;
        }
        if one.content == other.content {
            shared.messages += 1;
            shared.total += one.content.len();
            continue;
        }
        shared.bytes = whole_lines(&one.content, &other.content);
        shared.total += shared.bytes;
        break;
    }
    shared
}

/// Bytes of the lines that two texts begin with alike, the last end of a line included.
fn whole_lines(one: &str, other: &str) -> usize {
    let alike = one.bytes().zip(other.bytes());
    let alike = alike.take_while(|(one, other)| one == other).count();
    let end = one.as_bytes().get(..alike).unwrap_or_default();
    end.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

fn length(messages: &[Message]) -> usize {
    messages.iter().map(|message| message.content.len()).sum()
}

/// Keeps of a beginning what is shared.
fn cut(beginning: &mut Vec<Message>, shared: Shared) {
    beginning.truncate(shared.messages + 1);
    if let Some(last) = beginning.get_mut(shared.messages) {
        last.content.truncate(shared.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::request::{ResponseFormat, Role, Rules};

    fn question(system: &str, user: &str, fact: u32) -> CompletionRequest {
        let message = |role, content: &str| Message {
            role,
            content: content.to_owned(),
        };
        CompletionRequest {
            messages: vec![message(Role::System, system), message(Role::User, user)],
            facts: json!({"number": fact}).into(),
            rules: Some(Rules {
                min_words: Some(10),
                ..Rules::default()
            }),
            format: ResponseFormat::Text,
            images: Vec::new(),
        }
    }

    const INSTRUCTIONS: &str = "Write a text.\nWrite it well.\n";

    #[test]
    fn what_is_shared_is_seen_from_the_second_question_on() {
        let prefixes = Prefixes::new(20);
        assert_eq!(prefixes.of("c", &question(INSTRUCTIONS, "", 1)), None);
        let second = prefixes.of("c", &question(INSTRUCTIONS, "", 2)).unwrap();
        // The requirements stand before the facts, and are shared.
        let user = "Requirements:\n- At least 10 words.\n\nFacts (JSON):\n";
        assert_eq!((second.messages, second.bytes), (1, user.len()));
        assert_eq!(
            prefixes.of("c", &question(INSTRUCTIONS, "", 3)),
            Some(second)
        );
        assert_eq!(
            prefixes.of("d", &question(INSTRUCTIONS, "", 4)),
            None,
            "another component"
        );
    }

    #[test]
    fn a_text_that_differs_within_is_shared_up_to_its_last_whole_line() {
        let prefixes = Prefixes::new(20);
        let written = |name: &str| format!("{INSTRUCTIONS}It is about {name}.\nEnd.");
        prefixes.of("c", &question(&written("oak"), "", 1));
        let prefix = prefixes
            .of("c", &question(&written("iron"), "", 2))
            .unwrap();
        assert_eq!((prefix.messages, prefix.bytes), (0, INSTRUCTIONS.len()));
    }

    #[test]
    fn what_is_short_or_alone_counts_for_nothing() {
        let prefixes = Prefixes::new(1000);
        prefixes.of("c", &question(INSTRUCTIONS, "", 1));
        assert_eq!(prefixes.of("c", &question(INSTRUCTIONS, "", 1)), None);
        let prefixes = Prefixes::new(20);
        for name in ["a", "b", "c"] {
            let own = format!("{name}{name}{name}\n{INSTRUCTIONS}");
            assert_eq!(prefixes.of("c", &question(&own, "", 1)), None);
        }
    }

    #[test]
    fn a_stranger_takes_nothing_from_many() {
        let prefixes = Prefixes::new(10);
        let long = INSTRUCTIONS.repeat(20);
        prefixes.of("c", &question(&long, "", 1));
        let shared = prefixes.of("c", &question(&long, "", 2)).unwrap();
        assert_eq!(prefixes.of("c", &question(INSTRUCTIONS, "", 3)), None);
        assert_eq!(prefixes.of("c", &question(&long, "", 4)), Some(shared));
    }

    #[test]
    fn memory_is_bounded_and_what_is_shared_stays() {
        let prefixes = Prefixes::new(10);
        prefixes.of("c", &question(INSTRUCTIONS, "", 1));
        let shared = prefixes.of("c", &question(INSTRUCTIONS, "", 2)).unwrap();
        for stranger in 0..1000 {
            prefixes.of(
                "c",
                &question(&format!("{stranger}: {}", "x".repeat(100)), "", 0),
            );
        }
        assert_eq!(prefixes.state().families.len(), MOST);
        for stranger in 0..100 {
            let long = format!("{stranger}: {}", "x".repeat(100_000));
            prefixes.of("c", &question(&long, "", 0));
        }
        let kept: usize = {
            let state = prefixes.state();
            let kept = state.families.iter().map(|one| length(&one.beginning));
            kept.sum()
        };
        assert!(kept <= KEPT_IN_ALL);
        assert_eq!(
            prefixes.of("c", &question(INSTRUCTIONS, "", 3)),
            Some(shared)
        );
    }
}

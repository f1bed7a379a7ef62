//! What can go wrong with a task, as classes with their consequences. Nothing here knows how a
//! provider reports an error: its dialect maps it to a class.

use std::fmt;
use std::str::FromStr;

/// Why a task failed. The taxonomy that retries, sweeps, reruns and exit codes go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// The provider's limit on requests or tokens (429).
    RateLimit,
    /// The provider cannot keep up (503, 529).
    Overloaded,
    /// The provider has no room for calls of a cheaper tier just now. It says nothing of limits, and costs nothing.
    NoCapacity,
    /// The network or the provider stumbled: 408, 409, 5xx, reset, timeout, now and then an empty answer.
    Transient,
    /// Money or daily quota is used up.
    Quota,
    /// The key is wrong, missing or may not do this.
    Auth,
    /// The provider has no such model.
    NotFound,
    /// The question is longer than the model's context.
    Context,
    /// The provider refuses the request as malformed, or answers in a way that cannot be used, again and again.
    BadRequest,
    /// The provider's content filter refused question or answer.
    ContentFilter,
    /// The run may spend no more.
    Budget,
    /// No acceptable answer after repairs and a fresh one.
    InvalidOutput,
    /// The record lacks what the component cannot do without.
    UnsuitableRecord,
    /// The component reported a fault of its own: options, prompts or code.
    ComponentFault,
    /// The component trapped.
    Trap,
    /// The component used more CPU, memory, executions, calls or output than it may.
    Limit,
    /// The component asked a different question when it was replayed.
    Determinism,
    /// The artifact is not what the manifest promises, so it was not published.
    RejectedArtifact,
    /// The record could not be read from the dataset.
    Record,
    /// The output file could not be written.
    Output,
    /// The machine lacked memory or room to run the component.
    Machine,
    /// The host itself failed.
    Defect,
}

/// Every class with its name in the store, in exports and on screen.
const NAMES: [(FailureClass, &str); 22] = [
    (FailureClass::RateLimit, "rate-limit"),
    (FailureClass::Overloaded, "overloaded"),
    (FailureClass::NoCapacity, "no-capacity"),
    (FailureClass::Transient, "transient"),
    (FailureClass::Quota, "quota"),
    (FailureClass::Auth, "auth"),
    (FailureClass::NotFound, "not-found"),
    (FailureClass::Context, "context"),
    (FailureClass::BadRequest, "bad-request"),
    (FailureClass::ContentFilter, "content-filter"),
    (FailureClass::Budget, "budget"),
    (FailureClass::InvalidOutput, "invalid-output"),
    (FailureClass::UnsuitableRecord, "unsuitable-record"),
    (FailureClass::ComponentFault, "component-fault"),
    (FailureClass::Trap, "trap"),
    (FailureClass::Limit, "limit"),
    (FailureClass::Determinism, "determinism"),
    (FailureClass::RejectedArtifact, "rejected-artifact"),
    (FailureClass::Record, "record"),
    (FailureClass::Output, "output"),
    (FailureClass::Machine, "machine"),
    (FailureClass::Defect, "defect"),
];

impl FailureClass {
    /// The name in the store and on screen.
    pub fn as_str(self) -> &'static str {
        NAMES
            .iter()
            .find(|(class, _)| *class == self)
            .map_or("unknown", |(_, name)| name)
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::RateLimit | Self::Overloaded | Self::NoCapacity | Self::Transient
        )
    }

    /// Whether the task may succeed later in the same run, because what it lacked comes and goes.
    pub fn may_pass(self) -> bool {
        self.is_transient() || self == Self::Machine
    }

    /// Whether nothing more can be had from the lane: every further request would fail the same.
    pub fn stops_lane(self) -> bool {
        matches!(self, Self::Quota | Self::Auth | Self::NotFound)
    }

    /// Whether answers are at fault, so that asking again means asking anew (a new generation).
    pub fn is_answer_at_fault(self) -> bool {
        matches!(
            self,
            Self::ContentFilter | Self::InvalidOutput | Self::RejectedArtifact
        )
    }
}

impl FailureClass {
    /// What a plain rerun does with a task that failed so, while nothing that it is made from has changed.
    pub fn rerun(self) -> Rerun {
        match self {
            Self::ContentFilter | Self::InvalidOutput | Self::RejectedArtifact => Rerun::AsksAnew,
            Self::UnsuitableRecord
            | Self::ComponentFault
            | Self::Trap
            | Self::Limit
            | Self::Determinism => Rerun::LeavesIt,
            Self::RateLimit
            | Self::Overloaded
            | Self::NoCapacity
            | Self::Transient
            | Self::Quota
            | Self::Auth
            | Self::NotFound
            | Self::Context
            | Self::BadRequest
            | Self::Budget
            | Self::Record
            | Self::Output
            | Self::Machine
            | Self::Defect => Rerun::TriesAgain,
        }
    }

    /// Whether a plain rerun asks in a new generation: where answers are at fault, and where the provider's word for a
    /// question that is too long is an answer, though a server with a longer context may stand there now.
    pub fn is_asked_anew_by_a_rerun(self) -> bool {
        self.is_answer_at_fault() || self == Self::Context
    }

    /// Whether asking again means asking anew (a new generation), when a person wants the task run again:
    /// the same, and where answers do not fit the questions.
    pub fn is_asked_anew(self) -> bool {
        self.is_asked_anew_by_a_rerun() || self == Self::Determinism
    }

    /// What a person does about it.
    pub fn advice(self) -> &'static str {
        match self {
            FailureClass::RateLimit => "run again later, or with lower limits",
            FailureClass::NoCapacity => {
                "run again later, or remove service-tier from the model's configuration to pay the ordinary price"
            }
            FailureClass::Overloaded | FailureClass::Transient => {
                "run again when the provider is well"
            }
            FailureClass::Quota => "add credit or raise the quota, then run again",
            FailureClass::Auth => "check the key, then run again",
            FailureClass::NotFound => {
                "check the name of the model and its provider's base-url, then run again"
            }
            FailureClass::Context => "use a model with a longer context, or shorten the record",
            FailureClass::BadRequest => {
                "check the model's parameters and its provider's configuration"
            }
            FailureClass::ContentFilter => {
                "reword the prompt or the record, or add a fallback model"
            }
            FailureClass::Budget => "run again with a larger budget",
            FailureClass::InvalidOutput => {
                "look at the answers with `batchgen replay`; change prompt or rules, or use a better model"
            }
            FailureClass::UnsuitableRecord => "add what the record lacks",
            FailureClass::ComponentFault => "fix the component's options, prompts or code",
            FailureClass::Trap => "fix the plugin's code; `batchgen replay` shows its log",
            FailureClass::Limit => {
                "raise [limits] in plugin.toml, and in batchgen.toml where it is lower there, or fix the plugin"
            }
            FailureClass::Determinism => {
                "fix the plugin, which asks other questions when it is run again"
            }
            FailureClass::RejectedArtifact => {
                "fix the component, whose file is not what its manifest promises"
            }
            FailureClass::Record => "fix the record in the dataset",
            FailureClass::Output => "make room or fix permissions, then run again",
            FailureClass::Machine => {
                "give this process more memory (see `ulimit -v` and `free`), then run again"
            }
            FailureClass::Defect => {
                "report it, since it is a defect of batchgen; a rerun tries again"
            }
        }
    }

    /// Every class, in the order of the taxonomy.
    pub fn all() -> impl Iterator<Item = FailureClass> + Clone {
        NAMES.iter().map(|(class, _)| *class)
    }
}

/// What a plain rerun does with a failed task. A component is deterministic: with the same answers it fails the
/// same way, so only what lies outside of it is a reason to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// Tries again: what was wrong may have passed. Answers that it has are not paid for again.
    TriesAgain,
    /// Asks anew, in a new generation, until it has failed so [`MOST_ATTEMPTS`] times.
    AsksAnew,
    /// Leaves it failed, and spends nothing on it.
    LeavesIt,
}

/// So often a task is tried by plain runs while its answers are at fault: each time is paid for.
pub const MOST_ATTEMPTS: u32 = 3;

impl serde::Serialize for FailureClass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for FailureClass {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|error: UnknownClass| {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            serde::de::Error::custom(format!("{error}; the classes are: {}", names.join(", ")))
        })
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a class.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is not a failure class")]
pub struct UnknownClass {
    /// What was read.
    pub name: String,
}

impl FromStr for FailureClass {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(class, _)| *class)
            .ok_or_else(|| UnknownClass {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (class, name) in NAMES {
            assert_eq!(class.as_str(), name);
            assert_eq!(serde_json::json!(class), name);
            assert_eq!(name.parse::<FailureClass>().unwrap(), class);
        }
        assert!("nonsense".parse::<FailureClass>().is_err());
    }

    #[test]
    fn a_plain_rerun_pays_only_where_answers_are_at_fault() {
        for class in FailureClass::all() {
            assert_eq!(
                class.rerun() == Rerun::AsksAnew,
                class.is_answer_at_fault(),
                "{class}"
            );
            if class.is_transient() || class.stops_lane() {
                assert_eq!(class.rerun(), Rerun::TriesAgain, "{class}");
            }
        }
    }

    #[test]
    fn no_class_is_both_retried_and_final() {
        for (class, _) in NAMES {
            assert!(!(class.is_transient() && class.stops_lane()), "{class}");
            assert!(
                !(class.is_transient() && class.is_answer_at_fault()),
                "{class}"
            );
        }
    }
}

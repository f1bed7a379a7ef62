//! Everything that is known of a run at one moment: the one document that page, report, status and metrics show.
//! `docs/MONITORING.md` describes its fields.

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::scores::ScoreRow;
use engine::statistics::{Detail, View};
use gateway::lane_view::LaneView;
use gateway::limits::budget::BudgetView;

/// Version of the document. Fields are added without a new one.
pub(super) const SCHEMA: u32 = 1;

/// A run at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of this document.
    pub schema: u32,
    /// Whether it still runs.
    pub state: State,
    /// The moment, in UTC.
    pub at: String,
    pub run: RunInfo,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// What to know first.
    #[serde(default)]
    pub headline: Option<Headline>,
    pub progress: View,
    /// What lanes are doing.
    pub lanes: Vec<LaneView>,
    /// What it may spend.
    pub budget: BudgetView,
    /// Memory of the process now.
    pub memory_bytes: Option<u64>,
    /// Most memory that the process had.
    pub peak_memory_bytes: Option<u64>,
    /// Heat map, series, failures, artifacts.
    pub detail: Detail,
    /// What was said of the files as they are now.
    #[serde(default)]
    pub scores: Vec<ScoreRow>,
    /// What the last round of `batchgen dev` changed; nothing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// Whether a run still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Running,
    /// It ended, in order or by an error.
    Ended,
    /// Its process went away without a word.
    Killed,
}

/// Which run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Number of the process.
    pub process: u32,
    /// When it began, in UTC.
    pub started_at: String,
    /// What records are called.
    pub records: String,
    /// Where its page is, while it runs.
    pub page: Option<String>,
    /// Name of the project: of its site, or of the folder that it lies in.
    #[serde(default)]
    pub project: String,
    /// As it was typed.
    #[serde(default)]
    pub command: String,
    /// Models that it asks.
    #[serde(default)]
    pub models: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub kind: EndKind,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Why, where there is more to say.
    pub cause: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// Every wanted artifact is there.
    Done,
    Partial,
    /// It has spent what it may.
    Budget,
    /// It might ask nothing, and there was something to ask.
    Frozen,
    /// A provider cannot go on.
    Provider,
    /// A provider has yet to answer a batch.
    Waiting,
    /// A person stopped it.
    Interrupted,
    /// State or disk failed.
    Failed,
}

impl EndKind {
    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            EndKind::Done => "done",
            EndKind::Partial => "partial",
            EndKind::Budget => "budget",
            EndKind::Frozen => "frozen",
            EndKind::Provider => "provider",
            EndKind::Waiting => "waiting",
            EndKind::Interrupted => "interrupted",
            EndKind::Failed => "failed",
        }
    }

    /// In words, with what to do.
    pub fn words(self) -> &'static str {
        match self {
            EndKind::Done => "done",
            EndKind::Partial => "ended, and some tasks failed; `batchgen failures` says what to do",
            EndKind::Budget => {
                "stopped: it has spent what it may; run again with a larger budget to go on"
            }
            EndKind::Frozen => {
                "stopped: it was let ask nothing, and there is something to ask; `batchgen plan` shows what"
            }
            EndKind::Provider => {
                "stopped: the provider cannot go on; run again when that is mended"
            }
            EndKind::Waiting => "waiting for batches; run again later to collect them",
            EndKind::Interrupted => "interrupted; run again to go on",
            EndKind::Failed => "stopped by an error; run again to go on",
        }
    }
}

impl Snapshot {
    /// How it stands, in words.
    pub fn standing(&self) -> String {
        self.standing_with(str::to_owned)
    }

    /// The same, with the cause, which comes from outside, as `shown` gives it.
    pub(super) fn standing_with(&self, shown: impl Fn(&str) -> String) -> String {
        match (&self.state, &self.end) {
            (State::Running, _) => "running".to_owned(),
            (State::Killed, _) => {
                "killed: its process is gone and did not end in order; run again to go on"
                    .to_owned()
            }
            (State::Ended, Some(end)) => match &end.cause {
                Some(cause) => format!("{} ({})", end.kind.words(), shown(cause)),
                None => end.kind.words().to_owned(),
            },
            (State::Ended, None) => "ended".to_owned(),
        }
    }
}

/// What to know first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// How much attention it wants.
    pub tone: Tone,
    pub text: String,
    /// What would change it, if anything does.
    pub hint: Option<String>,
}

/// How much attention something wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// None: all is well.
    Good,
    /// Nothing is wrong, and something is waited for.
    Waits,
    /// Something needs a hand.
    Bad,
}

//! Why tasks run, in the words of `batchgen plan` and `batchgen why`. The decision itself is the small rule in
//! `decision`; here it is only named, from what is known of the task before and now.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::change::Change;
use super::decision::{LastOutcome, Reason};
use super::recipe::Recipe;
use types::class::FailureClass;
use types::digest::Digest;
use types::key::Parameters;

/// Names of one kind that are listed one by one; more are summed up.
const LISTED: usize = 3;

/// One cause for a task to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// It never ran.
    New,
    /// Something that it is made from is not as it was.
    Changed(Change),
    /// Its file is gone.
    FileMissing,
    Failed(FailureClass),
    /// What it depends on failed before.
    Blocked,
    /// Its record was given up before because of another component.
    Skipped,
    /// A person chose it to be run again.
    Due,
    /// Its file was edited by hand, and is to be replaced.
    FileEdited,
    /// A run ended without notice, and its file is not what was noted.
    AfterCrash,
    /// It runs if this component's file comes out different.
    DependsOn(String),
}

impl Cause {
    /// What causes that differ only in a name have in common.
    fn kind(&self) -> &'static str {
        match self {
            Cause::New => "new",
            Cause::Changed(change) => change.kind(),
            Cause::FileMissing => "file missing",
            Cause::Failed(_) => "failed before",
            Cause::Blocked => "blocked before",
            Cause::Skipped => "skipped before",
            Cause::Due => "chosen to run again",
            Cause::FileEdited => "file edited by hand",
            Cause::AfterCrash => "file unclear after a power cut",
            Cause::DependsOn(_) => "depends on upstream",
        }
    }

    /// The name, where the kind has many.
    fn name(&self) -> Option<String> {
        match self {
            Cause::Changed(change) => change.name(),
            Cause::Failed(class) => Some(class.to_string()),
            Cause::DependsOn(name) => Some(name.clone()),
            Cause::New
            | Cause::FileMissing
            | Cause::Blocked
            | Cause::Skipped
            | Cause::Due
            | Cause::FileEdited
            | Cause::AfterCrash => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Cause::Changed(change), _) => change.fmt(f),
            (_, Some(name)) => write!(f, "{}: {name}", self.kind()),
            (_, None) => f.write_str(self.kind()),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The changes that are certain while these upstreams are still to be made: nothing that is said of them
/// counts, and without them all that is known may be that nothing else changed.
pub fn certain(changes: Vec<Change>, open: &[String]) -> Vec<Change> {
    let counts = |change: &Change| match change {
        Change::Upstream(name) => !open.contains(name),
        Change::Unknown => open.is_empty(),
        _ => true,
    };
    changes.into_iter().filter(counts).collect()
}

/// The causes of a decision to run, by what is certain to have changed since the task was made. `missing` is
/// whether its file is gone, `stays` whether it stays failed while nothing changes, and `open` are upstreams that
/// are still to be made.
pub fn causes(
    reason: Reason,
    changes: &[Change],
    missing: bool,
    stays: bool,
    open: &[String],
) -> Vec<Cause> {
    match reason {
        Reason::New => vec![Cause::New],
        Reason::FileMissing => vec![Cause::FileMissing],
        Reason::AfterCrash => vec![Cause::AfterCrash],
        // But for what its upstream becomes, it would stay failed.
        Reason::Failed(LastOutcome::Failed(_))
            if stays && changes.is_empty() && !open.is_empty() =>
        {
            open.iter().cloned().map(Cause::DependsOn).collect()
        }
        Reason::Failed(LastOutcome::Failed(class)) => vec![Cause::Failed(class)],
        Reason::Failed(LastOutcome::Skipped) => vec![Cause::Skipped],
        Reason::Failed(_) => vec![Cause::Blocked],
        Reason::Due => vec![Cause::Due],
        Reason::FileEdited => vec![Cause::FileEdited],
        Reason::Changed if !changes.is_empty() => {
            changes.iter().cloned().map(Cause::Changed).collect()
        }
        Reason::Changed if missing => vec![Cause::FileMissing],
        Reason::Changed => open.iter().cloned().map(Cause::DependsOn).collect(),
    }
}

/// Counts tasks by their causes.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    causes: BTreeMap<Cause, u64>,
    kinds: BTreeMap<&'static str, u64>,
}

/// How many tasks have a cause, or one of several of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseCount {
    pub reason: String,
    /// Tasks that have it; a task may have others, too.
    pub tasks: u64,
}

impl Tally {
    /// Counts one task.
    pub fn add(&mut self, causes: &[Cause]) {
        let mut kinds: Vec<&'static str> = Vec::new();
        for cause in causes {
            *self.causes.entry(cause.clone()).or_default() += 1;
            if !kinds.contains(&cause.kind()) {
                kinds.push(cause.kind());
            }
        }
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    /// The counts, those of a kind together; of a kind with many names, one count for all.
    pub fn counts(&self) -> Vec<CauseCount> {
        let mut counts = Vec::new();
        let mut done: Vec<&str> = Vec::new();
        for cause in self.causes.keys() {
            let kind = cause.kind();
            if done.contains(&kind) {
                continue;
            }
            done.push(kind);
            let alike = self.causes.iter().filter(|(other, _)| other.kind() == kind);
            let names: Vec<String> = alike
                .clone()
                .filter_map(|(cause, _)| cause.name())
                .collect();
            if names.len() <= LISTED {
                counts.extend(alike.map(|(cause, tasks)| CauseCount {
                    reason: cause.to_string(),
                    tasks: *tasks,
                }));
            } else {
                let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
                let more = names.len() - shown.len();
                counts.push(CauseCount {
                    reason: format!("{kind}: {} and {more} more", shown.join(", ")),
                    tasks: self.kinds.get(kind).copied().unwrap_or(0),
                });
            }
        }
        counts
    }
}

/// What a change leads from and to, where recipes tell.
pub fn sides(change: &Change, now: &Recipe, before: &Recipe) -> (Option<String>, Option<String>) {
    let both = |text: fn(&Recipe) -> String| (Some(text(before)), Some(text(now)));
    let short = |digest: &Digest| digest.to_string().chars().take(12).collect::<String>();
    match change {
        Change::Option(name) => {
            let value = |recipe: &Recipe| recipe.options.get(name).map(ToString::to_string);
            (value(before), value(now))
        }
        Change::Prompt(name) => {
            let hash = |recipe: &Recipe| recipe.prompts.get(name).map(short);
            (hash(before), hash(now))
        }
        Change::Model { from, to } => (Some(from.clone()), Some(to.clone())),
        Change::Parameters => both(|recipe| parameters(recipe.parameters.as_ref())),
        Change::Plugin { .. } => {
            let file = |recipe: &Recipe| format!("{} {}", recipe.version, short(&recipe.code));
            (Some(file(before)), Some(file(now)))
        }
        Change::Site => both(|recipe| recipe.site.join(", ")),
        Change::Output => both(|recipe| recipe.output.clone()),
        Change::Given => both(|recipe| {
            let lists = [&recipe.fields, &recipe.category_fields, &recipe.upstreams];
            lists.map(|names| names.join(", ")).join("; ")
        }),
        Change::Record(_)
        | Change::Field(_)
        | Change::CategoryField(_)
        | Change::Upstream(_)
        | Change::Picture(_)
        | Change::Feedback
        | Change::Unknown => (None, None),
    }
}

fn parameters(parameters: Option<&Parameters>) -> String {
    let Some(parameters) = parameters else {
        return "no model".to_owned();
    };
    let extra = parameters
        .extra_body
        .as_ref()
        .map_or_else(String::new, |extra| format!(", extra-body {extra}"));
    let reasoning = parameters.reasoning.map_or_else(String::new, |level| {
        format!(", reasoning {}", level.as_str())
    });
    format!(
        "{}, temperature {}, max-output-tokens {}{reasoning}{extra}",
        parameters.model, parameters.temperature, parameters.max_output_tokens
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::recipe;
    use serde_json::json;

    fn field(name: &str) -> Cause {
        Cause::Changed(Change::Field(name.to_owned()))
    }

    fn shown(tally: &Tally) -> Vec<String> {
        tally
            .counts()
            .iter()
            .map(|count| format!("{} {}", count.tasks, count.reason))
            .collect()
    }

    #[test]
    fn few_names_are_listed_and_many_summed_up() {
        let mut tally = Tally::default();
        tally.add(&[Cause::New]);
        tally.add(&[field("a"), field("b")]);
        tally.add(&[field("b")]);
        tally.add(&[Cause::Failed(FailureClass::Transient)]);
        tally.add(&[Cause::DependsOn("text".to_owned())]);
        assert_eq!(
            shown(&tally),
            [
                "1 new",
                "1 record changed: fields.a",
                "2 record changed: fields.b",
                "1 failed before: transient",
                "1 depends on upstream: text"
            ]
        );
        tally.add(&[field("c"), field("d"), field("e")]);
        assert_eq!(
            shown(&tally)[1],
            "3 record changed: fields.a, fields.b, fields.c and 2 more"
        );
    }

    #[test]
    fn what_an_open_upstream_would_change_is_not_certain() {
        let open = ["text".to_owned()];
        let upstream = Change::Upstream("text".to_owned());
        let of = |changes, missing| {
            let changes = certain(changes, &open);
            causes(Reason::Changed, &changes, missing, false, &open)
        };
        assert_eq!(
            of(vec![upstream.clone()], false),
            [Cause::DependsOn("text".to_owned())]
        );
        assert_eq!(of(vec![upstream.clone()], true), [Cause::FileMissing]);
        assert_eq!(
            of(vec![upstream, Change::Site], false),
            [Cause::Changed(Change::Site)]
        );
        let failed = Reason::Failed(LastOutcome::Failed(FailureClass::Trap));
        assert_eq!(
            causes(failed, &[], true, true, &open),
            [Cause::DependsOn("text".to_owned())]
        );
        assert_eq!(
            causes(failed, &[Change::Site], true, true, &open),
            [Cause::Failed(FailureClass::Trap)]
        );
        assert_eq!(
            causes(
                Reason::Changed,
                &certain(vec![Change::Unknown], &[]),
                false,
                false,
                &[]
            ),
            [Cause::Changed(Change::Unknown)]
        );
    }

    #[test]
    fn both_sides_are_told_where_they_are_known() {
        let before = recipe();
        let mut now = recipe();
        now.options.insert("max-words".to_owned(), json!(450));
        now.options.insert("tone".to_owned(), json!("dry"));
        let option = |name: &str| sides(&Change::Option(name.to_owned()), &now, &before);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(option("max-words"), (text("300"), text("450")));
        assert_eq!(option("tone"), (None, text("\"dry\"")));
        now.parameters = None;
        assert_eq!(
            sides(&Change::Parameters, &now, &before),
            (
                text("offline, temperature 0.6, max-output-tokens 100"),
                text("no model")
            )
        );
    }
}

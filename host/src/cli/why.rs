//! `batchgen why`: why one task would run or stay as it is, and all that is known of it.

mod report;

use std::borrow::Cow;

use clap::Args;
use serde_json::json;

use report::{Detail, FileReport, Last, Now, Questions, Report, Said, UpstreamReport, render};

use super::args::{ProjectArgs, SelectionArgs};
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::project::{Project, State, block_on};
use super::selector::Selector;
use super::verdict;
use config::component::Component;
use dataset::Record;
use engine::batches::view;
use engine::statistics::BatchView;
use engine::{Overwriting, PlannedAction, Previewer, ProbeEnd, TaskPreview};
use plan::change::Change;
use plan::decision::FileState;
use plan::explain;
use plan::recipe::Recipe;
use store::{Batch, Checkpoint, TaskId};
use types::fields::ALL_FIELDS;

/// Longest value that is shown.
const SHOWN: usize = 80;

/// Explain one task: why it would run or stay as it is, and how it ended last.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen why oak text
  batchgen why oak text --json")]
pub(super) struct WhyArgs {
    /// Id of the record
    record: String,
    /// Name of the component
    component: String,
    /// Print it as JSON (docs/PLAN.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &WhyArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let selection = SelectionArgs {
        component: vec![Selector::component(&args.component)],
        record: vec![args.record.clone()],
        ..SelectionArgs::default()
    };
    let components = project.wanted(&selection)?;
    block_on(why(args, &project, &components, &selection))
}

async fn why(
    args: &WhyArgs,
    project: &Project,
    components: &[Component],
    selection: &SelectionArgs,
) -> Result<Exit, Failure> {
    let state = State::open(project).await?;
    let mut lease = state.select(&project.selection(selection)?)?;
    let records = state
        .store
        .lease(&mut lease, 1)
        .map_err(Failure::internal)?;
    let Some(reference) = records.first() else {
        return Ok(Exit::Done);
    };
    let overwriting = Overwriting {
        edited: false,
        from_model: args.project.model.asks_for_stand_in(),
    };
    let mut previewer = state.previewer(project, components, overwriting)?;
    let tasks = previewer
        .record(reference, |_, runs| runs)
        .map_err(Failure::internal)?;
    let asked = Asked {
        project,
        state: &state,
        record: project.dataset.read(reference.place).ok(),
        id: &reference.id,
        tasks: &tasks,
    };
    let found = components
        .iter()
        .zip(&tasks)
        .find(|(component, _)| component.name == args.component);
    if let Some((component, task)) = found {
        let report = asked.report(&mut previewer, component, task)?;
        if args.json {
            emit(&json!({"event": "why", "task": report}));
        } else {
            say(&render(&report));
        }
    }
    Ok(Exit::Done)
}

struct Asked<'a> {
    project: &'a Project,
    state: &'a State,
    record: Option<Record>,
    id: &'a str,
    tasks: &'a [TaskPreview],
}

impl Asked<'_> {
    fn report(
        &self,
        previewer: &mut Previewer,
        component: &Component,
        task: &TaskPreview,
    ) -> Result<Report, Failure> {
        let before = match &task.checkpoint {
            None => None,
            Some(point) => previewer
                .recipe(point.recipe)
                .map_err(Failure::internal)?
                .cloned(),
        };
        let reasons = self.reasons(component, task, before.as_ref())?;
        let last = task.checkpoint.as_ref();
        let last = last.map(|point| self.last(&task.component, point, before.as_ref()));
        let last = last.transpose()?;
        let questions = task.probe.as_ref().map(|probe| Questions {
            open: match probe.end {
                ProbeEnd::Asks { calls, .. } => calls,
                ProbeEnd::Made { .. } | ProbeEnd::Fails(_) => 0,
            },
            from_journal: probe.journaled,
        });
        let point = task.checkpoint.as_ref();
        let (batches, queued) = self.batches(&task.component)?;
        Ok(Report {
            record: self.id.to_owned(),
            component: task.component.clone(),
            action: (&task.action).into(),
            reasons,
            next_run: next_run(task, component, self.id),
            last,
            now: Now {
                generation: task.generation,
                fingerprint: task.fingerprint.map(|print| print.to_string()),
                plugin: component.recipe.plugin.clone(),
                plugin_version: component.recipe.version.clone(),
                model: component
                    .parameters
                    .as_ref()
                    .map(|parameters| parameters.model.clone()),
            },
            file: FileReport {
                path: task.path.clone(),
                state: task.file,
                written_by: point
                    .filter(|_| task.file == FileState::Intact)
                    .and_then(|point| point.author),
                replaced_edit: self.replaced_edit(&task.component)?,
            },
            depends_on: self.upstreams(component),
            questions: questions.filter(|_| component.parameters.is_some()),
            batches,
            queued,
            verdicts: self.verdicts(&task.component, point)?,
        })
    }

    /// What was said about its files.
    fn verdicts(&self, component: &str, point: Option<&Checkpoint>) -> Result<Vec<Said>, Failure> {
        let State { store, indexed } = self.state;
        let kept = store.kept_verdicts(indexed.id, self.id);
        let kept = kept.map_err(Failure::internal)?.into_iter();
        let content = point.and_then(|point| point.content);
        Ok(kept
            .filter(|kept| kept.verdict.component == component)
            .map(|kept| Said {
                is_of_this_file: Some(kept.verdict.content) == content,
                given_at: kept.given_at,
                verdict: verdict::as_json(&kept.verdict),
                in_words: verdict::in_words(&kept.verdict),
            })
            .collect())
    }

    /// The batches that have its questions, and how many of these wait for the next one.
    fn batches(&self, component: &str) -> Result<(Vec<BatchView>, u64), Failure> {
        let store = &self.state.store;
        let waits = store.waits_for(&self.task(component));
        let waits = waits.map_err(Failure::internal)?;
        let open = store.open_batches().map_err(Failure::internal)?;
        let has_some = |batch: &&Batch| waits.contains(&Some(batch.id));
        let batches = open.iter().filter(has_some).map(view).collect();
        let queued = waits.iter().filter(|batch| batch.is_none()).count();
        Ok((batches, queued as u64))
    }

    /// Why it runs, and what changed since `before`, as far as that is known.
    fn reasons(
        &self,
        component: &Component,
        task: &TaskPreview,
        before: Option<&Recipe>,
    ) -> Result<Vec<Detail>, Failure> {
        let changed = |cause: &explain::Cause| matches!(cause, explain::Cause::Changed(_));
        let causes = task.causes.iter().filter(|cause| !changed(cause));
        let mut reasons: Vec<Detail> = causes
            .map(|cause| Detail {
                reason: cause.to_string(),
                from: None,
                to: None,
            })
            .collect();
        for change in &task.changes {
            let (from, to) = before.map_or((None, None), |before| {
                explain::sides(change, &component.recipe, before)
            });
            let to = match to {
                Some(to) => Some(to),
                None => self.value(change)?,
            };
            reasons.push(Detail {
                reason: change.to_string(),
                from: from.map(short),
                to: to.map(short),
            });
        }
        Ok(reasons)
    }

    /// How it ended last, made by the recipe `before` if that is known.
    fn last(
        &self,
        component: &str,
        point: &Checkpoint,
        before: Option<&Recipe>,
    ) -> Result<Last, Failure> {
        let ended = self.ended(component)?;
        Ok(Last {
            outcome: point.outcome.kind(),
            class: point.outcome.class(),
            cause: point.cause.clone(),
            // An edited file that was accepted was made by no run.
            run: ended.as_ref().map(|ended| ended.run).filter(|run| *run > 0),
            ended_at: ended.map(|ended| ended.time),
            generation: point.generation,
            fingerprint: before.map(|_| point.fingerprint.to_string()),
            plugin_version: before.map(|recipe| recipe.version.clone()),
            model: point.model.clone(),
            worker: point.worker.clone(),
            executions: point.executions,
            calls: point.calls,
            input_tokens: point.usage.input_tokens,
            output_tokens: point.usage.output_tokens,
        })
    }

    fn upstreams(&self, component: &Component) -> Vec<UpstreamReport> {
        let tasks = self.tasks.iter();
        tasks
            .filter(|task| component.depends_on.contains(&task.component))
            .map(|task| UpstreamReport {
                component: task.component.clone(),
                path: task.path.clone(),
                action: (&task.action).into(),
                reasons: task.causes.iter().map(ToString::to_string).collect(),
            })
            .collect()
    }

    fn task(&self, component: &str) -> TaskId {
        TaskId {
            dataset: self.state.indexed.id,
            record: self.id.to_owned(),
            component: component.to_owned(),
        }
    }

    fn ended(&self, component: &str) -> Result<Option<store::EndedAt>, Failure> {
        let task = self.task(component);
        self.state.store.ended_at(&task).map_err(Failure::internal)
    }

    /// When an edit of its file was replaced last, if one was.
    fn replaced_edit(&self, component: &str) -> Result<Option<String>, Failure> {
        let kept = self.state.store.kept_edit(&self.task(component));
        let kept = kept.map_err(Failure::internal)?;
        Ok(kept.map(|kept| kept.replaced_at))
    }

    /// What something of the record, its category or an upstream is now.
    fn value(&self, change: &Change) -> Result<Option<String>, Failure> {
        let Some(record) = &self.record else {
            return Ok(None);
        };
        Ok(match change {
            // All fields are too many to show.
            Change::Field(name) | Change::CategoryField(name) if name == ALL_FIELDS => None,
            Change::Record("name") => Some(record.name.clone()),
            Change::Record(_) => Some(record.category.clone()),
            Change::Field(name) => Some(
                record
                    .fields
                    .json(name)
                    .map_or_else(|| "absent".to_owned(), Cow::into_owned),
            ),
            Change::CategoryField(name) => Some(
                self.project
                    .dataset
                    .category_fields(&record.category)
                    .and_then(|fields| fields.json(name))
                    .map_or_else(|| "absent".to_owned(), Cow::into_owned),
            ),
            Change::Upstream(name) => {
                let mut tasks = self.tasks.iter();
                match tasks.find(|task| task.component == *name) {
                    Some(task) if task.action == PlannedAction::Edited => {
                        Some(format!("{}, edited by hand", task.path))
                    }
                    Some(task) if task.action == PlannedAction::UpToDate => self
                        .ended(name)?
                        .map(|ended| format!("{}, made by run {}", task.path, ended.run)),
                    Some(task) => Some(format!("{}, to be made again", task.path)),
                    None => None,
                }
            }
            _ => None,
        })
    }
}

fn short(text: String) -> String {
    if text.chars().count() <= SHOWN {
        return text;
    }
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut}…")
}

/// What a plain `batchgen run` does with the task.
fn next_run(task: &TaskPreview, component: &Component, record: &str) -> String {
    match &task.action {
        PlannedAction::UpToDate => "leaves it as it is".to_owned(),
        PlannedAction::Edited => {
            "leaves the file as it was edited; what depends on it sees the edit".to_owned()
        }
        PlannedAction::Accepted => {
            "leaves the accepted edit, though what it was made from has changed; `batchgen accept` confirms it, `batchgen run \
             --overwrite-edited` makes it again"
                .to_owned()
        }
        PlannedAction::FromModel => {
            "leaves the file that a real model wrote, which the offline stand-in would replace; name the model with \
             --model, or in batchgen.toml"
                .to_owned()
        }
        PlannedAction::Runs => match task.probe.as_ref().map(|probe| &probe.end) {
            Some(ProbeEnd::Asks { .. }) => "makes it, and asks for what is not answered".to_owned(),
            Some(_) if component.parameters.is_some() => {
                "makes it from answers that the journal has".to_owned()
            }
            _ => "makes it".to_owned(),
        },
        PlannedAction::Fails(failure) => format!("tries it, and it fails, {failure}"),
        PlannedAction::StaysFailed(_) => format!(
            "leaves it failed, since it would fail the same way again; `batchgen retry --record {record} --component {}` \
             tries it",
            task.component
        ),
        PlannedAction::DependsOnUpstream => {
            "makes it if what it depends on comes out different".to_owned()
        }
        PlannedAction::Blocked { by } => format!("cannot make it, since {by} fails"),
        PlannedAction::Skipped { by } => format!("gives up the record, since {by} fails"),
        PlannedAction::Unreadable { cause } => format!("cannot read the record: {cause}"),
        PlannedAction::NotSampled(sample) => format!(
            "does not make it, and leaves its file if there is one: {} is made for a sample of {sample}, and {record} is not in it",
            task.component
        ),
    }
}

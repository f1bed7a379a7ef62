//! One task again, from what it was told: the component is run with the answers of its transcript and with the
//! files that are there now. No network, and nothing is written.

use std::sync::Arc;

use super::input::UpstreamText;
use super::replay::{Asking, replay};
use super::staleness::StalenessCheck;
use super::step::TaskFailure;
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Record};
use plugin::sandbox::{LogLine, Question};
use store::{Checkpoint, IndexedDataset, Store, StoreError, TaskId};
use types::digest::Digest;
use types::request::{Answer, CompletionRequest};

/// How a task went, again.
#[derive(Debug)]
pub struct Recorded {
    /// Questions and answers, in order.
    pub told: Vec<(Arc<CompletionRequest>, Answer)>,
    pub end: RecordedEnd,
    /// What the component logged.
    pub log: Vec<LogLine>,
    /// Path of its file below the output directory.
    pub path: String,
    /// The file that is there now.
    pub file: Option<Vec<u8>>,
    /// Whether what it is made from is not what it was made from then.
    pub changed: bool,
}

/// How a replay ended.
#[derive(Debug)]
pub enum RecordedEnd {
    Made(String),
    /// The way it failed.
    Failed(TaskFailure),
    /// It asks what it was never told.
    Unanswered(Arc<CompletionRequest>),
    /// It asks something else than it did then.
    Differs(Arc<CompletionRequest>),
}

/// Where the task's ingredients are.
pub struct Place<'a> {
    pub store: Store,
    /// The dataset in its index.
    pub indexed: &'a IndexedDataset,
    pub dataset: Arc<Dataset>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    pub output_root: std::path::PathBuf,
    pub components: &'a [Component],
}

/// Replays a task that ran before; `None` if it never did.
pub fn recorded(
    place: Place<'_>,
    component: &Component,
    record: &Record,
) -> Result<Option<Recorded>, StoreError> {
    let staleness = StalenessCheck {
        site: place.site,
        ..StalenessCheck::of_reader(
            &place.dataset,
            place.indexed,
            place.store,
            place.output_root,
        )
    };
    let points = staleness.store.checkpoints(place.indexed.id, &record.id)?;
    let of = |component: &Component| {
        let mut points = points.iter();
        points.find(|point| point.component == component.name)
    };
    let Some(point) = of(component) else {
        return Ok(None);
    };
    let files: Vec<UpstreamFile<'_>> = component
        .depends_on
        .iter()
        .filter_map(|name| place.components.iter().find(|other| other.name == *name))
        .map(|other| UpstreamFile {
            component: other,
            file: file_of(&staleness, other, record, of(other)),
        })
        .collect();
    let task = TaskId {
        dataset: place.indexed.id,
        record: record.id.clone(),
        component: component.name.clone(),
    };
    let transcript = staleness
        .store
        .transcript(&task, point.fingerprint, point.generation)?;
    let contents: Vec<(&str, Option<Digest>)> = files
        .iter()
        .map(|upstream| {
            let content = upstream.file.as_ref().map(|(content, _)| *content);
            (upstream.component.name.as_str(), content)
        })
        .collect();
    let verdicts = staleness.store.verdicts(place.indexed.id, &record.id)?;
    let made_from = staleness.made_from(component, record, &contents, &verdicts);
    let Replayed { told, end, log } = replay_told(
        &staleness,
        &place.dataset,
        (component, record),
        &files,
        Asking {
            generation: point.generation,
            feedback: &made_from.feedback,
        },
        &transcript,
    );
    let path = component.output.path(&record.id, &record.category);
    Ok(Some(Recorded {
        told,
        end,
        log,
        file: store::read_output(&staleness.output_root.join(&path)).ok(),
        path,
        changed: made_from.fingerprint != point.fingerprint,
    }))
}

/// The file of an upstream as it is now, with its hash, if there is one.
struct UpstreamFile<'a> {
    component: &'a Component,
    file: Option<(Digest, String)>,
}

struct Replayed {
    told: Vec<(Arc<CompletionRequest>, Answer)>,
    end: RecordedEnd,
    log: Vec<LogLine>,
}

/// Runs the component with the answers of a transcript, as far as it asks what it asked then.
fn replay_told(
    staleness: &StalenessCheck,
    dataset: &Dataset,
    (component, record): (&Component, &Record),
    files: &[UpstreamFile<'_>],
    asking: Asking<'_>,
    transcript: &[(Digest, Answer)],
) -> Replayed {
    let texts: Vec<UpstreamText<'_>> = files
        .iter()
        .filter_map(|upstream| {
            let (_, text) = upstream.file.as_ref()?;
            Some(UpstreamText {
                component: upstream.component,
                text,
            })
        })
        .collect();
    let mut told = Vec::new();
    let answer = |question: &Question| {
        let request = || Arc::clone(&question.request);
        match transcript.get(question.position as usize) {
            None => Err(RecordedEnd::Unanswered(request())),
            Some((key, _)) if *key != question.key => Err(RecordedEnd::Differs(request())),
            Some((_, answer)) => {
                told.push((request(), answer.clone()));
                Ok(answer.clone())
            }
        }
    };
    let replayed = replay(
        component,
        dataset,
        &staleness.site,
        record,
        &texts,
        asking,
        answer,
    );
    let (end, log) = match replayed {
        Err(end) => (end, Vec::new()),
        Ok(replay) => {
            let end = match replay.artifact {
                Ok(text) => RecordedEnd::Made(text),
                Err(failure) => RecordedEnd::Failed(failure),
            };
            (end, replay.log)
        }
    };
    Replayed { told, end, log }
}

/// The file of a component that dependents see, if there is one, and its hash.
fn file_of(
    staleness: &StalenessCheck,
    component: &Component,
    record: &Record,
    point: Option<&Checkpoint>,
) -> Option<(Digest, String)> {
    let path = component.output.path(&record.id, &record.category);
    let content = staleness.usable(&path, (&record.id, &component.name), point)?;
    let text = store::read_output_text(&staleness.output_root.join(path)).ok()?;
    Some((content, text))
}

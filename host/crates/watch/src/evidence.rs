//! What is known of one task: how it failed, what it was asked and answered, and its file. Read from the state when
//! somebody asks; the questions are made again by a replay of the component, since only answers are stored.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::markdown::{self, Node};
use super::verdicts::Judged;
use config::SiteConfig;
use config::component::Component;
use dataset::Dataset;
use engine::{Place, RecordedEnd, ReviewedFile, Reviewer, recorded};
use plan::decision::{Author, OutcomeKind};
use store::{
    CallNote, Checkpoint, IndexedDataset, RecordRef, Store, StoreError, TaskId, TaskRow, TaskSearch,
};
use types::class::FailureClass;
use types::render::render;
use types::request::{Answer, CompletionRequest, ResponseFormat};

/// Bytes of a text that are shown.
const LONGEST: usize = 64 * 1024;
/// Questions of a task that are shown.
const MOST: usize = 40;

/// Where tasks can be looked up.
#[derive(Clone)]
pub struct Evidence {
    pub state: PathBuf,
    /// The dataset in its index.
    pub indexed: IndexedDataset,
    pub dataset: Arc<Dataset>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    pub output_root: PathBuf,
    /// All components that may be asked for, and what they depend on.
    pub components: Vec<Component>,
}

/// What is known of a task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskEvidence {
    /// Id of the record.
    pub record: String,
    /// Id of its category.
    pub category: String,
    /// Name of the component.
    pub component: String,
    pub outcome: OutcomeKind,
    /// Its class, if it failed.
    pub class: Option<FailureClass>,
    /// Why it is not done.
    pub cause: Option<String>,
    /// What a person does about it.
    pub advice: Option<&'static str>,
    /// Times in a row that it failed like this.
    pub attempts: u32,
    /// Path of its file below the output directory.
    pub path: String,
    /// Who wrote its file: `model`, `stand-in`, `component` or `person`.
    pub written_by: Option<&'static str>,
    /// The file, as far as it is text.
    pub artifact: Option<String>,
    /// The file as a tree of elements, where it is Markdown.
    pub rendered: Option<Vec<Node>>,
    /// What was said of the file.
    pub judged: Judged,
    /// When it ended, in UTC.
    pub ended_at: Option<String>,
    /// What it was asked and answered, in order.
    pub exchanges: Vec<Exchange>,
    /// Why questions or answers are missing, if so.
    pub note: Option<String>,
}

/// One question and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    pub question: Vec<Said>,
    /// The schema that the answer must fit.
    pub schema: Option<String>,
    /// What was answered; nothing if nothing was.
    pub answer: Option<Said>,
    /// The answer as a tree of elements, where it is a text.
    pub rendered: Option<Vec<Node>>,
    /// What the answer took.
    pub call: Option<CallNote>,
}

/// What one side said.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// `system`, `user` or `assistant`; of an answer the model, or why there is none.
    pub role: String,
    pub text: String,
}

impl Evidence {
    /// What is known of a task; `None` if nothing is.
    pub fn of(&self, record: &str, component: &str) -> Result<Option<TaskEvidence>, StoreError> {
        let store = Store::open_reading(&self.state)?;
        let points = store.checkpoints(self.indexed.id, record)?;
        let point = points.iter().find(|point| point.component == component);
        let Some((point, known)) = point.zip(store.find_record(&self.indexed, record)?) else {
            return Ok(None);
        };
        let (mut exchanges, note) = self.exchanges(&store, &known, component)?;
        let task = TaskId {
            dataset: self.indexed.id,
            record: record.to_owned(),
            component: component.to_owned(),
        };
        let calls = store.calls_of(&task, point)?;
        for (exchange, call) in exchanges.iter_mut().zip(calls) {
            exchange.call = Some(call);
        }
        let ended_at = store.ended_at(&task)?.map(|ended| ended.time);
        let judged = self.judged(&store, &known, point)?;
        let artifact = self.artifact(point);
        let is_markdown = point.path.ends_with(".md");
        let class = point.outcome.class();
        Ok(Some(TaskEvidence {
            record: record.to_owned(),
            category: known.category,
            component: component.to_owned(),
            outcome: point.outcome.kind(),
            class,
            cause: point.cause.as_deref().map(shown),
            advice: class.map(|class| class.advice()),
            attempts: point.attempts,
            path: point.path.clone(),
            written_by: point.author.map(Author::as_str),
            rendered: artifact
                .as_deref()
                .filter(|_| is_markdown)
                .map(markdown::tree),
            artifact,
            judged,
            ended_at,
            exchanges,
            note,
        }))
    }

    /// Tasks that somebody looks for.
    pub fn find(&self, search: &TaskSearch) -> Result<Vec<TaskRow>, StoreError> {
        Store::open_reading(&self.state)?.find_tasks(self.indexed.id, search)
    }

    /// What was said of the task's file. Of a file that cannot be reviewed the hash of its checkpoint counts.
    fn judged(
        &self,
        store: &Store,
        known: &RecordRef,
        point: &Checkpoint,
    ) -> Result<Judged, StoreError> {
        let kept = store.kept_verdicts(self.indexed.id, &known.id)?;
        let reviewed = self.reviewed(store, known, &point.component)?;
        let content = reviewed.as_ref().map(|file| file.content);
        let content = content.or(point.content);
        Ok(Judged::new(
            &point.component,
            content,
            reviewed.as_ref(),
            &kept,
        ))
    }

    /// The file as a person would review it.
    fn reviewed(
        &self,
        store: &Store,
        known: &RecordRef,
        component: &str,
    ) -> Result<Option<ReviewedFile>, StoreError> {
        let mut components = self.components.iter();
        let Some(component) = components.find(|other| other.name == component) else {
            return Ok(None);
        };
        let reviewer = Reviewer::new(
            store,
            &self.dataset,
            &self.indexed,
            vec![component.clone()],
            self.output_root.clone(),
        );
        Ok(reviewer.files(known)?.pop())
    }

    /// The beginning of the task's file.
    fn artifact(&self, point: &Checkpoint) -> Option<String> {
        point.content?;
        let file = File::open(self.output_root.join(&point.path)).ok()?;
        let mut bytes = Vec::new();
        // One more, so that a cut is seen.
        file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).ok()?;
        Some(shown(&String::from_utf8_lossy(&bytes)))
    }

    fn exchanges(
        &self,
        store: &Store,
        known: &RecordRef,
        component: &str,
    ) -> Result<(Vec<Exchange>, Option<String>), StoreError> {
        let without = |why: &str| Ok((Vec::new(), Some(why.to_owned())));
        let mut components = self.components.iter();
        let Some(component) = components.find(|other| other.name == component) else {
            return without(
                "the component is not part of this run, so its questions are not made again",
            );
        };
        let Ok(record) = self.dataset.read(known.place) else {
            return without("the record cannot be read, so its questions are not made again");
        };
        let place = Place {
            store: store.clone(),
            indexed: &self.indexed,
            dataset: Arc::clone(&self.dataset),
            site: self.site.clone(),
            output_root: self.output_root.clone(),
            components: &self.components,
        };
        let Some(replayed) = recorded(place, component, &record)? else {
            return Ok((Vec::new(), None));
        };
        let mut exchanges: Vec<Exchange> = replayed
            .told
            .iter()
            .take(MOST)
            .map(|(request, answer)| exchange(request, Some(answer)))
            .collect();
        let mut note = None;
        match &replayed.end {
            RecordedEnd::Unanswered(request) => exchanges.push(exchange(request, None)),
            RecordedEnd::Differs(_) => {
                note = Some("what it is made from has changed, so it asks other questions now");
            }
            RecordedEnd::Made(_) | RecordedEnd::Failed(_) => {}
        }
        if replayed.changed && note.is_none() {
            note = Some("what it is made from has changed since it ran");
        }
        Ok((exchanges, note.map(str::to_owned)))
    }
}

fn exchange(request: &CompletionRequest, answer: Option<&Answer>) -> Exchange {
    let said = render(request);
    let said = said.iter().map(|message| Said {
        role: message.role.as_str().to_owned(),
        text: shown(&message.content),
    });
    let seen = request.images.iter().map(|image| Said {
        role: "picture".to_owned(),
        text: shown(&image.in_words()),
    });
    let question = said.chain(seen).collect();
    let schema = match &request.format {
        ResponseFormat::JsonSchema(schema) => Some(shown(&format!("{:#}", schema.value()))),
        _ => None,
    };
    let answer = answer.map(|answer| {
        let (role, text) = match answer {
            Answer::Completion(completion) => (completion.model.as_str(), &completion.text),
            Answer::ContentFiltered(cause) => ("content filtered", cause),
            Answer::ContextTooLong(cause) => ("context too long", cause),
        };
        Said {
            role: role.to_owned(),
            text: shown(text),
        }
    });
    let is_text = matches!(request.format, ResponseFormat::Text);
    let rendered = answer.as_ref().filter(|_| is_text);
    Exchange {
        question,
        schema,
        rendered: rendered.map(|answer| markdown::tree(&answer.text)),
        answer,
        call: None,
    }
}

/// A text, or the beginning of a long one.
pub(super) fn shown(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
    let beginning = end.and_then(|end| text.get(..end)).unwrap_or_default();
    format!("{beginning}\n[cut off]")
}

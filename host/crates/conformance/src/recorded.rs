//! Answers that the author of a plugin recorded. A check is told them in place of what the stand-in for a model writes: that
//! one knows the rules and the schema of a request, and no rule that only the component knows.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use toml::Spanned;

use config::component::Component;
use types::request::CompletionRequest;
use types::suggest::closest;

/// Name of the file, which lies beside the plugin.
pub const ANSWERS_FILE: &str = "answers.toml";

/// Answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The file cannot be read.
    #[error("cannot read the recorded answers {}: {cause}\nhint: name a file that is there, or none", file.display())]
    Unreadable { file: PathBuf, cause: String },
    /// It is not TOML, or has other keys.
    #[error("the recorded answers {} are not valid: {}\nhint: {}", file.display(), cause.trim_end(), hint(cause))]
    Invalid {
        file: PathBuf,
        /// Place and cause, as the parser says.
        cause: String,
    },
    /// An answer says nothing, or a condition fits everything.
    #[error("{}:{line}: `{key}` is empty\nhint: {}", file.display(), empty_hint(key))]
    Empty {
        file: PathBuf,
        line: usize,
        key: &'static str,
    },
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    answer: Vec<Spanned<Entry>>,
}

/// One answer, and what it is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    text: String,
    record: Option<String>,
    component: Option<String>,
    question: Option<String>,
}

/// The answers of one file, for one plugin.
#[derive(Debug, Default)]
pub struct Recorded {
    file: PathBuf,
    plugin: String,
    answers: Vec<RecordedAnswer>,
}

/// One of them.
#[derive(Debug)]
struct RecordedAnswer {
    entry: Entry,
    line: usize,
    /// Whether somebody was told it.
    used: AtomicBool,
}

impl Recorded {
    /// Reads the answers for a plugin. Where none is named, they are in [`ANSWERS_FILE`] beside its file, if that is there.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn read(
        named: Option<&Path>,
        plugin_file: &Path,
        plugin: &str,
    ) -> Result<Recorded, RecordedError> {
        let file = named.map_or_else(|| plugin_file.with_file_name(ANSWERS_FILE), Path::to_owned);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => {
                return Ok(Recorded::default());
            }
            Err(error) => {
                return Err(RecordedError::Unreadable {
                    file,
                    cause: error.to_string(),
                });
            }
        };
        Recorded::parse(file, plugin, &text)
    }

    fn parse(file: PathBuf, plugin: &str, text: &str) -> Result<Recorded, RecordedError> {
        let read: File = match toml::from_str(text) {
            Ok(read) => read,
            Err(error) => {
                return Err(RecordedError::Invalid {
                    file,
                    cause: error.to_string(),
                });
            }
        };
        let line = |entry: &Spanned<Entry>| {
            let before = text.get(..entry.span().start).unwrap_or_default();
            before.matches('\n').count() + 1
        };
        let mut answers = Vec::new();
        for entry in read.answer {
            let line = line(&entry);
            let entry = entry.into_inner();
            if let Some(key) = entry.empty() {
                return Err(RecordedError::Empty { file, line, key });
            }
            answers.push(RecordedAnswer {
                entry,
                line,
                used: AtomicBool::new(false),
            });
        }
        Ok(Recorded {
            file,
            plugin: plugin.to_owned(),
            answers,
        })
    }

    /// The file, and how many answers it has; `None` where there are none.
    pub fn about(&self) -> Option<(&Path, usize)> {
        let count = self.answers.len();
        (count > 0).then_some((self.file.as_path(), count))
    }

    /// What a question is answered; `None` where nothing was recorded for it.
    pub fn answer(
        &self,
        component: &Component,
        record: &str,
        request: &CompletionRequest,
    ) -> Option<&str> {
        let answer = self.find(component, record, request)?;
        answer.used.store(true, Ordering::Relaxed);
        Some(answer.entry.text.trim())
    }

    /// Where the answer to a question stands, as `FILE:LINE`.
    pub(super) fn place(
        &self,
        component: &Component,
        record: &str,
        request: &CompletionRequest,
    ) -> Option<String> {
        let answer = self.find(component, record, request)?;
        Some(format!("{}:{}", self.file.display(), answer.line))
    }

    fn find(
        &self,
        component: &Component,
        record: &str,
        request: &CompletionRequest,
    ) -> Option<&RecordedAnswer> {
        self.answers.iter().find(|answer| {
            let Entry {
                record: of_record,
                component: of_component,
                question,
                ..
            } = &answer.entry;
            of_record.as_ref().is_none_or(|wanted| wanted == record)
                && match of_component {
                    Some(wanted) => *wanted == component.name,
                    None => component.plugin.package.manifest.plugin.name == self.plugin,
                }
                && question
                    .as_ref()
                    .is_none_or(|words| asks(request, words.trim()))
        })
    }

    /// Places of answers, as `FILE:LINE`, that nobody was told although their record was tried.
    pub fn unused(&self, tried: &[String]) -> Vec<String> {
        let unused = self.answers.iter().filter(|answer| {
            let record = answer.entry.record.as_deref();
            !answer.used.load(Ordering::Relaxed)
                && record.is_none_or(|record| tried.iter().any(|id| id == record))
        });
        unused
            .map(|answer| format!("{}:{}", self.file.display(), answer.line))
            .collect()
    }
}

impl Entry {
    /// A key of which nothing stands there.
    fn empty(&self) -> Option<&'static str> {
        let keys = [
            ("text", Some(&self.text)),
            ("record", self.record.as_ref()),
            ("component", self.component.as_ref()),
            ("question", self.question.as_ref()),
        ];
        let mut empty = keys
            .into_iter()
            .filter(|(_, value)| value.is_some_and(|value| value.trim().is_empty()));
        empty.next().map(|(key, _)| key)
    }
}

/// Whether these words stand in a question: in its messages or its facts. Where lines break is no matter.
fn asks(request: &CompletionRequest, words: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = plain(words);
    let messages = request
        .messages
        .iter()
        .map(|message| plain(&message.content));
    let mut texts = messages.chain([request.facts.to_string()]);
    texts.any(|text| text.contains(&words))
}

/// What to do about a file that is not valid.
fn hint(cause: &str) -> String {
    const SHAPE: &str = "an answer is [[answer]] and, below it, text = \"...\"; record, component or question say what it is for, \
                         where it is not for every question";
    let quoted: Vec<&str> = cause
        .lines()
        .find(|line| line.starts_with("unknown field"))
        .map(|line| line.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let meant = quoted
        .split_first()
        .and_then(|(unknown, known)| closest(unknown, known.iter().copied()));
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => SHAPE.to_owned(),
    }
}

fn empty_hint(key: &str) -> &'static str {
    match key {
        "text" => "write the answer as a model would give it",
        _ => "remove it, and the answer is for every question",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Recorded, RecordedError> {
        Recorded::parse(PathBuf::from("answers.toml"), "faq", text)
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
        for (text, words) in [
            (
                "[[answer]]\ntxt = 'a'\n",
                ["line 2, column 1", "did you mean `text`?"],
            ),
            (
                "[[answer]]\nrecord = 'a'\n",
                ["line 1, column 1", "text = "],
            ),
            (
                "[[answers]]\ntext = 'a'\n",
                ["line 1, column 3", "`answer`?"],
            ),
            ("text = \n", ["line 1, column 8", "[[answer]]"]),
            ("answer = 'a'\n", ["line 1, column 10", "[[answer]]"]),
            (
                "\n[[answer]]\ntext = 'a'\n\n# Two.\n[[answer]]\ntext = ' '\n",
                ["answers.toml:6: `text` is empty", "as a model would"],
            ),
            (
                "[[answer]]\ntext = 'a'\nquestion = ''\n",
                ["answers.toml:1: `question` is empty", "remove it"],
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            for words in words {
                assert!(error.contains(words), "{text}: {error}");
            }
            assert!(error.contains("answers.toml"), "{error}");
            assert!(error.contains("\nhint: "), "{error}");
        }
    }

    #[test]
    fn a_file_that_nobody_named_need_not_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("faq.wasm");
        assert!(
            Recorded::read(None, &plugin, "faq")
                .unwrap()
                .about()
                .is_none()
        );
        let named = folder.path().join("mine.toml");
        let error = Recorded::read(Some(&named), &plugin, "faq").unwrap_err();
        assert!(error.to_string().contains("mine.toml"), "{error}");
        let beside = folder.path().join(ANSWERS_FILE);
        fs::write(&beside, "[[answer]]\ntext = 'a'\n").unwrap();
        let recorded = Recorded::read(None, &plugin, "faq").unwrap();
        assert_eq!(recorded.about(), Some((beside.as_path(), 1)));
    }
}

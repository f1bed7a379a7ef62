//! Reads the lines of a batch and answers them, on a thread of its own. A line is in memory, never a file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use offline::Chance;

use super::fault::{BatchFaultKind, Event};
use super::job::{Answered, BatchError, Checked, Counts, Job, Line, Stage};
use super::line_faults::LineFaults;
use super::protocol::{Outcome, Protocol, Rendered};
use super::script::BatchScript;
use crate::chat::{Chat, hash};
use crate::ledger::{Bill, BilledFor, Tokens};
use crate::problem::{Problem, of_fault};
use crate::provider::Provider;
use crate::reply::Asked;

/// Most lines that a failed validation names.
const NAMED: usize = 100;
/// Bytes before a line that is too long.
const LONG: usize = 9 << 20;
/// Most lines of a batch, where the script does not say it.
const LINES: u64 = 50_000;

/// A batch as far as its worker needs it.
#[derive(Debug)]
pub struct Work {
    pub number: u64,
    pub id: Arc<str>,
    pub protocol: Protocol,
    pub input: Arc<File>,
    pub endpoint: String,
    pub model: Option<String>,
    pub lines: Arc<Vec<Line>>,
    pub script: Arc<BatchScript>,
    pub fate: Option<BatchFaultKind>,
}

impl Work {
    /// What is to be done for a batch.
    pub fn of(job: &Job, protocol: Protocol) -> Work {
        Work {
            number: job.number,
            id: protocol.id(job).into(),
            protocol,
            input: Arc::clone(&job.new.input.content),
            endpoint: job.new.endpoint.clone(),
            model: job.model.clone(),
            lines: Arc::clone(&job.lines),
            script: Arc::clone(&job.script),
            fate: job.fate,
        }
    }
}

/// Reads a file from its beginning. Several batches may read one file at once, which has only one position of its own.
struct Reading<'f> {
    file: &'f File,
    at: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Reads all lines and finds what is wrong with them.
///
/// # Errors
/// The disk fails.
pub fn check(faults: &LineFaults, work: &Work) -> io::Result<Checked> {
    let mut checked = Checked::default();
    let mut names = HashSet::new();
    let whole = Reading {
        file: &work.input,
        at: 0,
    };
    let mut reader = BufReader::with_capacity(1 << 18, whole);
    let (mut bytes, mut start, mut number) = (Vec::new(), 0, 0);
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes)?;
        if read == 0 || faults.is_stopped() {
            break;
        }
        number += 1;
        if !bytes.trim_ascii().is_empty() {
            let found = check_line(faults, work, &bytes, number, &mut checked, &mut names);
            match found {
                Ok(custom_id) => checked.lines.push(Line {
                    start,
                    bytes: u32::try_from(read).unwrap_or(u32::MAX),
                    custom_id,
                }),
                Err(error) if checked.errors.len() < NAMED => checked.errors.push(BatchError {
                    line: Some(number),
                    ..error
                }),
                Err(_) => {}
            }
        }
        start += read as u64;
    }
    if work.protocol.fails_as_a_whole() {
        checked.errors.extend(whole_fault(work, &checked));
    }
    Ok(checked)
}

fn check_line(
    faults: &LineFaults,
    work: &Work,
    bytes: &[u8],
    number: u64,
    checked: &mut Checked,
    names: &mut HashSet<u128>,
) -> Result<Box<str>, BatchError> {
    let line = work.protocol.read(bytes, &work.endpoint)?;
    let wrong = |code, message: &str, param| BatchError {
        code,
        message: message.to_owned(),
        line: Some(number),
        param: Some(param),
    };
    let is_new = names.insert(hash(line.custom_id.as_bytes()));
    if !is_new && work.protocol.checks_names() {
        return Err(wrong(
            "duplicate_custom_id",
            "The custom_id for this request is a duplicate of another request. The custom_id parameter must be \
             unique for each request in a batch.",
            "custom_id",
        ));
    }
    if let Ok(chat) = work.protocol.chat(&line, work.model.as_deref()) {
        let first = checked.model.get_or_insert_with(|| chat.model.clone());
        if work.protocol.has_one_model() && *first != chat.model {
            return Err(wrong(
                "model_mismatch",
                "The provided model does not match that of the other requests. All requests in a batch must use the \
                 same model.",
                "body.model",
            ));
        }
        checked.tokens += chat.input_tokens();
        let fault = faults.befall_line(&work.script, Event::Checked, faults.next_checked(), &chat);
        if fault.is_some() && work.protocol.fails_as_a_whole() {
            return Err(wrong(
                "invalid_request",
                "This request cannot be processed.",
                "body",
            ));
        }
    }
    Ok(line.custom_id.into())
}

/// What is wrong with the file as a whole, when its lines were read.
fn whole_fault(work: &Work, checked: &Checked) -> Option<BatchError> {
    let say = |code, message: String| {
        Some(BatchError {
            code,
            message,
            line: None,
            param: None,
        })
    };
    let most = work.script.limits.lines.unwrap_or(LINES);
    if checked.lines.is_empty() && checked.errors.is_empty() {
        return say("empty_file", "The input file is empty.".to_owned());
    }
    if checked.lines.len() as u64 > most {
        let message =
            format!("The batch input file contains more than the maximum of {most} requests.");
        return say("too_many_tasks", message);
    }
    match work.fate {
        Some(BatchFaultKind::Failed) => say(
            "server_error",
            "The batch failed for an internal error.".to_owned(),
        ),
        Some(BatchFaultKind::TokenLimit) => Some(too_many_tokens(
            checked.model.as_deref().unwrap_or_default(),
            work.script.limits.enqueued_tokens.unwrap_or(2_000_000),
        )),
        _ => None,
    }
}

/// Why a batch fails that is one too many.
pub fn too_many_tokens(model: &str, limit: u64) -> BatchError {
    let digits = limit.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    BatchError {
        code: "token_limit_exceeded",
        message: format!(
            "Enqueued token limit reached for {model} in organization org-simulated. Limit: {grouped} enqueued tokens. \
             Please try again once some in_progress batches have been completed."
        ),
        line: None,
        param: None,
    }
}

/// A file that lines are written to.
struct Results {
    writer: BufWriter<File>,
    bytes: u64,
}

impl Results {
    fn new() -> io::Result<Results> {
        Ok(Results {
            writer: BufWriter::with_capacity(1 << 18, tempfile::tempfile()?),
            bytes: 0,
        })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(line.as_bytes())?;
        self.writer.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        Ok(())
    }

    /// The file, if anything is in it.
    fn close(self) -> io::Result<Option<(File, u64)>> {
        let file = self.writer.into_inner().map_err(io::Error::from)?;
        Ok((self.bytes > 0).then_some((file, self.bytes)))
    }
}

/// What answering made, before its files have ids.
#[derive(Debug, Default)]
pub struct Written {
    pub answered: Answered,
    pub output: Option<(File, u64)>,
    pub errors: Option<(File, u64)>,
}

/// Answers the lines that are to be answered, and writes what became of each.
///
/// # Errors
/// The disk fails.
pub fn answer(
    provider: &Provider,
    faults: &LineFaults,
    work: &Work,
    all: bool,
    end: Stage,
) -> io::Result<Written> {
    let mut order: Vec<usize> = (0..work.lines.len()).collect();
    let mut chance = Chance::new(provider.seed() ^ 0x5ba7c4).fork(work.number);
    if !work.script.in_order {
        for at in (1..order.len()).rev() {
            order.swap(at, chance.below(at + 1));
        }
    }
    if end == Stage::Expired && !work.protocol.keeps_what_expires() {
        return Ok(Written {
            answered: Answered {
                counts: Counts {
                    total: order.len() as u64,
                    expired: order.len() as u64,
                    ..Counts::default()
                },
                ..Answered::default()
            },
            ..Written::default()
        });
    }
    let answered = if all {
        order.len()
    } else {
        work.script.answered_of(order.len())
    };
    let mut writing = Writing {
        provider,
        faults,
        work,
        first: faults.next_lines(order.len()),
        output: Results::new()?,
        errors: Results::new()?,
        counts: Counts {
            total: order.len() as u64,
            ..Counts::default()
        },
        tokens: Tokens::default(),
        began: provider.now(),
        carried: None,
        buffer: Vec::new(),
    };
    for (at, place) in order.iter().enumerate() {
        if faults.is_stopped() {
            break;
        }
        let Some(line) = work.lines.get(*place) else {
            continue;
        };
        if at < answered {
            let next = order.get(at + 1).filter(|_| at + 1 < answered);
            let next = next.and_then(|place| work.lines.get(*place));
            writing.answer(*place, line, next)?;
        } else {
            writing.leave(line, end)?;
        }
    }
    Ok(Written {
        answered: Answered {
            counts: writing.counts,
            output: None,
            errors: None,
            tokens: writing.tokens,
        },
        output: writing.output.close()?,
        errors: writing.errors.close()?,
    })
}

struct Writing<'w> {
    /// When the first line was answered, on the provider's clock.
    began: Duration,
    provider: &'w Provider,
    faults: &'w LineFaults,
    work: &'w Work,
    /// The number of the first line among all that were answered.
    first: u64,
    output: Results,
    errors: Results,
    counts: Counts,
    tokens: Tokens,
    /// The name that the next answer gets, if two change places.
    carried: Option<Box<str>>,
    buffer: Vec<u8>,
}

impl Writing<'_> {
    /// Answers a line; the next one is needed if they change places.
    fn answer(&mut self, place: usize, line: &Line, next: Option<&Line>) -> io::Result<()> {
        let (dialect, work) = (self.provider.dialect(), self.work);
        self.buffer.resize(line.bytes as usize, 0);
        work.input.read_exact_at(&mut self.buffer, line.start)?;
        let number = self.first + place as u64;
        let id = format!("{}-{number}", work.id);
        // What was read once is read again the same.
        let Ok(read) = work.protocol.read(&self.buffer, &work.endpoint) else {
            return Ok(());
        };
        let chat = work.protocol.chat(&read, work.model.as_deref());
        let fault = match &chat {
            Ok(chat) => self
                .faults
                .befall_line(&work.script, Event::Line, number, chat),
            Err(_) => None,
        };
        let problem = match (&chat, fault) {
            (Err(problem), _) => Some(problem.clone()),
            // Where no batch fails as a whole, all of its lines do.
            _ if work.fate == Some(BatchFaultKind::Failed) => Some(Problem::Server(500)),
            (Ok(_), Some(BatchFaultKind::Answer(kind))) => of_fault(kind),
            _ => None,
        };
        let mut name = self
            .carried
            .take()
            .unwrap_or_else(|| line.custom_id.clone());
        if let (Some(BatchFaultKind::LineSwapped), Some(next)) = (fault, next) {
            self.carried = Some(name);
            name = next.custom_id.clone();
        }
        let rendered = match (&chat, &problem) {
            (Ok(chat), None) => self.bill(number, line, &id, chat, fault, &name),
            (_, Some(problem)) => self.refuse(&name, &id, problem),
            (Err(_), None) => return Ok(()),
        };
        if fault == Some(BatchFaultKind::LineForeign) {
            let foreign = format!("foreign-{number}");
            let line = work.protocol.render(
                dialect,
                &foreign,
                &id,
                &Outcome::Refused(&Problem::Server(500)),
            );
            self.write(&line, None)?;
        }
        self.write(&rendered, fault)
    }

    fn bill(
        &mut self,
        number: u64,
        line: &Line,
        id: &str,
        chat: &Chat,
        fault: Option<BatchFaultKind>,
        name: &str,
    ) -> Rendered {
        let asked = Asked {
            number,
            id,
            chat,
            fault: match fault {
                Some(BatchFaultKind::Answer(kind)) => Some(kind),
                _ => None,
            },
            cache: self.provider.cached_for_line(&chat.marked, self.began),
            arrived: self.provider.now(),
        };
        let (answer, bill) = self.provider.model().answer_line(&asked);
        self.provider.bill_line(&Bill {
            line: Some(BilledFor {
                batch: Arc::clone(&self.work.id),
                custom_id: line.custom_id.clone(),
            }),
            ..bill
        });
        self.counts.succeeded += 1;
        self.tokens.input += answer.input_tokens;
        self.tokens.output += answer.output_tokens;
        self.tokens.reasoning += answer.reasoning_tokens;
        let outcome = Outcome::Answered(chat, &answer);
        self.work
            .protocol
            .render(self.provider.dialect(), name, id, &outcome)
    }

    fn refuse(&mut self, name: &str, id: &str, problem: &Problem) -> Rendered {
        self.counts.errored += 1;
        let outcome = Outcome::Refused(problem);
        self.work
            .protocol
            .render(self.provider.dialect(), name, id, &outcome)
    }

    /// Says of a line why it was not answered.
    fn leave(&mut self, line: &Line, end: Stage) -> io::Result<()> {
        let outcome = if end == Stage::Expired {
            self.counts.expired += 1;
            Outcome::Expired
        } else {
            self.counts.cancelled += 1;
            Outcome::Cancelled
        };
        let id = format!("{}-left", self.work.id);
        let rendered =
            self.work
                .protocol
                .render(self.provider.dialect(), &line.custom_id, &id, &outcome);
        self.write(&rendered, None)
    }

    fn write(&mut self, line: &Rendered, fault: Option<BatchFaultKind>) -> io::Result<()> {
        let results = if line.is_error {
            &mut self.errors
        } else {
            &mut self.output
        };
        match fault {
            Some(BatchFaultKind::LineMissing) => Ok(()),
            Some(BatchFaultKind::LineBroken) => {
                let mut half = line.text.clone();
                crate::chat::truncate(&mut half, line.text.len() / 2);
                results.write(&half)
            }
            Some(BatchFaultKind::LineLong) => {
                results.write(&format!("{}{}", " ".repeat(LONG), line.text))
            }
            Some(BatchFaultKind::LineTwice) => {
                results.write(&line.text)?;
                results.write(&line.text)
            }
            _ => results.write(&line.text),
        }
    }
}

//! What a reasoning model thought before it answered, where its server left that in the answer.

use super::code::Code;

/// Where thoughts are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the answer: what stands later may be a string of JSON.
    Ahead,
    /// Between its sentences, too.
    Anywhere,
}

/// What thoughts stand in.
struct Marks {
    open: &'static str,
    close: &'static str,
    /// Whether nothing but thoughts is ever put into them, wherever they stand.
    anywhere: bool,
}

const fn marks(open: &'static str, close: &'static str, anywhere: bool) -> Marks {
    Marks {
        open,
        close,
        anywhere,
    }
}

/// Those of the known models, in lower case. A tag without `>` may have attributes.
const MARKS: [Marks; 13] = [
    marks("<think", "</think>", true),
    marks("<thinking", "</thinking>", true),
    marks("<thinking", "</thinking>", true),
    marks("<seed:think", "</seed:think>", true),
    marks("<thought", "</thought>", false),
    marks("<thoughts", "</thoughts>", false),
    marks("<reasoning", "</reasoning>", false),
    marks("<scratchpad", "</scratchpad>", false),
    marks("[think]", "[/think]", true),
    marks("◁think▷", "◁/think▷", true),
    marks("<|begin_of_thought|>", "<|end_of_thought|>", true),
    marks("<|start_thinking|>", "<|end_thinking|>", true),
    marks("<|channel>thought", "<channel|>", true),
];

/// How often a model thinks in one answer, at most.
const MOST: usize = 20;

/// What the answer itself may be wrapped in, behind thoughts or without.
const WRAPS: [(&str, &str); 3] = [
    ("<answer>", "</answer>"),
    ("<final_answer>", "</final_answer>"),
    ("<final>", "</final>"),
];

/// The text without thoughts; empty if there is nothing else.
pub(super) fn removed(text: &str, place: Place) -> String {
    let mut rest = text.to_owned();
    for _ in 0..MOST {
        match without_one(&rest, place) {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    unwrapped(&rest).to_owned()
}

fn without_one(text: &str, place: Place) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.len() - lower.trim_start().len();
    for marks in &MARKS {
        if let Some(end) = opened(&lower, start, marks) {
            return Some(behind(text, closed(&lower, end, marks)));
        }
    }
    let code = Code::of(text);
    let stray = |marks: &Marks| stray(&lower, marks, &code, place);
    if let Some(end) = MARKS.iter().filter_map(stray).min() {
        return Some(behind(text, end));
    }
    if place == Place::Ahead {
        return None;
    }
    MARKS
        .iter()
        .filter(|marks| marks.anywhere)
        .find_map(|marks| without_inner(text, &lower, marks, &code))
}

fn behind(text: &str, end: usize) -> String {
    text.get(end..).unwrap_or_default().trim_start().to_owned()
}

/// Where thoughts that are opened at `start` begin.
fn opened(lower: &str, start: usize, marks: &Marks) -> Option<usize> {
    let rest = lower.get(start..)?.strip_prefix(marks.open)?;
    if marks
        .open
        .ends_with(|last: char| !last.is_ascii_lowercase())
        || marks.open.contains('|')
    {
        return Some(start + marks.open.len());
    }
    // A longer name is another tag.
    let attributes = rest.find('>')?;
    let fits = attributes == 0 || rest.starts_with(char::is_whitespace);
    (fits && !rest.get(..attributes)?.contains(['<', '\n']))
        .then(|| start + marks.open.len() + attributes + 1)
}

/// Where thoughts end: behind the mark that closes them, or with the text.
fn closed(lower: &str, from: usize, marks: &Marks) -> usize {
    let rest = lower.get(from..).unwrap_or_default();
    rest.find(marks.close)
        .map_or(lower.len(), |at| from + at + marks.close.len())
}

/// The end of a closing mark whose opening mark the server had put into the question, so that the answer begins with thoughts.
fn stray(lower: &str, marks: &Marks, code: &Code, place: Place) -> Option<usize> {
    let at = lower.find(marks.close)?;
    let (before, after) = (lower.get(..at)?, lower.get(at + marks.close.len()..)?);
    if before.contains(marks.open) {
        return None;
    }
    let line_ends = |text: &str, at_end: bool| {
        let text = text.trim_matches([' ', '\t']);
        text.is_empty()
            || if at_end {
                text.ends_with('\n')
            } else {
                text.starts_with(['\n', '\r'])
            }
    };
    let alone = line_ends(before, true) && line_ends(after, false);
    let counts = match place {
        Place::Anywhere => alone || !code.has(at),
        // Within a string of JSON neither a line break nor an object follows.
        Place::Ahead => {
            line_ends(before, true)
                || line_ends(after, false)
                || after.trim_start().starts_with(['{', '[', '`', '"'])
        }
    };
    counts.then_some(at + marks.close.len())
}

/// The text without thoughts that stand within it: whole ones, or those that begin a line and never end.
fn without_inner(text: &str, lower: &str, marks: &Marks, code: &Code) -> Option<String> {
    let starts = lower.match_indices(marks.open).map(|(at, _)| at);
    for start in starts.filter(|at| !code.has(*at)) {
        let Some(from) = opened(lower, start, marks) else {
            continue;
        };
        let end = closed(lower, from, marks);
        let ended = lower.get(..end)?.ends_with(marks.close) && end > from;
        let (before, after) = (text.get(..start)?, text.get(end..)?);
        if ended {
            return Some(joined(before, after));
        }
        if before.ends_with('\n') {
            return Some(before.to_owned());
        }
    }
    None
}

/// What stands before and behind thoughts, with no more white space between than one of them had.
fn joined(before: &str, after: &str) -> String {
    let (head, tail) = (before.trim_end(), after.trim_start());
    let gap_before = before.get(head.len()..).unwrap_or_default();
    let gap_after = after.get(..after.len() - tail.len()).unwrap_or_default();
    let breaks = |gap: &str| gap.matches('\n').count();
    let gap = if breaks(gap_after) > breaks(gap_before) || gap_before.is_empty() {
        gap_after
    } else {
        gap_before
    };
    format!("{head}{gap}{tail}")
}

/// What stands in a tag that wraps all of the answer.
fn unwrapped(text: &str) -> &str {
    let whole = text.trim();
    for (open, close) in WRAPS {
        let fits = |part: Option<&str>, mark: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(mark))
        };
        let end = whole.len().saturating_sub(close.len());
        if fits(whole.get(..open.len()), open)
            && fits(whole.get(end..), close)
            && let Some(inside) = whole.get(open.len()..end)
        {
            return inside.trim();
        }
    }
    text
}

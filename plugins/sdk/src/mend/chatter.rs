//! What a model says to the person who asked, before and behind the answer. It is known by its words: a text may begin with
//! "Here are three reasons:" and end with "If you need a durable wood, take oak."

/// What a model says before it answers.
const INTERJECTIONS: [&str; 10] = [
    "certainly",
    "sure",
    "sure thing",
    "of course",
    "absolutely",
    "okay",
    "ok",
    "great",
    "no problem",
    "gladly",
];

/// Beginnings of a line that presents something.
const PRESENTERS: [&str; 7] = [
    "here is",
    "here's",
    "here’s",
    "here are",
    "below is",
    "below are",
    "i have written",
];

/// Lines that present the answer whatever they go on with.
const HANDOVERS: [&str; 4] = [
    "here you go",
    "here it is",
    "here they are",
    "i have written",
];

/// Words by which such a line speaks of the answer, and not of what the answer is about.
const OF_THE_ANSWER: [&str; 32] = [
    "your",
    "you asked",
    "you requested",
    "as requested",
    "requested",
    "text",
    "article",
    "answer",
    "response",
    "description",
    "draft",
    "version",
    "summary",
    "headline",
    "paragraph",
    "sentence",
    "content",
    "json",
    "yaml",
    "html",
    "markdown",
    "post",
    "caption",
    "rewrite",
    "revision",
    "revised",
    "rewritten",
    "corrected",
    "updated",
    "improved",
    "translation",
    "the result",
];

/// Beginnings of a paragraph behind the answer.
const CLOSERS: [&str; 13] = [
    "let me know",
    "please let me know",
    "i hope",
    "hope this",
    "feel free",
    "if you need",
    "if you'd like",
    "if you would like",
    "would you like",
    "is there anything",
    "this answer",
    "note that this answer",
    "note: i",
];

/// Words by which such a paragraph speaks to the person who asked.
const TO_THE_ASKER: [&str; 26] = [
    " me ",
    " me,",
    " me.",
    " me!",
    "this helps",
    "that helps",
    "this answer",
    "note: i ",
    "i hope this",
    "i hope it",
    "anything else",
    "changes",
    "adjust",
    "revis",
    "edit",
    "modif",
    "tweak",
    "another",
    "rewrite",
    "rephrase",
    "different tone",
    "shorten",
    "further",
    "questions",
    "need more",
    "like more",
];

/// The most words of a line that is taken for chatter.
const MAX_WORDS: usize = 25;

/// The text without chatter.
pub(super) fn removed(text: &str) -> &str {
    without_closer(without_opener(text))
}

fn is_short(text: &str) -> bool {
    text.split_whitespace().count() <= MAX_WORDS && !text.contains("\n\n")
}

/// The text behind an interjection ("Certainly!") or a line that presents the answer.
fn without_opener(text: &str) -> &str {
    let interjection = interjection(text);
    let body = interjection.map_or(text, |(_, body)| body);
    if let Some(said) = presented(body, interjection.is_some()) {
        return said;
    }
    match interjection {
        Some(('!' | '.', body)) if !body.is_empty() => body,
        _ => text,
    }
}

/// What stands behind a line that presents the answer.
fn presented(text: &str, after_interjection: bool) -> Option<&str> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (head, tail) = line.split_once(':').unwrap_or((line, ""));
    let of_the_answer = |said: &str| {
        let said = said.to_lowercase();
        starts_with_any(&said, &HANDOVERS) || OF_THE_ANSWER.iter().any(|word| said.contains(word))
    };
    let presents = |said: &str| {
        (starts_with_any(said, &PRESENTERS) || starts_with_any(said, &HANDOVERS))
            && is_short(said)
            && of_the_answer(said)
    };
    if head.len() < line.len()
        && presents(head)
        && !(tail.trim().is_empty() && rest.trim().is_empty())
    {
        return text.get(head.len() + 1..).map(str::trim);
    }
    if rest.starts_with('\n') && presents(line) && !line.contains(". ") {
        return Some(rest.trim());
    }
    if after_interjection
        && let Some((said, tail)) = line.split_once(". ")
        && presents(said)
    {
        return text.get(line.len() - tail.len()..).map(str::trim);
    }
    None
}

/// The punctuation of a leading interjection and what stands behind it.
fn interjection(text: &str) -> Option<(char, &str)> {
    let (head, tail) = text.split_once(['!', '.', ','])?;
    let mark = text.get(head.len()..)?.chars().next()?;
    let said = head.trim().to_lowercase();
    INTERJECTIONS
        .contains(&said.as_str())
        .then(|| (mark, tail.trim_start()))
}

/// The text before a last paragraph that offers more, and before a rule that sets it off.
fn without_closer(text: &str) -> &str {
    // It may follow a fence without a blank line.
    let start = ["\n\n", "```\n"]
        .into_iter()
        .filter_map(|end| text.rfind(end).map(|at| at + end.len()));
    let Some((before, last)) = start.max().and_then(|start| text.split_at_checked(start)) else {
        return text;
    };
    let said = last.to_lowercase();
    let offers = starts_with_any(&said, &CLOSERS) && is_short(last);
    if !(offers && TO_THE_ASKER.iter().any(|word| said.contains(word))) {
        return text;
    }
    let before = before.trim_end();
    match before.rsplit_once('\n') {
        Some((text, "---" | "***" | "___")) => text.trim_end(),
        _ => before,
    }
}

/// Whether the text begins with one of the phrases, whatever its case, and the phrase ends there.
fn starts_with_any(text: &str, phrases: &[&str]) -> bool {
    let start: String = text.chars().take(40).collect::<String>().to_lowercase();
    phrases.iter().any(|phrase| {
        start
            .strip_prefix(phrase)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

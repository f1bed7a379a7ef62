//! Code fences of Markdown.

/// A line that opens or closes code.
#[derive(Clone, Copy)]
struct Fence<'a> {
    mark: char,
    length: usize,
    /// What stands behind the marks: the language of what is opened.
    info: &'a str,
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let marks = line.trim_start_matches(' ');
    if line.len() - marks.len() > 3 {
        return None;
    }
    let mark = marks
        .chars()
        .next()
        .filter(|mark| matches!(mark, '`' | '~'))?;
    let info = marks.trim_start_matches(mark);
    let length = marks.len() - info.len();
    // A line of backticks may also be code within a line.
    (length >= 3 && !info.contains('`')).then(|| Fence {
        mark,
        length,
        info: info.trim(),
    })
}

/// Tells which lines of a text are code, as they come.
#[derive(Default)]
pub(super) struct Fences {
    open: Option<(char, usize)>,
}

impl Fences {
    /// Whether the next line is code.
    pub fn holds(&mut self, line: &str) -> bool {
        match (self.open, fence(line)) {
            (None, Some(fence)) => {
                self.open = Some((fence.mark, fence.length));
                false
            }
            (Some((mark, length)), Some(fence))
                if fence.mark == mark && fence.length >= length && fence.info.is_empty() =>
            {
                self.open = None;
                false
            }
            (open, _) => open.is_some(),
        }
    }
}

/// A fence that stands around all of a text.
pub(super) struct Around<'a> {
    language: &'a str,
    pub inside: &'a str,
}

impl Around<'_> {
    /// Whether what it holds is a text and no code.
    pub fn holds_a_document(&self) -> bool {
        const DOCUMENTS: [&str; 17] = [
            "",
            "markdown",
            "md",
            "mdx",
            "text",
            "txt",
            "plain",
            "plaintext",
            "html",
            "htm",
            "xml",
            "svg",
            "yaml",
            "yml",
            "json",
            "csv",
            "tsv",
        ];
        DOCUMENTS
            .iter()
            .any(|known| self.language.eq_ignore_ascii_case(known))
    }
}

/// The fence around all of a text, if there is one. Fences that it holds must come in pairs.
pub(super) fn around(text: &str) -> Option<Around<'_>> {
    let Some((first, rest)) = text.split_once('\n') else {
        return within_a_line(text);
    };
    let Some(outer) = fence(first) else {
        return within_a_line(text);
    };
    let (inside, last) = rest.rsplit_once('\n').unwrap_or(("", rest));
    let around = |inside| Around {
        language: outer.info,
        inside,
    };
    if fence(last).is_some_and(|last| closes(&last, &outer)) {
        return stays_open(outer, inside).then(|| around(inside));
    }
    // A model that forgets to close the fence around a text means the same.
    let unclosed = around(rest);
    let is_forgotten = unclosed.holds_a_document() && stays_open(outer, rest);
    is_forgotten
        .then_some(unclosed)
        .or_else(|| within_a_line(text))
}

fn closes(fence: &Fence<'_>, open: &Fence<'_>) -> bool {
    fence.mark == open.mark && fence.length >= open.length && fence.info.is_empty()
}

/// Whether no line of what follows a fence closes it: fences in there come in pairs.
fn stays_open(outer: Fence<'_>, inside: &str) -> bool {
    let mut open = vec![outer];
    for fence in inside.lines().filter_map(fence) {
        if open.last().is_some_and(|open| closes(&fence, open)) {
            open.pop();
            if open.is_empty() {
                return false;
            }
        } else if !fence.info.is_empty() {
            open.push(fence);
        }
    }
    open.len() == 1
}

/// Three backticks at both ends that do not have lines of their own.
fn within_a_line(text: &str) -> Option<Around<'_>> {
    let inside = text.strip_prefix("```")?.strip_suffix("```")?;
    let (language, content) = inside.split_once('\n').unwrap_or(("", inside));
    let plain = language.trim().contains(' ');
    (!inside.contains("```")).then_some(Around {
        language: if plain { "" } else { language.trim() },
        inside: if plain { inside } else { content },
    })
}

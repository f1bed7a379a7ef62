//! What the program prints: messages and log lines on standard error, above the progress block where there is
//! one; results on standard output.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use textwrap::{Options, WordSplitter, WrapAlgorithm};

use super::screen::Screen;
use super::secrets::hidden;
use types::shown::{self, harmless};

/// The display of this process, for what is told from afar.
static SHARED: OnceLock<Display> = OnceLock::new();

/// Notes something on the display of this process.
pub(super) fn tell(text: &str) {
    if let Some(display) = SHARED.get() {
        display.note(text);
    }
}

/// Standard error, shared by messages, log lines and the progress block.
#[derive(Clone, Debug)]
pub(super) struct Display {
    block: MultiProgress,
    terminal: Option<Term>,
    quiet: bool,
}

impl Display {
    /// A display; the block is drawn only on a terminal. A quiet one shows neither it nor notes.
    pub fn new(terminal: bool, quiet: bool) -> Display {
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Display {
            block: MultiProgress::with_draw_target(target),
            terminal: terminal.then(Term::stderr),
            quiet,
        }
    }

    /// Makes it the one of this process.
    pub fn share(&self) {
        let _ = SHARED.set(self.clone());
    }

    /// The terminal as it is now; `None` where standard error is none, or one that cannot be drawn on.
    pub fn screen(&self) -> Option<Screen> {
        let (height, width) = self.terminal.as_ref()?.size();
        let is_dumb = env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        (!is_dumb).then(|| Screen {
            width: usize::from(width),
            height: usize::from(height),
            colour: colours(),
        })
    }

    /// The same display, which prints only what is wrong.
    pub fn quieted(&self) -> Display {
        Display {
            quiet: true,
            ..self.clone()
        }
    }

    /// Whether only what is wrong is printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Draws a bar from now on.
    pub fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.block.add(bar)
    }

    /// Prints a line above the block: what is wrong.
    pub fn print(&self, text: &str) {
        self.print_styled(&harmless(text));
    }

    /// The same of a text with colours, in which nothing comes from outside but the person's own words.
    pub fn print_styled(&self, text: &str) {
        let width = self.terminal.as_ref().map_or(usize::MAX, width_of);
        let text = hidden(text);
        let text = fitted(&text, width);
        // A closed standard error is no reason to stop working.
        self.block.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// Prints a line above the block that nobody needs to act on; a quiet display does not.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.print(text);
        }
    }

    /// Says on standard output what was done; a quiet display does not.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }
}

/// Whether colours are wanted (https://no-color.org).
fn colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines of the log, each written at once.
impl Write for Display {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Prints one JSON line on standard output. What a terminal obeys is escaped, as JSON can, and nothing is lost.
pub(super) fn emit(value: &impl Serialize) {
    // Only a key that is no text cannot be written, and nothing that is emitted has one.
    let line = shown::json(value).unwrap_or_default();
    say_raw(&(line + "\n"));
}

/// Columns that standard output has; no bound where it is no terminal.
pub(super) fn width() -> usize {
    if io::stdout().is_terminal() {
        width_of(&Term::stdout())
    } else {
        usize::MAX
    }
}

fn width_of(terminal: &Term) -> usize {
    usize::from(terminal.size().1).max(20)
}

/// Prints a result for people on standard output. On a terminal, lines that are too long for it are broken between words.
pub(super) fn say(text: &str) {
    say_styled(&harmless(text));
}

/// The same of a text with colours, in which nothing comes from outside but the person's own words.
pub(super) fn say_styled(text: &str) {
    say_raw(&fitted(text, width()));
}

/// Prints a result on standard output as it is, but for secrets.
pub(super) fn say_raw(text: &str) {
    // The work goes on; `main` looks at the end whether all of it arrived.
    let _ = Stdout.write_all(hidden(text).as_bytes());
}

/// Standard output, which remembers that it failed.
pub(super) struct Stdout;

/// How it failed first.
static FAILED: OnceLock<io::Error> = OnceLock::new();

impl Stdout {
    /// Writes what is held back, and says what went wrong since the program began.
    pub fn end() -> Delivery {
        let _ = Stdout.flush();
        match FAILED.get() {
            None => Delivery::Whole,
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Delivery::Unwanted,
            Some(error) => Delivery::Lost(error.to_string()),
        }
    }

    fn remember<T>(result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = format!("cannot write to standard output: {error}");
            let told = io::Error::new(error.kind(), told);
            let _ = FAILED.set(io::Error::new(error.kind(), told.to_string()));
            told
        })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stdout::remember(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Stdout::remember(io::stdout().flush())
    }
}

/// Standard output for data, such as a table: as it is, and on a terminal through the filter.
pub(super) fn data() -> Box<dyn Write + Send> {
    if io::stdout().is_terminal() {
        Box::new(Filtered::default())
    } else {
        Box::new(Stdout)
    }
}

/// Data that a person looks at.
#[derive(Default)]
struct Filtered {
    /// The beginning of a character whose end did not come yet.
    rest: Vec<u8>,
}

impl Write for Filtered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let behind = self.rest.split_off(whole);
        let text = std::mem::replace(&mut self.rest, behind);
        Stdout.write_all(harmless(&String::from_utf8_lossy(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Stdout.flush()
    }
}

/// What became of that which was written to standard output.
pub(super) enum Delivery {
    Whole,
    /// Its reader went away, as `head` does, and has what it wanted.
    Unwanted,
    /// Some of it is lost, and why.
    Lost(String),
}

/// A text whose lines are no longer than this, as far as its words are not.
fn fitted(text: &str, width: usize) -> Cow<'_, str> {
    let is_long = |line: &str| console::measure_text_width(line) > width;
    if !text.lines().any(is_long) {
        return Cow::Borrowed(text);
    }
    let mut lines: Vec<Cow<'_, str>> = Vec::new();
    for line in text.split('\n') {
        if !is_long(line) {
            lines.push(Cow::Borrowed(line));
            continue;
        }
        let indent = " ".repeat(hang(line, width));
        let options = Options::new(width)
            .subsequent_indent(&indent)
            .break_words(false)
            .wrap_algorithm(WrapAlgorithm::FirstFit)
            .word_splitter(WordSplitter::NoHyphenation);
        lines.extend(textwrap::wrap(line, options));
    }
    Cow::Owned(lines.join("\n"))
}

/// Where the lines begin that a long one is continued on: below its last column, as far as that leaves room, or below its
/// first word.
fn hang(line: &str, width: usize) -> usize {
    let plain = console::strip_ansi_codes(line);
    // However many spaces there are before a column, it begins behind the last of them.
    let columns = plain.match_indices(|letter| letter != ' ');
    let columns = columns.map(|(place, _)| place).filter(|place| {
        plain
            .get(..*place)
            .is_some_and(|before| before.ends_with("  "))
    });
    let counted = plain.find(" × ").map(|place| place + " × ".len());
    let columns = columns.chain(counted);
    let place = columns.filter(|place| *place <= width / 2).max();
    place
        .and_then(|place| plain.get(..place))
        .map_or(0, console::measure_text_width)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Files that may write to the terminal by themselves, each with the reason.
    const WRITERS: [(&str, &str); 5] = [
        ("display.rs", "it is the filter"),
        ("completions.rs", "a script that clap wrote"),
        ("compiler.rs", "compiled code, for this program itself"),
        ("ask.rs", "a question, which passes the filter there"),
        ("hook.rs", "a command that a person allowed to run"),
    ];

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }

    /// A new way to the terminal that does not lead through the filter fails here.
    #[test]
    fn nothing_but_the_filter_writes_to_the_terminal() {
        let mut files = Vec::new();
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        assert!(files.len() > 50);
        for file in files {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if WRITERS.iter().any(|(writer, _)| *writer == name) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let is_asked = line.contains("is_terminal") || line.contains("Display::new(");
                let writes = [
                    "io::stdout()",
                    "io::stderr()",
                    "print!(",
                    "println!(",
                    "say_raw(",
                ];
                let writes = writes.iter().any(|way| line.contains(way));
                let line_number = number + 1;
                assert!(
                    !writes || is_asked,
                    "{}:{line_number}: {line}",
                    file.display()
                );
            }
        }
    }

    #[test]
    fn long_lines_are_continued_below_their_last_column() {
        let text = "  --model M  Model to ask, as provider/model\n  12 × the text has too many words\nshort\n";
        let lines = [
            "  --model M  Model to ask, as",
            "             provider/model",
            "  12 × the text has too many",
            "       words",
            "short",
            "",
        ];
        assert_eq!(fitted(text, 30), lines.join("\n"));
        assert_eq!(fitted(text, usize::MAX), text);
    }

    #[test]
    fn a_column_behind_an_odd_number_of_spaces_is_one() {
        let lines = ["  why   nothing that it is", "        made from changed"];
        assert_eq!(
            fitted("  why   nothing that it is made from changed", 28),
            lines.join("\n")
        );
        let lines = ["  due    nothing that", "         changed"];
        assert_eq!(
            fitted("  due    nothing that changed", 22),
            lines.join("\n")
        );
    }

    #[test]
    fn colours_take_no_room_and_a_long_word_stays_whole() {
        let text = "\u{1b}[1mbold\u{1b}[0m and plain";
        assert_eq!(fitted(text, 14), text);
        assert_eq!(fitted("see /a/very/long/path", 8), "see\n/a/very/long/path");
    }
}

//! The block that a terminal shows: overall bar, outcome, pace, lanes, a bar for each component, success by category.
//! It is never wider than the terminal and never taller than most of it, so that failures can scroll above it; what
//! has no room is left out, the least important first, and counted.

use console::measure_text_width;

use super::super::screen::Screen;
use super::parts::{self, Part, Tone};
use crate::cli::numbers::count;
use engine::statistics::{CategoryCount, ComponentCount, FailureKind, View};
use gateway::found::unix_time;
use gateway::lane::LaneView;
use types::shown::harmless;

/// Lines of the terminal that are left for what scrolls above the block.
const ABOVE: usize = 4;
/// Kinds of failures that have a line.
const FAILURES: usize = 4;
/// Batches that have a line.
const BATCHES: usize = 4;
/// Workers that are shown.
const WORKERS: usize = 8;
/// Longest bar.
const BAR: usize = 30;
/// What a bar is not worth drawing below.
const SHORTEST_BAR: usize = 8;

/// The lines of the block, joined.
pub(super) fn block(
    view: &View,
    failures: &[FailureKind],
    lanes: &[LaneView],
    memory: Option<u64>,
    noun: &str,
    screen: Screen,
) -> String {
    // The last column stays free: some terminals wrap a line that fills them.
    let layout = Layout {
        width: screen.width.saturating_sub(1).max(10),
        colour: screen.colour,
    };
    let room = screen.height.saturating_sub(ABOVE).max(3);
    let head = [
        layout.overall(view, noun),
        layout.flow(parts::outcome(view), 0),
        layout.flow(parts::pace(view, memory, noun), 0),
    ]
    .concat();
    let lanes: Vec<String> = lanes
        .iter()
        .flat_map(|lane| layout.flow(parts::lane(lane), 2))
        .collect();
    let batches = view.batches.iter().take(BATCHES);
    let batches: Vec<String> = batches
        .flat_map(|batch| layout.flow(parts::batch(batch, unix_time()), 2))
        .collect();
    let workers = view.workers.iter().take(WORKERS);
    let workers: Vec<String> = workers
        .flat_map(|worker| layout.flow(parts::worker(worker), 2))
        .collect();
    let lanes = [lanes, workers, batches].concat();
    let components = layout.components(&view.components, view.records);
    let categories = layout.flow(categories(&view.categories), 0);

    let failures = parts::failures(failures);
    let failures = failures.iter().map(|part| {
        let text = shortened(&harmless(&part.text), layout.width);
        layout.painted(&text, part.tone)
    });

    let mut left = room;
    let head = layout.cut(head, &mut left, "");
    let lanes = layout.cut(lanes, &mut left, "");
    // A few of them before the components, so that none hides all of the others.
    let mut few = left.min(FAILURES);
    let failures = layout.cut(failures.collect(), &mut few, "more kinds of failures");
    left -= failures.len();
    let components = layout.cut(components, &mut left, "more components");
    let categories = layout.cut(categories, &mut left, "more lines of categories");
    [head, components, failures, lanes, categories]
        .concat()
        .join("\n")
}

struct Layout {
    width: usize,
    colour: bool,
}

impl Layout {
    fn overall(&self, view: &View, noun: &str) -> Vec<String> {
        let stand = parts::stand(view, noun);
        let words: usize = stand
            .iter()
            .map(|part| measure_text_width(&part.text) + 2)
            .sum();
        let bar = self.width.saturating_sub(words).min(BAR);
        if bar >= SHORTEST_BAR {
            let bar = self.bar(view.done, view.records, bar);
            let lines = self.flow(stand, 0);
            return vec![format!("{bar}  {}", lines.join("  "))];
        }
        let bar = self.bar(view.done, view.records, self.width.min(BAR));
        let mut lines = vec![bar];
        lines.extend(self.flow(stand, 0));
        lines
    }

    /// A line for each component, with a bar where there is room.
    fn components(&self, components: &[ComponentCount], records: u64) -> Vec<String> {
        let width = |text: &str| measure_text_width(text);
        let names = components.iter().map(|row| width(&row.component));
        let name_width = names.max().unwrap_or(0).min(self.width / 2);
        let numbers: Vec<(String, String)> = components
            .iter()
            .map(|row| {
                let mut losses = String::new();
                for (number, word) in [(row.failed, "failed"), (row.not_begun(), "blocked")] {
                    if number > 0 {
                        losses.push_str(&format!("  {} {word}", count(number)));
                    }
                }
                (format!("{}/{}", row.there(), row.tasks(records)), losses)
            })
            .collect();
        let number_width = numbers
            .iter()
            .map(|(number, _)| width(number))
            .max()
            .unwrap_or(0);
        let loss_width = numbers
            .iter()
            .map(|(_, losses)| width(losses))
            .max()
            .unwrap_or(0);
        let bar = self
            .width
            .saturating_sub(name_width + number_width + loss_width + 4)
            .min(BAR);
        let lines = components
            .iter()
            .zip(&numbers)
            .map(|(row, (number, losses))| {
                let name = pad(
                    &shortened(&harmless(&row.component), name_width),
                    name_width,
                );
                let bar = if bar >= SHORTEST_BAR {
                    format!("  {}", self.bar(row.there(), row.tasks(records), bar))
                } else {
                    String::new()
                };
                let losses = self.painted(losses, Tone::Failed);
                let line = format!("{name}{bar}  {number:>number_width$}{losses}");
                shortened(&line, self.width)
            });
        lines.collect()
    }

    /// Parts one behind the other, on as many lines as they take; lines after the first are indented.
    fn flow(&self, parts: Vec<Part>, indent: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut used = 0;
        for part in parts {
            let text = shortened(&harmless(&part.text), self.width.saturating_sub(indent));
            let width = measure_text_width(&text);
            let text = self.painted(&text, part.tone);
            match lines.last_mut() {
                Some(line) if used + 2 + width <= self.width => {
                    line.push_str("  ");
                    line.push_str(&text);
                    used += 2 + width;
                }
                before => {
                    let indent = if before.is_some() { indent } else { 0 };
                    lines.push(format!("{:indent$}{text}", ""));
                    used = indent + width;
                }
            }
        }
        lines
    }

    fn bar(&self, done: u64, of: u64, width: usize) -> String {
        let filled = (width as u64 * done).checked_div(of).unwrap_or(0);
        let filled = usize::try_from(filled).unwrap_or(width).min(width);
        format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
    }

    /// As many lines as there is room for; the last says how many there are besides.
    fn cut(&self, mut lines: Vec<String>, left: &mut usize, more: &str) -> Vec<String> {
        if lines.len() > *left {
            let hidden = lines.len() - left.saturating_sub(1);
            lines.truncate(left.saturating_sub(1));
            if *left > 0 && !more.is_empty() {
                lines.push(shortened(&format!("and {hidden} {more}"), self.width));
            }
        }
        *left -= lines.len().min(*left);
        lines
    }

    fn painted(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Waits => 33,
            Tone::Failed => 31,
        };
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Success by category: those where something is missing first, for they want attention.
fn categories(categories: &[CategoryCount]) -> Vec<Part> {
    let mut rows: Vec<&CategoryCount> = categories.iter().collect();
    rows.sort_by_key(|row| row.incomplete == 0);
    let parts = rows.into_iter().map(|row| {
        let text = format!("{} {}/{}", row.category, row.complete, row.total);
        if row.incomplete > 0 {
            Part {
                text: format!("{text}, {} incomplete", row.incomplete),
                tone: Tone::Failed,
            }
        } else {
            Part {
                text,
                tone: Tone::Plain,
            }
        }
    });
    parts.collect()
}

/// A text without colours that is no wider. It is measured as a whole: some letters are wider behind others.
fn shortened(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let ends = text.char_indices().rev().map(|(end, _)| end);
    let mut shorter = ends.map(|end| format!("{}…", text.get(..end).unwrap_or_default()));
    shorter
        .find(|text| measure_text_width(text) <= width)
        .unwrap_or_default()
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(measure_text_width(text));
    format!("{text}{:missing$}", "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use engine::statistics::{Again, CallEnd, Failed, RecordEnd, Statistics};
    use gateway::lane::Wait;
    use gateway::lane_view::BreakerView;
    use plan::decision::TaskEnd;
    use types::class::FailureClass;

    fn statistics() -> Statistics {
        let categories = ["metal", "wood", "stone", "glass"].map(|name| (name.to_owned(), 25));
        let components = ["frontmatter", "text"].map(str::to_owned);
        Statistics::new(&components, &categories)
    }

    fn view() -> View {
        let mut statistics = statistics();
        for second in 1..=12 {
            let now = Duration::from_secs(second);
            let (task, record) = if second == 5 {
                (TaskEnd::Failed, RecordEnd::Incomplete)
            } else {
                (TaskEnd::Made, RecordEnd::Complete)
            };
            statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
            statistics.task_ended(now, "metal", "text", task);
            statistics.record_ended(now, "metal", record);
            let call = CallEnd {
                input_tokens: 1200,
                output_tokens: 800,
                micros: Some(660),
                again: second == 3,
                ..CallEnd::default()
            };
            statistics.call_ended(now, "text", call);
            statistics.attempt_ended("frontmatter", 0, 0);
            statistics.attempt_ended("text", 1, 660);
        }
        statistics.tasks_parked(2);
        statistics.view(Duration::from_secs(12))
    }

    fn kinds() -> Vec<FailureKind> {
        let mut statistics = statistics();
        for number in 0..12 {
            let (class, cause, again) = match number {
                0..7 => (
                    FailureClass::UnsuitableRecord,
                    "the field \"Vendor\" is empty".to_owned(),
                    Again::Rerun,
                ),
                7..10 => (
                    FailureClass::InvalidOutput,
                    format!("no\n  - the text has {number}0 words, must have at most 40"),
                    Again::Rerun,
                ),
                _ => (
                    FailureClass::Overloaded,
                    "503 Service Unavailable".to_owned(),
                    Again::Soon,
                ),
            };
            statistics.task_failed(Failed {
                record: &format!("sku-{number}"),
                category: "metal",
                component: "text",
                class,
                cause: &cause,
                again,
            });
        }
        statistics.failure_kinds()
    }

    fn lanes() -> Vec<LaneView> {
        vec![LaneView {
            held: None,
            model: "openai/gpt-4o-mini".to_owned(),
            in_flight: 8,
            allowed: 8,
            waiting: 40,
            wait: Some(Wait {
                reason: "room within 30 requests per minute".to_owned(),
                advice: None,
                left: Some(Duration::from_millis(11_200)),
            }),
            backing_off: 2,
            next_try: Some(Duration::from_millis(400)),
            limits: vec![(30, 30, "requests/minute".to_owned())],
            breaker: BreakerView::HalfOpen,
            down: None,
        }]
    }

    fn screen(width: usize, height: usize) -> Screen {
        Screen {
            width,
            height,
            colour: false,
        }
    }

    #[test]
    fn a_wide_terminal_shows_all_there_is_to_say() {
        let block = block(
            &view(),
            &kinds(),
            &lanes(),
            Some(45_000_000),
            "materials",
            screen(120, 40),
        );
        insta::assert_snapshot!(block);
    }

    #[test]
    fn before_the_first_answer_it_says_what_is_waited_for() {
        let view = statistics().view(Duration::from_secs(3));
        insta::assert_snapshot!(block(
            &view,
            &[],
            &lanes(),
            None,
            "materials",
            screen(80, 24)
        ));
    }

    #[test]
    fn a_narrow_or_low_terminal_shows_what_matters_most() {
        let narrow = block(
            &view(),
            &kinds(),
            &lanes(),
            Some(45_000_000),
            "materials",
            screen(40, 40),
        );
        let low = block(
            &view(),
            &kinds(),
            &lanes(),
            Some(45_000_000),
            "materials",
            screen(80, 10),
        );
        insta::assert_snapshot!(format!("{narrow}\n--\n{low}"));
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let coloured = Screen {
            colour: true,
            ..screen(80, 24)
        };
        let block = |screen| block(&view(), &kinds(), &lanes(), None, "materials", screen);
        assert!(block(coloured).contains("\u{1b}[31m"));
        assert!(!block(screen(80, 24)).contains('\u{1b}'));
        assert_eq!(
            console::strip_ansi_codes(&block(coloured)),
            block(screen(80, 24))
        );
    }

    #[test]
    fn a_letter_that_widens_the_one_before_it_is_measured_with_it() {
        assert_eq!(shortened("*\u{fe0f}abc", 4), "*\u{fe0f}a…");
        assert_eq!(shortened("*\u{fe0f}ab", 4), "*\u{fe0f}ab");
        assert_eq!(shortened("abc", 0), "");
    }

    proptest! {
        #[test]
        fn it_is_never_wider_nor_taller_than_the_terminal(
            width in 12..200_usize, height in 8..60_usize, names in prop::collection::vec("\\PC{1,60}", 1..40),
        ) {
            let categories: Vec<(String, u64)> = names.iter().map(|name| (name.clone(), 7)).collect();
            let view = Statistics::new(&names, &categories).view(Duration::from_secs(1));
            let shown = block(&view, &kinds(), &lanes(), Some(1), "things", screen(width, height));
            prop_assert!(shown.lines().count() <= height);
            for line in shown.lines() {
                prop_assert!(measure_text_width(line) < width, "{line:?}");
            }
        }
    }
}

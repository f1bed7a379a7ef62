//! What a plan says: how the tasks stand and why, what they will take, and one sentence about all of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::numbers::{count, counted, dollars, nothing_to_do, span};
use crate::cli::table::Table;
use config::component::Component;
use engine::{ComponentPlan, Plan};
use gateway::found::Found;
use gateway::providers::offline;
use gateway::settings::LimitsConfig;
use plan::duration::{HeldBack, Lasts, Work, lasts};
use plan::explain::CauseCount;
use plan::forecast::{Basis, Forecast, LookedAt, Quantiles};
use plan::gate::Otherwise;
use types::limit::Limit;

/// The tables of a plan, no wider than this; a plan with nothing to do is one sentence.
pub(super) fn render(plan: &Plan, noun: &str, width: usize) -> String {
    let sum = |part: fn(&ComponentPlan) -> u64| plan.components.iter().map(part).sum::<u64>();
    let edited = sum(|row| row.edited);
    let kept = plan.components.iter().map(stays).sum();
    if is_done(plan) {
        let by_hand = if edited > 0 {
            format!(", {} of them edited by hand and kept", count(edited))
        } else {
            String::new()
        };
        return nothing_to_do(kept, plan.records, noun) + &by_hand + "\n";
    }
    states(&plan.components).render(width)
        + &reasons(&plan.components)
        + &forecasts(&plan.components, width)
}

/// Tasks whose files stay as they are.
fn stays(row: &ComponentPlan) -> u64 {
    row.up_to_date + row.edited + row.accepted + row.kept_from_stand_in
}

/// Whether everything is there.
fn is_done(plan: &Plan) -> bool {
    let kept = plan.components.iter().map(stays);
    let left_out = plan.components.iter().map(|row| row.not_sampled);
    let tasks = plan.records * plan.components.len() as u64;
    kept.chain(left_out).sum::<u64>() == tasks
}

/// How the tasks stand. What is rare has a column only where there is any.
fn states(components: &[ComponentPlan]) -> Table {
    let heads = [
        "component",
        "to make",
        "up to date",
        "edited",
        "accepted",
        "kept",
        "depends on upstream",
        "of these fail",
        "stay failed",
        "blocked",
        "skipped",
        "unreadable",
        "not in sample",
    ];
    let mut table = Table::new(heads);
    for row in components {
        let numbers = [
            row.to_make,
            row.up_to_date,
            row.edited,
            row.accepted,
            row.kept_from_stand_in,
            row.depends_on_upstream,
            row.fails,
            row.stay_failed,
            row.blocked,
            row.skipped,
            row.unreadable,
            row.not_sampled,
        ];
        let numbers = numbers.iter().map(u64::to_string);
        table.row(std::iter::once(row.component.clone()).chain(numbers));
    }
    let [_, _, _, rare @ ..] = heads;
    table.without_empty_columns(&rare)
}

/// Why tasks run; what several components have in common is one line.
fn reasons(components: &[ComponentPlan]) -> String {
    let mut found: Vec<(&CauseCount, Vec<&str>)> = Vec::new();
    for row in components {
        for reason in &row.reasons {
            match found.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(&row.component),
                None => found.push((reason, vec![&row.component])),
            }
        }
    }
    let mut text = String::new();
    for (reason, names) in found {
        if text.is_empty() {
            text.push_str("\nwhy\n");
        }
        let of = match names.len() {
            all if all == components.len() && all > 3 => {
                format!(" (each of the {})", counted(all as u64, "component"))
            }
            _ if components.len() > 1 => format!(" ({})", names.join(", ")),
            _ => String::new(),
        };
        let tasks = count(reason.tasks);
        let _ = writeln!(text, "{tasks:>6} × {}{of}", reason.reason);
    }
    text
}

fn about(is_estimated: bool, number: &str) -> String {
    let mark = if is_estimated { "~" } else { "" };
    format!("{mark}{number}")
}

fn forecasts(components: &[ComponentPlan], width: usize) -> String {
    let known: Vec<(&str, &Forecast)> = components
        .iter()
        .filter_map(|row| Some((row.component.as_str(), row.forecast.as_ref()?)))
        .filter(|(_, forecast)| forecast.calls.total() + forecast.from_journal > 0)
        .collect();
    if known.is_empty() {
        return String::new();
    }
    let heads = [
        "component",
        "calls",
        "from journal",
        "tokens in",
        "tokens out",
        "cost",
        "known from",
    ];
    let mut table = Table::new(heads);
    for (name, forecast) in &known {
        let asks = forecast.calls.total() > 0;
        let basis = match forecast.basis {
            _ if !asks => String::new(),
            Basis::Observed => format!("{} before", counted(forecast.observed_tasks, "task")),
            Basis::Cap => "cap on answers".to_owned(),
        };
        table.row(taken(name, &Taken::of(forecast), basis));
    }
    if known.len() > 1 {
        let all = known.iter().map(|(_, forecast)| Taken::of(forecast));
        let all = all.reduce(Taken::and).unwrap_or_default();
        table.row(taken("together", &all, String::new()));
    }
    let text = format!(
        "\n{}",
        table.without_empty_columns(&["from journal"]).render(width)
    );
    text + &spreads(&known, width) + &notes(&known)
}

/// What the tasks of one or more components take.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    calls: u64,
    are_calls_estimated: bool,
    from_journal: u64,
    input: u64,
    is_input_estimated: bool,
    output: u64,
    cost: Option<u64>,
}

impl Taken {
    fn of(forecast: &Forecast) -> Taken {
        Taken {
            calls: forecast.calls.total(),
            are_calls_estimated: forecast.calls.estimated > 0,
            from_journal: forecast.from_journal,
            input: forecast.input_tokens.total(),
            is_input_estimated: forecast.input_tokens.estimated > 0,
            output: forecast.output_tokens,
            cost: forecast.cost_micros,
        }
    }

    fn and(self, other: Taken) -> Taken {
        Taken {
            calls: self.calls + other.calls,
            are_calls_estimated: self.are_calls_estimated || other.are_calls_estimated,
            from_journal: self.from_journal + other.from_journal,
            input: self.input + other.input,
            is_input_estimated: self.is_input_estimated || other.is_input_estimated,
            output: self.output + other.output,
            cost: self.cost.zip(other.cost).map(|(one, other)| one + other),
        }
    }
}

fn taken(name: &str, taken: &Taken, basis: String) -> [String; 7] {
    let asks = taken.calls > 0;
    [
        name.to_owned(),
        about(taken.are_calls_estimated, &count(taken.calls)),
        count(taken.from_journal),
        about(taken.is_input_estimated, &count(taken.input)),
        about(asks, &count(taken.output)),
        about(
            asks && taken.cost.is_some_and(|cost| cost > 0),
            &money(taken.cost),
        ),
        basis,
    ]
}

/// How much tasks differ, where that was seen.
fn spreads(known: &[(&str, &Forecast)], width: usize) -> String {
    let mut table = Table::new(["one task takes", "tokens out", "cost"]);
    for (name, forecast) in known {
        let Some(tokens) = forecast
            .output_tokens_per_task
            .filter(|spread| spread.p10 < spread.p90)
        else {
            continue;
        };
        let cost = forecast.cost_micros_per_task;
        let cost = cost.filter(|cost| cost.p90 > 0);
        let cost = cost.map(|cost| spread(cost, |micros| money(Some(micros))));
        table.row([
            (*name).to_owned(),
            spread(tokens, count),
            cost.unwrap_or_default(),
        ]);
    }
    if table.is_empty() {
        return String::new();
    }
    let note = "a tenth / half / nine tenths of the tasks take no more than this\n";
    format!(
        "
{}{note}",
        table.without_empty_columns(&["cost"]).render(width)
    )
}

/// What the numbers mean, as far as they need it.
fn notes(known: &[(&str, &Forecast)]) -> String {
    let mut text = String::new();
    if known.iter().any(|(_, row)| row.calls.total() > 0) {
        text.push_str(
            "~ is an estimate; other numbers are counted from the questions themselves. All that depends on upstream is \
             included.\n",
        );
    }
    for (name, row) in known {
        let LookedAt { tasks, of } = row.looked_at;
        if tasks < of {
            let _ = writeln!(
                text,
                "{name}: from a sample of {} of {}, scaled",
                count(tasks),
                counted(of, "task")
            );
        }
    }
    if known.iter().any(|(_, row)| row.cost_micros.is_none()) {
        text.push_str("unknown: a model has no price; set it in [models.\"provider/model\"]\n");
    }
    text
}

fn money(micros: Option<u64>) -> String {
    match micros {
        None => "unknown".to_owned(),
        Some(0) => "$0".to_owned(),
        Some(micros) => dollars(micros),
    }
}

fn spread(spread: Quantiles, shown: impl Fn(u64) -> String) -> String {
    let Quantiles { p10, p50, p90 } = spread;
    [p10, p50, p90].map(shown).join(" / ")
}

/// What holds a run back, in words.
fn limit(by: HeldBack) -> Option<String> {
    match by {
        HeldBack::Limit(limit) => {
            let amount = counted(limit.most, limit.amount.noun());
            Some(format!("{amount} per {}", limit.per()))
        }
        HeldBack::AtOnce(most) => Some(format!("{} at once", counted(most, "call"))),
        HeldBack::Answers => None,
    }
}

/// What bounds the calls of a model.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// As it is set.
    pub told: LimitsConfig,
    /// As earlier runs found out.
    pub found: Found,
}

impl Bounds {
    /// How many seconds calls last, and what limits them.
    fn last(&self, work: &Work) -> (f64, Option<String>) {
        let told = self.told.limits();
        let told_at_once = self.told.concurrency;
        let found = self.found.bounds();
        let both: Vec<Limit> = told.iter().chain(&found).copied().collect();
        let at_once = [told_at_once, self.found.most_at_once()];
        let Lasts { seconds, by } = lasts(work, &both, at_once.into_iter().flatten().min());
        let is_told = match by {
            HeldBack::Limit(limit) => told.contains(&limit),
            HeldBack::AtOnce(most) => told_at_once == Some(most),
            HeldBack::Answers => true,
        };
        let nothing_told = told.is_empty() && told_at_once.is_none();
        let limited_by = if nothing_told && self.found.is_empty() {
            Some("what the provider allows, which a run finds out".to_owned())
        } else if is_told {
            limit(by)
        } else {
            limit(by).map(|limit| format!("{limit}, as an earlier run found out"))
        };
        (seconds, limited_by)
    }
}

/// What a run would come to.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Files that it makes; those that depend on upstream are counted, though some may stay.
    files: u64,
    /// Whether some of these may stay as they are.
    at_most: bool,
    calls: u64,
    /// Whether all of them are answered offline.
    offline: bool,
    cost_micros: Option<u64>,
    /// Tokens of questions that are likely to be read from prompt caches, in percent of all.
    cached_percent: Option<u64>,
    /// What that is likely to save of the cost.
    cache_saving_micros: u64,
    #[serde(skip)]
    cached_tokens: u64,
    #[serde(skip)]
    input_tokens: u64,
    seconds: Option<f64>,
    limited_by: Option<String>,
    /// What gates may ask beyond that, where all that they let be asked anew is refused.
    again: Option<Again>,
    /// Tasks that fail, that stay failed, and that are not begun because of others.
    #[serde(skip)]
    without_file: [u64; 3],
}

/// The most that gates may ask beyond a plan.
#[derive(Debug, Default, Serialize)]
struct Again {
    calls: u64,
    cost_micros: Option<u64>,
}

impl Again {
    /// Of a plan; `None` where no gate may ask anew. Each round costs a text and its verdict.
    fn of(plan: &Plan, components: &[Component]) -> Option<Again> {
        let forecast = |name: &str| {
            let row = plan.components.iter().find(|row| row.component == name)?;
            row.forecast.as_ref()
        };
        let mut again = Again {
            calls: 0,
            cost_micros: Some(0),
        };
        for component in components {
            let Some(gate) = &component.gate else {
                continue;
            };
            if gate.otherwise != Otherwise::Again {
                continue;
            }
            let judge = gate.judge.as_deref().and_then(forecast);
            for forecast in forecast(&component.name).into_iter().chain(judge) {
                let rounds = u64::from(gate.retries);
                again.calls += rounds.saturating_mul(forecast.calls.total());
                let cost = again.cost_micros.zip(forecast.cost_micros);
                again.cost_micros = cost.map(|(sum, more)| sum + rounds.saturating_mul(more));
            }
        }
        (again.calls > 0).then_some(again)
    }

    fn sentence(&self, offline: bool) -> String {
        let calls = counted(self.calls, "call");
        let cost = match (offline, self.cost_micros) {
            (true, _) => String::new(),
            (false, Some(_)) => format!(" and {}", money(self.cost_micros)),
            (false, None) => " at a cost that is not known".to_owned(),
        };
        format!(" Gates may ask for files anew: at most {calls}{cost} more.")
    }
}

/// How many seconds calls last that these places share, and what limits them.
fn last(places: &[Bounds], work: &Work) -> (f64, Option<String>) {
    let alone: Vec<_> = places.iter().map(|bounds| bounds.last(work)).collect();
    match alone.as_slice() {
        [] => Bounds::default().last(work),
        [one] => one.clone(),
        [(_, limited_by), ..] => {
            // Each takes as much as it can in the time.
            let in_a_second: f64 = alone.iter().map(|(seconds, _)| seconds.recip()).sum();
            let limited_by = limited_by
                .as_ref()
                .map(|limit| format!("{limit}, at each of {} endpoints", places.len()));
            (in_a_second.recip(), limited_by)
        }
    }
}

impl Outcome {
    /// Of a plan; `None` where nothing is to be done. `bounds` are those of a model, at each place where it is asked.
    pub fn of<'b>(
        plan: &Plan,
        components: &[Component],
        bounds: impl Fn(&str) -> &'b [Bounds],
    ) -> Option<Outcome> {
        if is_done(plan) {
            return None;
        }
        let mut outcome = Outcome {
            files: 0,
            at_most: false,
            calls: 0,
            offline: true,
            cost_micros: Some(0),
            cached_percent: None,
            cache_saving_micros: 0,
            cached_tokens: 0,
            input_tokens: 0,
            seconds: None,
            limited_by: None,
            again: Again::of(plan, components),
            without_file: [0; 3],
        };
        let mut models: BTreeMap<&str, Work> = BTreeMap::new();
        for row in &plan.components {
            outcome.files += row.to_make.saturating_sub(row.fails) + row.depends_on_upstream;
            outcome.at_most |= row.depends_on_upstream > 0;
            let without_file = [row.fails, row.stay_failed, row.blocked + row.skipped];
            for (sum, more) in outcome.without_file.iter_mut().zip(without_file) {
                *sum += more;
            }
            let Some((forecast, model)) = row.forecast.as_ref().zip(row.model.as_deref()) else {
                continue;
            };
            let calls = forecast.calls.total();
            outcome.calls += calls;
            if calls == 0 || model == offline::NAME {
                continue;
            }
            outcome.offline = false;
            let cost = outcome.cost_micros.zip(forecast.cost_micros);
            outcome.cost_micros = cost.map(|(sum, more)| sum + more);
            outcome.input_tokens += forecast.input_tokens.total();
            if let Some(cached) = forecast.cached {
                outcome.cached_tokens += cached.tokens;
                outcome.cache_saving_micros += cached.saving_micros.unwrap_or(0);
            }
            let work = models.entry(model).or_default();
            work.calls += calls;
            work.input = work.input.saturating_add(forecast.input_tokens.total());
            work.output = work.output.saturating_add(forecast.output_tokens);
        }
        let percent = outcome.cached_tokens.saturating_mul(100);
        outcome.cached_percent = percent
            .checked_div(outcome.input_tokens)
            .filter(|percent| *percent > 0);
        let longest = models
            .iter()
            .map(|(model, work)| last(bounds(model), work))
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        if let Some((seconds, limited_by)) = longest {
            outcome.seconds = Some(seconds);
            outcome.limited_by = limited_by;
        }
        Some(outcome)
    }

    /// What it costs, where that is known.
    pub fn cost_micros(&self) -> Option<u64> {
        self.cost_micros
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        if self.files == 0 {
            return self.nothing();
        }
        let most = if self.at_most { "at most " } else { "" };
        let mut text = format!(
            "\n`batchgen run` makes {most}{}",
            counted(self.files, "file")
        );
        let calls = counted(self.calls, "call");
        match (self.calls, self.offline) {
            (0, _) => text.push_str(" and asks no model"),
            (_, true) => text.push_str(" with the offline stand-in, which costs nothing"),
            (_, false) => {
                let cost = match self.cost_micros {
                    Some(micros) => format!("about {}", money(Some(micros))),
                    None => "a cost that is not known".to_owned(),
                };
                let _ = write!(text, " with about {calls}, for {cost}");
            }
        }
        if let Some(percent) = self.cached_percent {
            let _ = write!(
                text,
                " ({percent} % of the tokens in may come from the prompt cache"
            );
            match self.cache_saving_micros {
                0 => text.push(')'),
                saving => {
                    let _ = write!(text, " and save {})", money(Some(saving)));
                }
            }
        }
        if let Some(seconds) = self.seconds {
            let _ = write!(text, ", in about {}", span(seconds));
        }
        if let Some(limit) = &self.limited_by {
            let _ = write!(text, ", limited by {limit}");
        }
        text.push_str(". Nothing was made yet.");
        if let Some(again) = &self.again {
            text.push_str(&again.sentence(self.offline));
        }
        text.push('\n');
        text
    }

    /// Where no file would come of a run.
    fn nothing(&self) -> String {
        let words = [
            ("fails", "fail"),
            ("stays failed", "stay failed"),
            ("is blocked", "are blocked"),
        ];
        let parts: Vec<String> = words
            .iter()
            .zip(self.without_file)
            .filter(|(_, tasks)| *tasks > 0)
            .map(|((one, many), tasks)| {
                let verb = if tasks == 1 { one } else { many };
                format!("{} {verb}", counted(tasks, "task"))
            })
            .collect();
        let mut text = "\n`batchgen run` makes no file".to_owned();
        if !parts.is_empty() {
            let _ = write!(text, ": {}", parts.join(", "));
        }
        text.push_str(".\n");
        let [_, stays, _] = self.without_file;
        if stays > 0 {
            text.push_str(
                "`batchgen failures` says why; `batchgen retry` runs failed tasks again.\n",
            );
        }
        text
    }
}

//! `batchgen judge`: what judges said, and how far persons agree with them.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::args::ProjectArgs;
use super::display::{Display, emit, say, width};
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::{Project, State};
use super::scores;
use super::table::Table;
use super::values;
use engine::statistics::percent;
use store::JudgedTwice;
use watch::ScoreRow;

/// Disagreements that are listed.
const LISTED: usize = 20;

/// Look at what judges said, and measure them by what persons said.
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scores(ScoresArgs),
    Check(CheckArgs),
}

/// Count what passed and what did not, by component and category, of the files as they are now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  batchgen judge scores\n  batchgen judge scores --json")]
struct ScoresArgs {
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Measure judges: how often persons said the same of the same text.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen judge check
  batchgen judge check --at-least-agreement 80    # ends with code 3 if a judge agrees less

A few dozen files that you accepted or refused with `batchgen review` are enough to see whether a judge is worth its price.")]
struct CheckArgs {
    /// End with code 3 if a judge agrees with persons in less than so many percent of the texts
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    at_least_agreement: Option<f64>,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &JudgeArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::Scores(args) => show_scores(args, display),
        Command::Check(args) => check(args, display),
    }
}

fn show_scores(args: &ScoresArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let State { store, indexed } = State::read(&project)?;
    let rows = store.scores(indexed.id).map_err(Failure::internal)?;
    if args.json {
        for row in &rows {
            emit(&json!({
                "event": "scores", "component": row.component, "giver": row.giver, "name": row.name,
                "category": row.category, "passed": row.passed, "failed": row.failed, "mean": row.mean,
            }));
        }
    } else if rows.is_empty() {
        say("nothing was judged yet (docs/how-to/quality.md)\n");
    } else {
        let rows: Vec<ScoreRow> = rows.into_iter().map(ScoreRow::from).collect();
        say(&scores::table(&rows).render(width()));
    }
    Ok(Exit::Done)
}

/// How a judge stands to persons.
#[derive(Debug, Default, PartialEq)]
struct Agreement {
    both_pass: u64,
    both_fail: u64,
    /// The judge lets pass what a person refused.
    too_kind: u64,
    /// The judge does not let pass what a person accepted.
    too_strict: u64,
    /// Score and what a person said.
    scored: Vec<(f64, bool)>,
}

impl Agreement {
    fn add(&mut self, pair: &JudgedTwice) {
        match (pair.judge_passes, pair.person_passes) {
            (true, true) => self.both_pass += 1,
            (false, false) => self.both_fail += 1,
            (true, false) => self.too_kind += 1,
            (false, true) => self.too_strict += 1,
        }
        self.scored
            .extend(pair.score.map(|score| (score, pair.person_passes)));
    }

    fn texts(&self) -> u64 {
        self.both_pass + self.both_fail + self.too_kind + self.too_strict
    }

    /// How often both said the same, in percent.
    fn percent(&self) -> f64 {
        percent(self.both_pass + self.both_fail, self.texts())
    }

    /// Cohen's kappa (1960): 1 is perfect agreement, 0 what chance alone gives. Nothing where one of them always says the same.
    fn kappa(&self) -> Option<f64> {
        let all = self.texts() as f64;
        let judge = (self.both_pass + self.too_kind) as f64 / all;
        let person = (self.both_pass + self.too_strict) as f64 / all;
        let observed = (self.both_pass + self.both_fail) as f64 / all;
        let by_chance = judge * person + (1.0 - judge) * (1.0 - person);
        (all > 0.0 && by_chance < 1.0).then(|| (observed - by_chance) / (1.0 - by_chance))
    }

    /// The least score to ask for with which the judge agrees most, and in how many percent; the lowest of several.
    fn best_least(&self) -> Option<(f64, f64)> {
        let mut leasts: Vec<f64> = self.scored.iter().map(|(score, _)| *score).collect();
        leasts.sort_by(f64::total_cmp);
        leasts.dedup();
        let agrees = |least: f64| {
            let same = self.scored.iter();
            let same = same.filter(|(score, passes)| (*score >= least) == *passes);
            percent(same.count() as u64, self.scored.len() as u64)
        };
        leasts
            .into_iter()
            .map(|least| (least, agrees(least)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

fn check(args: &CheckArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let State { store, indexed } = State::read(&project)?;
    let mut judges: BTreeMap<(String, String), Agreement> = BTreeMap::new();
    let mut differing: Vec<JudgedTwice> = Vec::new();
    let pairs = store.judged_twice(indexed.id, |pair| {
        let judge = (pair.component.clone(), pair.judge.clone());
        judges.entry(judge).or_default().add(&pair);
        if pair.judge_passes != pair.person_passes && differing.len() < LISTED {
            differing.push(pair);
        }
    });
    pairs.map_err(Failure::internal)?;
    let is_low = |agreement: &Agreement| {
        args.at_least_agreement
            .is_some_and(|least| agreement.percent() < least)
    };
    let exit = match judges.values().any(is_low) {
        true => Exit::Partial,
        false => Exit::Done,
    };
    if args.json {
        for ((component, judge), agreement) in &judges {
            let best = agreement.best_least();
            emit(&json!({
                "event": "agreement", "component": component, "judge": judge, "texts": agreement.texts(),
                "percent": agreement.percent(), "kappa": agreement.kappa(), "too_kind": agreement.too_kind,
                "too_strict": agreement.too_strict, "best_at_least": best.map(|best| best.0),
                "percent_with_that": best.map(|best| best.1),
            }));
        }
        return Ok(exit);
    }
    if judges.is_empty() {
        say(
            "no text was judged both by a judge and by a person: decide about some with `batchgen review`\n",
        );
        return Ok(exit);
    }
    let mut table = Table::new([
        "component",
        "judge",
        "texts",
        "agree %",
        "kappa",
        "too kind",
        "too strict",
        "best at-least",
    ]);
    for ((component, judge), agreement) in &judges {
        let best = agreement.best_least();
        table.row([
            component.clone(),
            judge.clone(),
            agreement.texts().to_string(),
            format!("{:.0}", agreement.percent()),
            agreement
                .kappa()
                .map_or_else(|| "-".to_owned(), |kappa| format!("{kappa:.2}")),
            agreement.too_kind.to_string(),
            agreement.too_strict.to_string(),
            best.map_or_else(String::new, |(least, percent)| {
                format!("{least} ({percent:.0} %)")
            }),
        ]);
    }
    let mut text = table.render(width());
    if !differing.is_empty() {
        text.push_str(&format!(
            "\n{} differ:\n",
            counted(differing.len() as u64, "text")
        ));
    }
    for pair in &differing {
        text.push_str(&difference(pair));
    }
    say(&text);
    Ok(exit)
}

fn difference(pair: &JudgedTwice) -> String {
    let verb = |passes: bool| if passes { "accepts" } else { "refuses" };
    let said = |reason: &str| match reason.trim().lines().next() {
        Some(line) if !line.is_empty() => format!(": {line}"),
        _ => String::new(),
    };
    format!(
        "  {} {}: {} {} it{}; {} {} it{}\n",
        pair.record,
        pair.component,
        pair.judge,
        verb(pair.judge_passes),
        said(&pair.judge_reason),
        pair.person,
        verb(pair.person_passes),
        said(&pair.person_reason),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(pairs: &[(f64, bool, bool)]) -> Agreement {
        let mut agreement = Agreement::default();
        for (score, judge_passes, person_passes) in pairs {
            agreement.add(&JudgedTwice {
                score: Some(*score),
                judge_passes: *judge_passes,
                person_passes: *person_passes,
                ..JudgedTwice::default()
            });
        }
        agreement
    }

    #[test]
    fn agreement_is_measured_against_chance() {
        // 20 and 15 the same, 5 and 10 not: the example of Cohen's measure that textbooks have.
        let mut pairs = vec![(5.0, true, true); 20];
        pairs.extend(vec![(1.0, false, false); 15]);
        pairs.extend(vec![(5.0, true, false); 5]);
        pairs.extend(vec![(1.0, false, true); 10]);
        let found = agreement(&pairs);
        assert_eq!(
            (found.texts(), found.too_kind, found.too_strict),
            (50, 5, 10)
        );
        assert!((found.percent() - 70.0).abs() < 1e-9);
        assert!((found.kappa().unwrap() - 0.4).abs() < 1e-9);
        assert_eq!(agreement(&[(5.0, true, true)]).kappa(), None);
    }

    #[test]
    fn the_score_to_ask_for_is_the_one_that_persons_mean() {
        let found = agreement(&[
            (5.0, true, true),
            (4.0, true, true),
            (3.0, false, true),
            (2.0, false, false),
            (1.0, false, false),
        ]);
        assert_eq!(found.best_least(), Some((3.0, 100.0)));
        assert_eq!(Agreement::default().best_least(), None);
    }
}

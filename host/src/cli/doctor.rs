//! `batchgen doctor`: looks at all that a run needs, and says what to do about each thing that is in its way. It asks no
//! model, so it costs nothing; it changes nothing but for trying whether directories can be written to.

mod configured;
mod places;
mod providers;
mod toolchain;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::args::ProjectArgs;
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::paths;
use super::project::block_on;
use super::settings::Settings;

/// Check configuration, dataset, plugins, keys, limits, disk and providers, and say what to fix. Asks no model.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen doctor
  batchgen doctor --model anthropic/claude-haiku-4-5
  batchgen doctor --json

Exit codes: 0 ready to run, maybe with warnings, 2 something must be fixed first, 5 a provider cannot be used.")]
pub(super) struct DoctorArgs {
    /// Print a line of JSON for each check
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Good,
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    /// The part of a run that it belongs to, in a word.
    area: &'static str,
    state: State,
    found: String,
    hint: Option<String>,
}

impl Check {
    fn good(area: &'static str, found: impl Into<String>) -> Check {
        Check {
            area,
            state: State::Good,
            found: found.into(),
            hint: None,
        }
    }

    fn warning(area: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check {
            area,
            state: State::Warning,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    fn problem(area: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check {
            area,
            state: State::Problem,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    /// An error, whose hint stands behind its cause.
    fn error(area: &'static str, error: impl std::fmt::Display) -> Check {
        let text = error.to_string();
        let (found, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        Check {
            area,
            state: State::Problem,
            found: found.to_owned(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }
}

/// Runs the subcommand.
pub(super) fn perform(args: &DoctorArgs, display: &Display) -> Result<Exit, Failure> {
    let mut worst = State::Good;
    let mut only_providers = true;
    let mut problems = 0;
    let mut show = |check: Check| {
        worst = worst.max(check.state);
        if check.state == State::Problem {
            problems += 1;
            only_providers &= check.area == providers::AREA;
        }
        if args.json {
            emit(&json!({"event": "check", "check": check}));
        } else if check.state != State::Good || !display.is_quiet() {
            say(&line(&check));
        }
    };
    show(Check::good(
        "program",
        format!("batchgen {}", env!("CARGO_PKG_VERSION")),
    ));
    toolchain::look(&mut show);
    match Settings::resolve(&args.project) {
        Err(error) => show(Check::error("config", error)),
        Ok(settings) => {
            show(configured::configuration(&args.project, &settings));
            configured::hooks(&settings, &mut show);
            configured::elsewhere(&settings, &mut show);
            let records = configured::dataset(&settings, &mut show);
            let components = configured::components(&settings, &args.project, display, &mut show);
            if let Err(failure) = paths::check_records(&components, &records) {
                show(Check::error("output", failure.error));
            }
            places::look(&settings, &components, &mut show);
            let models = configured::models(&settings, &components);
            block_on(async {
                for model in &models {
                    providers::look(&settings, model, &mut show).await;
                }
                Ok(Exit::Done)
            })?;
        }
    }
    let exit = match worst {
        State::Problem if only_providers => Exit::Provider,
        State::Problem => Exit::Usage,
        State::Good | State::Warning => Exit::Done,
    };
    if !args.json {
        display.say(match (problems, worst) {
            (0, State::Good) => "\nall is well: `batchgen run` can start\n",
            (0, _) => "\nnothing is in the way: `batchgen run` can start\n",
            (1, _) => "\none problem is in the way of `batchgen run`\n",
            _ => "\nproblems are in the way of `batchgen run`\n",
        });
    }
    Ok(exit)
}

fn line(check: &Check) -> String {
    let mark = match check.state {
        State::Good => "ok",
        State::Warning => "warning",
        State::Problem => "PROBLEM",
    };
    let found = check.found.replace('\n', &format!("\n{:20}", ""));
    let mut text = format!("{:10} {mark:8} {found}\n", check.area);
    if let Some(hint) = &check.hint {
        text.push_str(&format!("{:20}hint: {hint}\n", ""));
    }
    text
}

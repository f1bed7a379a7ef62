//! `cargo xtask test`: builds what the tests need and runs all of them.
//!
//! Accepts no snapshot: one that is missing, changed or belongs to no test fails. The runner's closing lines are the last
//! ones unless something failed.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use crate::{
    deb, docs, npm, pypi, runner,
    snapshot_files::{self, References},
    test_tools,
    workspace::Workspace,
};

/// Builds what the tests need and runs all of them.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Passed on to the runner (`cargo nextest run`, or `cargo test` where that is not installed): a filter, for
    /// example. With it, this crate's own tests are left out.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Tests that count on plugins, by the beginning of their names. What tests of the host run is some plugins of this
/// repository; without them they are left out.
const COUNT_ON: [(&str, &[&str]); 9] = [
    (
        "e2e::",
        &["frontmatter", "metatags", "text", "table", "tags"],
    ),
    ("e2e::component_files::", &["prompt"]),
    ("e2e::docs::", &["prompt"]),
    ("e2e::embedded::", &["prompt", "tags"]),
    ("e2e::init::", &["prompt"]),
    ("e2e::prompt::", &["prompt"]),
    ("e2e::quality::", &["prompt", "judge"]),
    ("e2e::screen::", &["prompt"]),
    ("e2e::watch_page::", &["prompt"]),
];

/// Performs the task.
///
/// # Errors
/// When something does not build or a runner cannot be started.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let everything = args.arguments.is_empty();
    if everything && !runner::own_tests(workspace)? {
        return Ok(ExitCode::FAILURE);
    }
    let left_out = runner::build_what_tests_need(workspace)?;
    if everything {
        let outdated = docs::outdated(workspace)?;
        for page in &outdated {
            eprintln!("error: {} is not as the code says", workspace.shown(page));
        }
        if !outdated.is_empty() {
            eprintln!("hint: `cargo xtask docs` writes it again");
            return Ok(ExitCode::FAILURE);
        }
    }
    let references = References::start(workspace)?;
    let mut command = runner::command(workspace);
    references.collect_from(&mut command);
    let mut arguments = args.arguments.clone();
    let skipped = if everything {
        let mut skipped = skipped(workspace);
        let mut left_out = test_tools::left_out()?;
        left_out.extend(pypi::left_out(workspace)?);
        left_out.extend(npm::left_out(workspace, &[])?);
        left_out.extend(deb::left_out(workspace)?);
        if !skipped.contains(&"e2e::") {
            skipped.extend(left_out);
        }
        skipped
    } else {
        // Whoever asks for certain tests sees what they lack.
        pypi::left_out(workspace)?;
        npm::left_out(workspace, &args.arguments)?;
        deb::left_out(workspace)?;
        Vec::new()
    };
    for (place, tests) in skipped.iter().enumerate() {
        let words = ["--", "--skip", tests];
        arguments.extend(words.iter().skip(place.min(1)).map(OsString::from));
    }
    if !runner::all_tests(command.env("INSTA_UPDATE", "no"), &arguments)? {
        eprintln!(
            "hint: was a snapshot missing or changed? `cargo xtask snapshots` shows it for review (one that stands in a \
             source: edit it, or `cargo insta test --review`); commit what you accept"
        );
        return Ok(ExitCode::FAILURE);
    }
    if everything {
        let mut reviewed = snapshot_files::reviewed(workspace, &left_out)?;
        for tests in skipped {
            let prefix = format!("tests__{}", tests.replace("::", "__"));
            reviewed.retain(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                !name.is_some_and(|name| name.starts_with(&prefix))
            });
        }
        let unreferenced = references.unreferenced(&reviewed)?;
        if !unreferenced.is_empty() {
            eprintln!("error: these snapshots belong to no test:");
            for path in &unreferenced {
                eprintln!("  {}", workspace.shown(path));
            }
            eprintln!("hint: `cargo xtask snapshots --accept` removes them");
            return Ok(ExitCode::FAILURE);
        }
    }
    if !left_out.is_empty() {
        eprintln!(
            "not tested, since what their language needs is not installed (see above): {}",
            left_out.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Tests that are left out because plugins that they count on were removed; it is said which.
fn skipped(workspace: &Workspace) -> Vec<&'static str> {
    let plugins = workspace.root().join("plugins");
    COUNT_ON
        .into_iter()
        .filter_map(|(tests, needed)| {
            let missing = needed.iter().find(|name| !plugins.join(name).is_dir())?;
            eprintln!(
                "tests `{tests}` are left out: they count on plugins/{missing}, which is not there"
            );
            Some(tests)
        })
        .collect()
}

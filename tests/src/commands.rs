//! Every command of the program, with words that make it show what it can. A test that must hold for all of them runs this
//! list; a new command fails [`each`] until it is in it.

use std::collections::BTreeSet;

use crate::scene::Scene;

/// What a command is run on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// A record of the dataset.
    pub record: &'a str,
    /// A component of the project.
    pub component: &'a str,
    /// A plugin file.
    pub plugin: &'a str,
    /// A dataset that is not the project's.
    pub dataset: &'a str,
}

/// One command as it is run.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its arguments.
    pub words: Vec<String>,
    /// Whether it prints a result on standard output.
    pub prints: bool,
}

/// Commands that go on until they are stopped, so that each test has its own way to run them.
pub const ENDLESS: [&str; 2] = ["view", "dev"];
/// Commands that need a server of the network, so that `e2e::cluster`, `e2e::registry` and `e2e::storage` run them.
const WITH_SERVER: [&str; 8] = [
    "worker",
    "cluster status",
    "cluster clean",
    "plugins add",
    "plugins update",
    "plugins publish",
    "store push",
    "store pull",
];

/// Commands that print a result. Those that change something come last.
const PRINTING: &[&str] = &[
    "reference",
    "completions bash",
    "doctor",
    "doctor --json",
    "plan --all",
    "plan --all --json",
    "status",
    "status --json",
    "failures",
    "failures --newest 9",
    "failures --json",
    "failures --newest 9 --json",
    "failures --export -",
    "why RECORD COMPONENT",
    "why RECORD COMPONENT --json",
    "replay RECORD COMPONENT",
    "replay RECORD COMPONENT --prompts",
    "report --markdown",
    "report --json",
    "report -o -",
    "report --sameness --markdown",
    "sameness",
    "sameness COMPONENT --json",
    "export",
    "export --all-fields --format csv",
    "store stats",
    "store stats --json",
    "store verify",
    "store verify --json",
    "store export completions",
    "store export transcripts",
    "store export tasks",
    "batches list",
    "batches list --json",
    "batches collect",
    "batches orphans",
    "plugins list",
    "plugins list --json",
    "plugins inspect PLUGIN",
    "plugins inspect PLUGIN --json",
    "plugins dev PLUGIN --record RECORD",
    "plugins check PLUGIN --record RECORD",
    "accept --dry-run --json",
    "review --list",
    "review --list --json",
    "judge scores",
    "judge check",
    "compare --with model=offline --sample 2 --component COMPONENT",
    "compare --with model=offline --sample 2 --component COMPONENT --json",
    "compare --with model=offline --sample 2 --component COMPONENT --page -",
    "diff PLUGIN",
    "diff PLUGIN --json",
    "clean",
    "store prune --dry-run",
    "store prune --json",
    "store prune",
    "store recover .batchgen/state.db saved.db",
    "run",
    "run --json",
    "retry --fresh --record RECORD",
    "retry --fresh --record RECORD --json",
    "init DATASET --config made.toml",
    "add component added",
];

/// Commands that say on standard error what they did, or have nothing to say.
const TELLING: &[&str] = &[
    "clean --json",
    "trust",
    "accept --dry-run",
    "report",
    "export rows.csv",
    "export rows.jsonl",
    "failures --export failures.jsonl",
    "store export tasks --to tasks.jsonl",
    "batches orphans --remove",
    "batches cancel --all",
    "batches export questions.jsonl",
    "batches import records.jsonl",
    "plugins lock",
    "plugins new another",
    "plugins pack PLUGIN --manifest plugin.toml --output packed.wasm",
    "accept",
    "judge scores --json",
    "judge check --json",
    "review --accept",
    "golden check",
    "golden check --json",
    "golden add RECORD COMPONENT",
];

/// Every command but [`ENDLESS`] and [`WITH_SERVER`].
#[track_caller]
pub fn each(scene: &Scene, subject: Subject<'_>) -> Vec<Shown> {
    let reference = scene.host(&["reference"]).ended(0).stdout;
    let headings = reference
        .lines()
        .filter_map(|line| line.strip_prefix("## batchgen "));
    let known: BTreeSet<&str> = headings.collect();
    let is_group = |name: &str| {
        known
            .iter()
            .any(|other| other.starts_with(&format!("{name} ")))
    };
    let listed = PRINTING
        .iter()
        .chain(TELLING)
        .chain(&ENDLESS)
        .chain(&WITH_SERVER);
    let listed: Vec<&str> = listed.copied().collect();
    for name in known.iter().filter(|name| !is_group(name)) {
        let is_it = |line: &&str| *line == *name || line.starts_with(&format!("{name} "));
        if !listed.iter().any(is_it) {
            panic!(
                "`{name}` is a new command: write it into the list of commands, with words that make it show something"
            );
        }
    }
    let shown = |(line, prints): (&&str, bool)| Shown {
        words: line
            .split(' ')
            .map(|word| named(word, subject).to_owned())
            .collect(),
        prints,
    };
    let printing = PRINTING.iter().map(|line| (line, true));
    let telling = TELLING.iter().map(|line| (line, false));
    printing.chain(telling).map(shown).collect()
}

fn named<'a>(word: &'a str, subject: Subject<'a>) -> &'a str {
    match word {
        "RECORD" => subject.record,
        "COMPONENT" => subject.component,
        "PLUGIN" => subject.plugin,
        "DATASET" => subject.dataset,
        other => other,
    }
}

//! `batchgen review`: a person accepts or refuses files, one after the other. What is refused is made anew by the next run.

mod screen;

use std::collections::VecDeque;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::args::{ProjectArgs, SelectionArgs};
use super::ask;
use super::display::{Display, emit, say};
use super::execution::evidence;
use super::exit::{Exit, Failure};
use super::mirrored::Mirrored;
use super::numbers::counted;
use super::project::{Project, State, block_on};
use super::publish;
use super::store::places;
use super::{status, view};
use engine::{Editing, Publisher, ReviewFilter, ReviewedFile, Reviewer};
use store::{Lease, RecordRef, Selection, Store};
use types::digest::Digest;
use watch::{Address, Desk, ReviewCounts, Snapshot};

/// What is asked about each file.
const QUESTION: &str = "[a]ccept, [r]efuse NOTE, [e]dit, [s]kip, [u]ndo, [q]uit: ";
/// Records that are looked at together.
const BATCH: u64 = 64;

/// Accept or refuse files: what is refused is made anew by the next run, with your note.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen review                                  # one file after the other
  batchgen review --held                           # only what a gate holds
  batchgen review --component text --below 4 --list
  batchgen review --page                           # the same in the browser, with the keyboard
  batchgen review --record oak --component text --refuse too-dry

Without --list, --page, --accept and --refuse it shows each file and reads what you decide from standard input: a, r NOTE, e, s, u, q.
Only files that nobody has decided about as they are now are shown; a decision ends when the file changes. \
`batchgen export --accepted` takes only what was accepted.")]
pub(super) struct ReviewArgs {
    /// Only files that a gate holds
    #[arg(long)]
    held: bool,
    /// Only files to which a judge gave less than this
    #[arg(long, value_name = "SCORE")]
    below: Option<f64>,
    /// Also files that somebody decided about
    #[arg(long)]
    decided: bool,
    /// List the files, and decide nothing
    #[arg(long, conflicts_with_all = ["accept", "refuse"])]
    list: bool,
    /// Serve a page on which you decide, until Ctrl-C; the address is printed
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = view::ADDRESS,
        conflicts_with_all = ["list", "accept", "refuse"]
    )]
    page: Option<Address>,
    /// Accept all of them
    #[arg(long, conflicts_with = "refuse")]
    accept: bool,
    /// Refuse all of them, and say why
    #[arg(long, value_name = "NOTE")]
    refuse: Option<String>,
    /// Name of the person who decides; default: that of the account
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print JSON Lines, with --list, --accept or --refuse
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

impl ReviewArgs {
    /// Which files are wanted.
    fn filter(&self) -> ReviewFilter {
        ReviewFilter {
            held: self.held,
            below: self.below,
            decided: self.decided,
        }
    }

    /// Who decides.
    fn by(&self) -> String {
        let account = || env::var("USER").or_else(|_| env::var("USERNAME")).ok();
        let by = self.by.clone().or_else(account);
        by.filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| "somebody".to_owned())
    }
}

/// Runs the subcommand.
pub(super) fn perform(args: &ReviewArgs, display: &Display) -> Result<Exit, Failure> {
    if args.json && !(args.list || args.accept || args.refuse.is_some()) {
        return Err(Failure::usage(anyhow!(
            "--json is for --list, --accept and --refuse\nhint: add --list"
        )));
    }
    let project = Project::open(&args.project, display)?;
    // Looked at before this process has the lock, since the last run is told apart from its holder by that.
    let page = match &args.page {
        Some(address) => Some((address, status::last(&args.project.place)?)),
        None => None,
    };
    block_on(start(args, display, project, page))
}

async fn start(
    args: &ReviewArgs,
    display: &Display,
    project: Project,
    page: Option<(&Address, Snapshot)>,
) -> Result<Exit, Failure> {
    let named = project.named(&args.selection.component)?;
    let mut components = project.wanted(&args.selection)?;
    components.retain(|component| named.is_empty() || named.contains(&component.name));
    // Verdicts are shown with what they judge.
    components.retain(|component| component.judges.is_none() || !named.is_empty());
    let state = match args.list {
        true => State::read(&project)?,
        false => State::open(&project).await?,
    };
    let mirrored = match args.list {
        true => None,
        false => Mirrored::look(&project, &state, display)?,
    };
    state.store.set_reviews();
    let selection = project.selection(&args.selection)?;
    let lease = state.select(&selection)?;
    let root = project.settings.config.output.directory.clone();
    let names: Vec<String> = components.iter().map(|one| one.name.clone()).collect();
    let reviewer = Reviewer::new(
        &state.store,
        &project.dataset,
        &state.indexed,
        components,
        root.clone(),
    );
    let editing = Editing {
        dataset: Arc::clone(&project.dataset),
        indexed: state.indexed.clone(),
        components: project.with_dependencies(names)?,
        site: project.settings.config.site.clone(),
    };
    if let Some((address, newest)) = page {
        let desk = Desk {
            reviewer,
            store: state.store.clone(),
            indexed: state.indexed.clone(),
            dataset: Arc::clone(&project.dataset),
            selection,
            filter: args.filter(),
            by: args.by(),
            publisher: publish::publisher(&project, &state),
            editing,
        };
        let (file, _) = places(&args.project.place)?;
        let evidence = Some(evidence(&project, &state));
        let counts = view::serve(address, &file, newest, evidence, Some(desk), display).await?;
        tell(&counts, &args.by(), display);
        settle(mirrored.as_ref())?;
        return Ok(Exit::Done);
    }
    let files = Files {
        store: state.store.clone(),
        reviewer: &reviewer,
        args,
        lease,
        records: VecDeque::new(),
        files: VecDeque::new(),
    };
    if args.list {
        return list(files, args.json);
    }
    let session = Session {
        args,
        display,
        state: &state,
        reviewer: &reviewer,
        editing: &editing,
        root: &root,
        publisher: publish::publisher(&project, &state),
        by: args.by(),
    };
    let exit = match (args.accept, &args.refuse) {
        (false, None) => session.ask(files).await,
        (accepts, note) => {
            let note = note.as_deref().unwrap_or_default();
            session.decide_all(files, accepts, note).await
        }
    }?;
    settle(mirrored.as_ref())?;
    Ok(exit)
}

/// Puts what was edited where it belongs.
fn settle(mirrored: Option<&Mirrored<'_>>) -> Result<(), Failure> {
    mirrored.map_or(Ok(()), Mirrored::settle)
}

/// The files that are wanted, record by record.
struct Files<'a> {
    store: Store,
    reviewer: &'a Reviewer,
    args: &'a ReviewArgs,
    lease: Lease,
    records: VecDeque<RecordRef>,
    files: VecDeque<ReviewedFile>,
}

impl Files<'_> {
    /// The next one.
    fn next(&mut self) -> Result<Option<ReviewedFile>, Failure> {
        loop {
            if let Some(file) = self.files.pop_front() {
                return Ok(Some(file));
            }
            if self.records.is_empty() {
                let records = self.store.lease(&mut self.lease, BATCH);
                self.records = records.map_err(Failure::internal)?.into();
            }
            let Some(record) = self.records.pop_front() else {
                return Ok(None);
            };
            let files = self.reviewer.files(&record).map_err(Failure::internal)?;
            let filter = self.args.filter();
            let wanted = files.into_iter().filter(|file| filter.wants(file));
            self.files = wanted.collect();
        }
    }
}

fn list(mut files: Files<'_>, as_json: bool) -> Result<Exit, Failure> {
    let mut table = screen::table();
    let mut count = 0;
    while let Some(file) = files.next()? {
        count += 1;
        if as_json {
            emit(&screen::as_json(&file));
        } else {
            table.row(screen::row(&file));
        }
    }
    if !as_json && count > 0 {
        say(&table.wrapping_last().render(super::display::width()));
    } else if !as_json {
        say("no file awaits a decision\n");
    }
    Ok(Exit::Done)
}

/// What a person decides about a file.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Accept,
    Refuse(String),
    Edit,
    Skip,
    Undo,
    Quit,
    /// It is not known what is meant.
    Unclear,
}

impl Decision {
    fn read(line: &str) -> Decision {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_lowercase().as_str() {
            "a" | "accept" if rest.is_empty() => Decision::Accept,
            "r" | "refuse" | "reject" => Decision::Refuse(rest.trim().to_owned()),
            "e" | "edit" if rest.is_empty() => Decision::Edit,
            "s" | "skip" | "n" | "next" if rest.is_empty() => Decision::Skip,
            "u" | "undo" if rest.is_empty() => Decision::Undo,
            "q" | "quit" if rest.is_empty() => Decision::Quit,
            _ => Decision::Unclear,
        }
    }
}

struct Session<'a> {
    args: &'a ReviewArgs,
    display: &'a Display,
    state: &'a State,
    reviewer: &'a Reviewer,
    editing: &'a Editing,
    root: &'a Path,
    publisher: Option<Publisher>,
    by: String,
}

impl Session<'_> {
    /// Decides the same about all files.
    async fn decide_all(
        &self,
        mut files: Files<'_>,
        accepts: bool,
        note: &str,
    ) -> Result<Exit, Failure> {
        let mut counts = ReviewCounts::default();
        while let Some(file) = files.next()? {
            self.decide(&file, accepts, note, &mut counts).await?;
            if self.args.json {
                emit(&json!({
                    "event": "decided", "record": file.record, "component": file.component,
                    "path": file.path, "accepted": accepts, "by": self.by,
                }));
            }
        }
        if !self.args.json {
            tell(&counts, &self.by, self.display);
        }
        Ok(Exit::Done)
    }

    async fn decide(
        &self,
        file: &ReviewedFile,
        accepts: bool,
        note: &str,
        counts: &mut ReviewCounts,
    ) -> Result<(), Failure> {
        let decided = self.reviewer.decide(file, &self.by, accepts, note).await;
        decided.map_err(Failure::internal)?;
        self.publish(&file.record, None)?;
        match accepts {
            true => counts.accepted += 1,
            false => counts.refused += 1,
        }
        Ok(())
    }

    /// Sees to the copies of a record in the folder of accepted files, if there is one.
    fn publish(&self, record: &str, taken_back: Option<Digest>) -> Result<(), Failure> {
        let Some(publisher) = &self.publisher else {
            return Ok(());
        };
        let published = publisher.settle(record, taken_back);
        publish::tell(&published.map_err(Failure::internal)?, self.display);
        Ok(())
    }

    /// Shows one file after the other, and asks what to do.
    async fn ask(&self, mut files: Files<'_>) -> Result<Exit, Failure> {
        let mut counts = ReviewCounts::default();
        let mut shown: Vec<ReviewedFile> = Vec::new();
        let mut again: Option<ReviewedFile> = None;
        'files: loop {
            let next = match again.take() {
                Some(file) => Some(file),
                None => files.next()?,
            };
            let Some(mut file) = next else { break };
            say(&screen::file(&file));
            loop {
                let Some(line) = ask::line(QUESTION).map_err(Failure::usage)? else {
                    break 'files;
                };
                match Decision::read(&line) {
                    Decision::Accept => self.decide(&file, true, "", &mut counts).await?,
                    Decision::Refuse(note) => {
                        let note = match note.is_empty() {
                            true => ask::line("what should change? ")
                                .map_err(Failure::usage)?
                                .unwrap_or_default(),
                            false => note,
                        };
                        self.decide(&file, false, note.trim(), &mut counts).await?;
                    }
                    Decision::Edit => match self.edit(&file).await? {
                        Some(edited) => {
                            file = edited;
                            say(&screen::file(&file));
                            continue;
                        }
                        None => continue,
                    },
                    Decision::Skip => {}
                    Decision::Undo => {
                        if let Some(before) = self.undo(&mut shown, &mut counts).await? {
                            shown.retain(|known| known.path != before.path);
                            files.files.push_front(file);
                            again = Some(before);
                            continue 'files;
                        }
                        continue;
                    }
                    Decision::Quit => break 'files,
                    Decision::Unclear => {
                        say(screen::HELP);
                        continue;
                    }
                }
                shown.push(file);
                continue 'files;
            }
        }
        tell(&counts, &self.by, self.display);
        Ok(Exit::Done)
    }

    /// Takes back the last decision; the file that it was about, if it was shown here.
    async fn undo(
        &self,
        shown: &mut Vec<ReviewedFile>,
        counts: &mut ReviewCounts,
    ) -> Result<Option<ReviewedFile>, Failure> {
        let taken = self.reviewer.take_back(&self.by).await;
        let Some(taken) = taken.map_err(Failure::internal)? else {
            say("there is nothing to take back\n");
            return Ok(None);
        };
        let count = match taken.verdict.passes {
            true => &mut counts.accepted,
            false => &mut counts.refused,
        };
        *count = count.saturating_sub(1);
        let (record, component) = (&taken.record, &taken.verdict.component);
        self.publish(record, Some(taken.verdict.content))?;
        say(&format!("taken back: {record} {component}\n"));
        let place = shown
            .iter()
            .rposition(|file| file.record == *record && file.component == *component);
        Ok(place.map(|place| shown.remove(place)))
    }

    /// Opens the file in an editor, and adopts what comes of it. Nothing, where it stays as it is or is refused.
    async fn edit(&self, file: &ReviewedFile) -> Result<Option<ReviewedFile>, Failure> {
        let editor = env::var("VISUAL").or_else(|_| env::var("EDITOR"));
        let Ok(editor) = editor else {
            say("no editor is known: set EDITOR, as in EDITOR=nano\n");
            return Ok(None);
        };
        let path = self.root.join(&file.path);
        // The variable may hold flags of the editor.
        let status = Command::new("sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(&path)
            .status()
            .with_context(|| format!("the editor `{editor}` does not start"))
            .map_err(Failure::usage)?;
        if !status.success() {
            say(&format!(
                "the editor failed ({status}); the file is as it left it\n"
            ));
        }
        let fault = self.reviewer.adopt(file, self.editing).await;
        if let Some(fault) = fault.map_err(Failure::internal)? {
            self.display
                .print(&format!("{} is not adopted: {fault}", file.path));
        }
        self.publish(&file.record, None)?;
        let selection = Selection {
            records: vec![file.record.clone()],
            ..Selection::default()
        };
        let mut lease = self.state.select(&selection)?;
        let records = self.state.store.lease(&mut lease, 1);
        let records = records.map_err(Failure::internal)?;
        let Some(record) = records.first() else {
            return Ok(None);
        };
        let files = self.reviewer.files(record).map_err(Failure::internal)?;
        let now = files.into_iter().find(|now| now.path == file.path);
        Ok(now.filter(|now| now.content != file.content))
    }
}

/// Says what was decided.
fn tell(counts: &ReviewCounts, by: &str, display: &Display) {
    let mut text = format!(
        "{} accepted, {} refused by {by}",
        counted(counts.accepted, "file"),
        counts.refused,
    );
    if counts.refused > 0 {
        text.push_str("; `batchgen run` makes anew what was refused");
    }
    display.note(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_decided() {
        for (line, decision) in [
            ("a\n", Decision::Accept),
            ("Accept", Decision::Accept),
            ("r too  dry\n", Decision::Refuse("too  dry".to_owned())),
            ("r", Decision::Refuse(String::new())),
            ("e", Decision::Edit),
            ("s", Decision::Skip),
            ("u", Decision::Undo),
            ("q", Decision::Quit),
            ("", Decision::Unclear),
            ("a bit dull", Decision::Unclear),
            ("yes", Decision::Unclear),
        ] {
            assert_eq!(Decision::read(line), decision, "{line}");
        }
    }
}

//! Records of the dataset that cannot be read: told all at once, as far as they are few. The others run.

use serde_json::{Value, json};

use super::display::Display;
use super::exit::Failure;
use super::program;
use super::progress::events;
use super::project::State;
use store::{BadRecord, StoreError};

/// Records that are told one by one.
const TOLD: u64 = 20;
/// Records that events tell one by one.
const EVENTS: u64 = 1000;

/// Says which records cannot be read, before a run or a dry run; how many there are.
pub(super) fn tell(state: &State, as_json: bool, display: &Display) -> Result<u64, Failure> {
    let State { store, indexed } = state;
    let count = store.unreadable(indexed).map_err(Failure::internal)?;
    if count == 0 {
        return Ok(0);
    }
    let most = if as_json { EVENTS } else { TOLD };
    let bad = store
        .bad_records(indexed, 0, most)
        .map_err(Failure::internal)?;
    if as_json {
        for record in &bad {
            events::event("unreadable", as_value(record));
        }
        return Ok(count);
    }
    let mut text = format!("warning: {}", sentence(count));
    for record in &bad {
        text.push_str(&format!("\n  {}", record.cause.replace('\n', "\n  ")));
    }
    let more = count - bad.len() as u64;
    if more > 0 {
        let name = program::name();
        text.push_str(&format!(
            "\n  and {more} more: `{name} failures --export FILE` writes all of them"
        ));
    }
    display.print(&text);
    Ok(count)
}

/// What is said of so many.
pub(super) fn sentence(count: u64) -> String {
    match count {
        1 => "1 record of the dataset cannot be read, and is left out".to_owned(),
        some => format!("{some} records of the dataset cannot be read, and are left out"),
    }
}

/// As JSON.
pub(super) fn as_value(record: &BadRecord) -> Value {
    json!({"line": record.line, "id": record.id, "cause": record.cause})
}

/// Calls `take` for every one that is noted.
pub(super) fn each(
    state: &State,
    mut take: impl FnMut(&BadRecord) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let State { store, indexed } = state;
    let (mut after, mut count) = (0, 0);
    loop {
        let read: Result<Vec<BadRecord>, StoreError> = store.bad_records(indexed, after, EVENTS);
        let bad = read.map_err(Failure::internal)?;
        let Some(last) = bad.last() else {
            return Ok(count);
        };
        after = last.ord;
        for record in &bad {
            take(record)?;
            count += 1;
        }
    }
}

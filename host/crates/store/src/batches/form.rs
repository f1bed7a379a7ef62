//! Forms a batch of the questions that wait: as many as fit and may be paid for.

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::{Formed, INSERT, PRIMER, Wanted, Which, batch, name_of};
use crate::checksum::QUESTIONS;
use crate::sql::Column;
use gateway::batch::unmarked;
use types::digest::Digest;
use types::limit::Size;

/// Forms a batch, and takes its questions from the queue.
pub(super) fn form(
    connection: &Connection,
    wanted: &Wanted,
    may_spend: &dyn Fn(u64, Size) -> bool,
) -> rusqlite::Result<Formed> {
    let Chosen {
        mut questions,
        mut bytes,
        likely,
        is_unaffordable,
    } = choose(connection, wanted, may_spend)?;
    if questions.is_empty() {
        return Ok(Formed {
            batch: None,
            is_unaffordable,
        });
    }
    // Questions of one component begin alike, and a provider's cache of prompts wants them together.
    questions.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let (hash, taken) = lines(connection, wanted, &questions)?;
    bytes = bytes.saturating_sub(taken);
    let name = name_of(connection, hash, wanted.now)?;
    let primed = match &wanted.which {
        Which::First { .. } => String::new(),
        Which::Primer(component) => format!("{PRIMER}{component}"),
    };
    let id = connection.prepare_cached(&INSERT)?.query_row(
        params![
            format!("{name}{primed}"),
            wanted.lane,
            Column(wanted.account),
            Column(hash),
            questions.len() as u64,
            bytes,
            likely.input,
            likely.output,
            wanted.now
        ],
        |row| row.get::<_, i64>(0),
    )?;
    let take = format!(
        "UPDATE question SET {} WHERE key = ?1",
        QUESTIONS.set(&[("state", "'sent'"), ("batch", "?2"), ("ord", "?3")])
    );
    let mut take = connection.prepare_cached(&take)?;
    for (place, (_, _, key)) in questions.iter().enumerate() {
        take.execute(params![Column(*key), id, place as u64 + 1])?;
    }
    let sql = "SELECT * FROM batch WHERE id = ?1";
    Ok(Formed {
        batch: Some(connection.query_row(sql, [id], batch)?),
        is_unaffordable,
    })
}

/// Questions that go into a batch: component, place in the queue and key of each.
#[derive(Default)]
struct Chosen {
    questions: Vec<(String, i64, Digest)>,
    bytes: u64,
    likely: Size,
    /// Not even one may be paid for.
    is_unaffordable: bool,
}

fn choose(
    connection: &Connection,
    wanted: &Wanted,
    may_spend: &dyn Fn(u64, Size) -> bool,
) -> rusqlite::Result<Chosen> {
    let most = wanted.most;
    let (order, component) = match &wanted.which {
        Which::First { .. } => ("ord", None),
        Which::Primer(component) => ("ord DESC LIMIT 1", Some(component)),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT key, component, ord, bytes, likely_input, likely_output FROM question
         WHERE lane = ?1 AND state = 'queued' AND (?2 IS NULL OR component = ?2) AND key IN (SELECT key FROM waiting) AND {}
         ORDER BY {order}",
        QUESTIONS.sound()
    ))?;
    let mut rows = statement.query(params![wanted.lane, component])?;
    let mut chosen = Chosen::default();
    while let Some(row) = rows.next()? {
        let Column(Some(key)) = row.get("key")? else {
            continue;
        };
        let size: u64 = row.get("bytes")?;
        let (input, output): (u64, u64) = (row.get("likely_input")?, row.get("likely_output")?);
        let more = Size {
            input: chosen.likely.input.saturating_add(input),
            output: chosen.likely.output.saturating_add(output),
        };
        let count = chosen.questions.len() as u64;
        let fits = count < most.lines
            && chosen.bytes.saturating_add(size) <= most.bytes
            && more.input <= most.input_tokens;
        if !fits && count > 0 {
            break;
        }
        if !may_spend(count + 1, more) {
            chosen.is_unaffordable = count == 0;
            break;
        }
        chosen.bytes = chosen.bytes.saturating_add(size);
        chosen.likely = more;
        let (component, place) = (row.get("component")?, row.get("ord")?);
        chosen.questions.push((component, place, key));
    }
    Ok(chosen)
}

/// The hash of the lines of a batch, and how many bytes the marks had that were taken from them. Lines lose
/// their mark where the cache does not have their beginning yet: each of them would write it, for twice the price.
fn lines(
    connection: &Connection,
    wanted: &Wanted,
    questions: &[(String, i64, Digest)],
) -> rusqlite::Result<(Digest, u64)> {
    let is_kept = |component: &String| match &wanted.which {
        Which::First { kept } => kept.contains(component),
        Which::Primer(_) => true,
    };
    let unmark = format!(
        "UPDATE question SET {} WHERE key = ?1",
        QUESTIONS.set(&[("line", "?2"), ("bytes", "?3")])
    );
    let (mut hash, mut taken) = (Sha256::new(), 0_u64);
    let mut statement = connection.prepare_cached("SELECT line FROM question WHERE key = ?1")?;
    for (component, _, key) in questions {
        let line: Option<String> = statement.query_row([Column(*key)], |row| row.get(0))?;
        let mut line = line.unwrap_or_default();
        if !is_kept(component)
            && let Some(plain) = unmarked(&line)
        {
            taken += line.len().saturating_sub(plain.len()) as u64;
            let bytes = plain.len() as u64 + 1;
            connection
                .prepare_cached(&unmark)?
                .execute(params![Column(*key), plain, bytes])?;
            line = plain;
        }
        hash.update(line);
        hash.update(b"\n");
    }
    Ok((Digest::from(hash), taken))
}

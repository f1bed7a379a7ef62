//! What runs have on a server, and what dead ones left there.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, jetstream};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::{PREFIX, beats_subject, bounded, failed, stream_name};
use crate::bus::BusError;
use crate::wire::{Beat, decode};

/// The parts of a run on a server.
const PARTS: [&str; 3] = ["work", "results", "objects"];
/// How an object store names its stream.
const OBJECTS: &str = "OBJ_";

/// What a run has on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Messages in all of it.
    pub messages: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// What each run has on the server, by the name of the run.
///
/// # Errors
/// When the server does not tell.
pub async fn leftovers(client: &Client) -> Result<BTreeMap<String, Leftover>, BusError> {
    let context = jetstream::new(client.clone());
    let mut found: BTreeMap<String, Leftover> = BTreeMap::new();
    let mut streams = context.streams();
    while let Some(stream) = bounded(async { streams.next().await.transpose() }).await? {
        let name = stream.config.name.as_str();
        let name = name.strip_prefix(OBJECTS).unwrap_or(name);
        let own = name
            .strip_prefix(PREFIX)
            .and_then(|name| name.strip_prefix('-'));
        let run = own.and_then(|name| {
            let mut parts = PARTS.iter();
            parts.find_map(|part| name.strip_suffix(part)?.strip_suffix('-'))
        });
        if let Some(run) = run {
            let of = found.entry(run.to_owned()).or_default();
            of.messages += stream.state.messages;
            of.bytes += stream.state.bytes;
        }
    }
    Ok(found)
}

/// The runs that say within this time that they are there.
///
/// # Errors
/// When the server does not take the question.
pub async fn beats(client: &Client, within: Duration) -> Result<BTreeMap<String, Beat>, BusError> {
    let mut heard = BTreeMap::new();
    let mut beats = bounded(client.subscribe(beats_subject())).await?;
    let until = Instant::now() + within;
    while let Ok(Some(message)) = timeout_at(until, beats.next()).await {
        if let Ok(beat) = decode::<Beat>(&message.payload) {
            heard.insert(beat.run.clone(), beat);
        }
    }
    Ok(heard)
}

/// Removes all that a run has on the server.
///
/// # Errors
/// When something of it stays.
pub async fn remove(client: &Client, run: &str) -> Result<(), BusError> {
    let context = jetstream::new(client.clone());
    let mut stays = None;
    for part in PARTS {
        let name = stream_name(run, part);
        let removed = if part == "objects" {
            bounded(context.delete_object_store(&name)).await
        } else {
            bounded(context.delete_stream(&name)).await.map(|_| ())
        };
        // What is not there need not be removed.
        if let Err(error) = removed
            && !error.is_not_there()
        {
            stays = Some(error);
        }
    }
    stays.map_or(Ok(()), |error| Err(failed(error)))
}

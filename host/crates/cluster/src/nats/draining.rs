//! How a worker is told from elsewhere to finish what it has in work.

use async_nats::Client;
use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{PREFIX, bounded};
use crate::bus::BusError;

fn subject(worker: &str) -> String {
    format!("{PREFIX}.drain.{worker}")
}

/// Tells the worker of this name; gives whether there is one.
///
/// # Errors
/// When the server does not take it, or the worker does not answer.
pub async fn drain(client: &Client, worker: &str) -> Result<bool, BusError> {
    bounded(async {
        match client.request(subject(worker), Bytes::new()).await {
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(false),
            told => told.map(|_| true),
        }
    })
    .await
}

/// Waits until the worker of this name is told.
///
/// # Errors
/// When the server does not take it.
pub async fn drained(
    client: &Client,
    worker: &str,
) -> Result<impl Future<Output = ()> + Send + use<>, BusError> {
    let mut told = bounded(client.subscribe(subject(worker))).await?;
    let client = client.clone();
    Ok(async move {
        let Some(message) = told.next().await else {
            // The connection is closed, which is no order to leave.
            return std::future::pending::<()>().await;
        };
        if let Some(reply) = message.reply {
            // Who told it may have gone.
            let _ = bounded(client.publish(reply, Bytes::new())).await;
        }
    })
}

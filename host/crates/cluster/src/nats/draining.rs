//! How a worker is told from elsewhere to finish what it has in work.

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{PREFIX, bounded};
use crate::bus::BusError;

fn subject(worker: &str) -> String {
    format!("{PREFIX}.drain.{worker}")
}

/// Tells the worker of this name.
///
/// # Errors
/// When the server does not take it.
pub async fn drain(client: &Client, worker: &str) -> Result<(), BusError> {
    bounded(client.publish(subject(worker), Bytes::new())).await?;
    bounded(client.flush()).await
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
    Ok(async move {
        if told.next().await.is_none() {
            // The connection is closed, which is no order to leave.
            std::future::pending::<()>().await;
        }
    })
}

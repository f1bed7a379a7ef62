//! The server of a run, as a coordinator that starts finds it: it may be about to start, too, or be killed at this moment.

use std::fmt::Display as Words;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::display::Display;
use super::super::exit::Failure;
use super::{access, unconnected, unusable};
use ::cluster::nats::{self, AccessError, Client};

/// A server is waited for so long: several choose a leader.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same by a run that goes on: its workers wait for it, and whoever has killed both may have started it first.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// It is asked again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// The server of a run.
pub(super) struct Server<'a> {
    pub url: &'a str,
    /// Whether the run began before: then there was a server at this address.
    pub goes_on: bool,
    pub display: &'a Display,
}

impl Server<'_> {
    /// Connects to it.
    ///
    /// # Errors
    /// When it lets nobody in; for a run that begins, also when it is not there now.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let access = access(self.url);
        let connect = async || nats::connect(&access, "batchgen coordinator").await;
        let may_pass =
            |error: &AccessError| self.goes_on && matches!(error, AccessError::Unreachable { .. });
        self.tries(connect, may_pass, unconnected).await
    }

    /// Does something with it, again and again until that works.
    ///
    /// # Errors
    /// When it has failed for long.
    pub async fn insists<T, E: Words>(
        &self,
        doing: impl AsyncFn() -> Result<T, E>,
    ) -> Result<T, Failure> {
        self.tries(doing, |_| true, unusable).await
    }

    async fn tries<T, E: Words>(
        &self,
        doing: impl AsyncFn() -> Result<T, E>,
        may_pass: impl Fn(&E) -> bool,
        failure: impl Fn(E) -> Failure,
    ) -> Result<T, Failure> {
        let patience = match self.goes_on {
            true => LONG_PATIENCE,
            false => PATIENCE,
        };
        let (began, mut is_told) = (Instant::now(), false);
        loop {
            let error = match doing().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !may_pass(&error) || began.elapsed() >= patience {
                return Err(failure(error));
            }
            if !is_told {
                is_told = true;
                let url = self.url;
                self.display
                    .note(&format!("waiting for the NATS server at {url}: {error}"));
            }
            sleep(AGAIN).await;
        }
    }
}

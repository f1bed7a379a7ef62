//! An LLM provider for tests: it speaks a provider's HTTP dialect on the loopback address, keeps its
//! limits, goes wrong as it is told, and keeps a ledger of what it would have billed.
//!
//! It runs on a thread of its own, so tests may be synchronous, pause their own clock, or kill the
//! process that they test. It does not check that a caller is polite: that is what tests ask of its
//! ledger.
//!
//! While it runs it can be asked for its ledger (`GET /ledger`, `/totals`) and for what its limits'
//! windows held (`GET /windows`), and be told other limits and faults (`POST /limits`, `/faults`). For batches there are
//! `GET /batch/list`, `/batch/lines` and `/batch/script`, and `POST /batch/script` and `/batch/advance`; the README has
//! them all.

mod anthropic;
mod batch;
mod cache;
mod chat;
mod config;
mod dialect;
mod faults;
mod http;
mod ledger;
mod limits;
mod odd;
mod openai;
mod pictures;
mod pieces;
mod plan;
mod problem;
mod prompt;
mod provider;
mod quality;
mod reply;
mod server;
mod sloppy;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;

pub use batch::{
    Advance, BatchFault, BatchFaultKind, BatchFaultParseError, BatchLimits, BatchReport,
    BatchReports, BatchScript, Counts, Pace, Request, Stage, Wait,
};
use batch::{Desk, Protocol};
pub use config::{Answers, Config, Flex, Latency, Thinks};
pub use dialect::Dialect;
pub use faults::{Fault, FaultKind, FaultParseError, When};
pub use ledger::{BilledLine, Call, Ledger, Tokens, Totals};
pub use limits::{Limit, LimitParseError, Limits, Measure, OutputCharge, WindowKind, WindowReport};
pub use odd::Odd;
use provider::Provider;
pub use quality::{Quality, Wrong};

/// A running simulator; dropping it shuts it down.
#[derive(Debug)]
pub struct Simulator {
    base_url: String,
    origin: String,
    provider: Arc<Provider>,
    desk: Arc<Desk>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on the loopback address. It is ready when this returns.
    ///
    /// # Errors
    /// The port is taken, or the ledger file cannot be opened.
    pub fn start(config: Config) -> io::Result<Simulator> {
        allow_many_connections();
        let port = config.port;
        let path = config.dialect.base_path();
        let script = config.batch.clone();
        let provider = Arc::new(Provider::new(config)?);
        let desk = Arc::new(Desk::new(Arc::clone(&provider), script));
        let stop = Arc::new(Notify::new());
        let (started, start) = mpsc::channel();
        let (served, stopped) = (Arc::clone(&desk), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("llm-simulator".to_owned())
            .spawn(move || run(port, &started, served, stopped))?;
        let address = start.recv().map_err(io::Error::other)??;
        Ok(Simulator {
            base_url: format!("http://{address}{path}"),
            origin: format!("http://{address}"),
            provider,
            desk,
            stop,
            thread: Some(thread),
        })
    }

    /// What a client is configured with: `http://127.0.0.1:<port>/v1`, or the dialect's path.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address without a path, where Azure's deployments and the simulator's own pages are.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What has happened until now.
    pub fn ledger(&self) -> Ledger {
        self.provider.ledger()
    }

    /// The ledger as numbers only, for those who look often or have many calls.
    pub fn totals(&self) -> Totals {
        self.provider.totals()
    }

    /// What became of every limit there was: the most that a window held, and how much was used.
    pub fn windows(&self) -> Vec<WindowReport> {
        self.provider.windows()
    }

    /// Replaces the faults from the next call on.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.provider.set_faults(faults);
    }

    /// Replaces the limits from the next call on.
    pub fn set_limits(&self, limits: Limits) {
        self.provider.set_limits(limits);
    }

    /// All batches, and how often each request about them was made.
    pub fn batches(&self) -> BatchReports {
        Protocol::of(self.provider.dialect())
            .map(|protocol| self.desk.reports(protocol))
            .unwrap_or_default()
    }

    /// What was billed for the lines of batches, by their `custom_id`.
    pub fn billed_lines(&self) -> BTreeMap<String, BilledLine> {
        self.provider.billed_lines()
    }

    /// Replaces the script of batches. Those that there are keep theirs.
    pub fn set_batch_script(&self, script: BatchScript) {
        self.desk.set_script(script);
    }

    /// Ends the stages of batches that are told to, or all of their stages. Returns when that is done.
    ///
    /// # Errors
    /// There is no such batch, or the dialect has none.
    pub fn advance_batches(&self, advance: &Advance) -> Result<(), String> {
        let protocol = Protocol::of(self.provider.dialect())
            .ok_or_else(|| "this dialect has no batches".to_owned())?;
        self.desk.advance(protocol, advance)
    }

    /// Closes all connections, ends hanging calls and returns the final ledger.
    pub fn shutdown(self) -> Ledger {
        self.stop.notify_one();
        self.wait()
    }

    /// Serves until a client sends `POST /shutdown`, and returns the final ledger.
    pub fn wait(mut self) -> Ledger {
        self.join();
        self.provider.ledger()
    }

    fn join(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // Its panic was printed; a second one here would abort the test run.
            drop(thread.join());
        }
    }
}

/// The simulator's thread. All connections are closed when its runtime is dropped.
fn run(
    port: u16,
    started: &mpsc::Sender<io::Result<SocketAddr>>,
    desk: Arc<Desk>,
    stop: Arc<Notify>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async {
        let listening =
            server::listen(port).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match listening {
            Ok((address, listener)) => {
                drop(started.send(Ok(address)));
                server::serve(listener, Arc::clone(&desk), stop).await;
                // The runtime waits for those who wait for work, so nobody may work on.
                desk.stop();
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
}

/// Raises the number of open files to what the system allows: every connection is one, and in a test
/// its client's end is another.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, tests with few connections still run.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

//! `batchgen cluster`: which runs are on a server and who works for them. Also what a run on several machines needs of the program:
//! the access to the server, and the coordinator.

mod clean;
mod server;
mod status;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use sha2::{Digest as _, Sha256};

use super::display::Display;
use super::exit::{Exit, Failure};
use super::program;
use super::project::{Project, State};
use ::cluster::bundle::{self, BundleError};
use ::cluster::bus::CoordinatorBus;
use ::cluster::coordinator::{Conditions, Coordinator};
use ::cluster::nats::{self, Access, AccessError, NatsCoordinator, Streams};
use ::cluster::run_file;
use config::component::Component;
use engine::{Interrupt, Meter};
use gateway::Gateway;
use server::Server;
use store::Store;
use types::digest::Digest;

/// A coordinator that is there says so within this time.
const HEARD: Duration = Duration::from_millis(1_500);
/// A call is given up after so long in silence, and some.
const CALL: Duration = Duration::from_secs(30);

/// Show or clear what runs on several machines have on a NATS server.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct ClusterCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::StatusArgs),
    Clean(clean::CleanArgs),
}

/// Runs the subcommand.
pub(super) fn perform(args: &ClusterCommand, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::Status(args) => status::perform(args),
        Command::Clean(args) => clean::perform(args, display),
    }
}

/// Where the server is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Share the run with workers over this NATS server, as nats://host:4222 or tls://host:4222
    #[arg(
        long,
        value_name = "URL",
        env = "BATCHGEN_CLUSTER",
        hide_env_values = true
    )]
    pub cluster: Option<String>,
}

impl ClusterArgs {
    /// The server, which has to be named.
    ///
    /// # Errors
    /// When it is not.
    pub fn access(&self) -> Result<Access, Failure> {
        let url = self.cluster.as_deref().ok_or_else(|| {
            Failure::usage(anyhow!(
                "no NATS server is named\nhint: --cluster nats://HOST:4222, or BATCHGEN_CLUSTER"
            ))
        })?;
        Ok(access(url))
    }
}

/// Access to the server at this address, with what the environment says of the user.
fn access(url: &str) -> Access {
    let variable = |name: &str| {
        let value = env::var(format!("BATCHGEN_CLUSTER_{name}")).ok();
        value.filter(|value| !value.is_empty())
    };
    Access {
        url: url.to_owned(),
        user: variable("USER").map(|user| (user, variable("PASSWORD").unwrap_or_default())),
        token: variable("TOKEN"),
        nkey: variable("NKEY"),
        credentials: variable("CREDENTIALS").map(PathBuf::from),
        authorities: variable("CA").map(PathBuf::from),
    }
}

/// A server that there is no connection to.
pub(super) fn unconnected(error: AccessError) -> Failure {
    let hint = match &error {
        AccessError::Address { .. } | AccessError::Unreachable { .. } => return unusable(error),
        AccessError::Login { .. } => {
            "BATCHGEN_CLUSTER_USER and BATCHGEN_CLUSTER_PASSWORD are the login, or BATCHGEN_CLUSTER_TOKEN, _NKEY or _CREDENTIALS"
        }
        AccessError::Seed => "BATCHGEN_CLUSTER_NKEY is that seed, and not the public key",
        AccessError::Credentials { .. } => "BATCHGEN_CLUSTER_CREDENTIALS names that file",
        AccessError::Authorities { .. } => "BATCHGEN_CLUSTER_CA names that file",
        AccessError::Tls { .. } => {
            "tls:// is for servers with TLS; BATCHGEN_CLUSTER_CA names a file with the certificate of an authority of your own"
        }
    };
    Failure::usage(anyhow!("{error}\nhint: {hint}; see docs/how-to/cluster.md"))
}

/// A server that cannot be used.
pub(super) fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::usage(anyhow!(
        "{error}\nhint: look whether the server runs, with JetStream (`nats-server --jetstream`), and see docs/how-to/cluster.md"
    ))
}

/// Version and digest of this program: machines that work on one run have the same.
///
/// # Errors
/// When the program's file cannot be read.
pub(super) fn build() -> Result<String, Failure> {
    let file = env::current_exe().map_err(Failure::internal)?;
    let file = std::fs::File::open(file).map_err(Failure::internal)?;
    // A program is large, and small pieces of it cost more than their hash.
    let mut file = std::io::BufReader::with_capacity(1 << 20, file);
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(Failure::internal)?;
    let digest = hash.finalize();
    let digits: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("{} ({digits})", env!("CARGO_PKG_VERSION")))
}

/// What a run shares with its workers.
pub(super) struct Part<'a> {
    pub project: &'a Project,
    pub state: &'a State,
    pub components: &'a [Component],
    /// The span of the run, for those of its workers.
    pub trace: Option<String>,
}

impl Part<'_> {
    /// Begins to coordinate the run.
    ///
    /// # Errors
    /// When the server cannot be used, or another coordinator has the run.
    pub async fn coordinate(
        &self,
        url: &str,
        gateway: &Arc<Gateway<Store>>,
        meter: &Arc<Meter>,
        interrupt: &Interrupt,
        display: &Display,
    ) -> Result<Arc<Coordinator>, Failure> {
        let Part {
            project,
            state,
            components,
            ref trace,
        } = *self;
        let config = &project.settings.config;
        let configuration = match &project.settings.file {
            Some(file) => std::fs::read_to_string(file).map_err(Failure::internal)?,
            None => String::new(),
        };
        let bundle = bundle::pack(components, &config.site, &configuration);
        let bundle = bundle.map_err(|error: BundleError| Failure::usage(error))?;
        let goes_on = run_file::is_there(&config.state.file);
        let name = run_file::begin(&config.state.file).map_err(Failure::internal)?;
        let server = Server {
            url,
            goes_on,
            display,
        };
        let client = server.connect().await?;
        let ack_wait = Duration::from_secs(config.cluster.ack_wait_seconds);
        let streams = Streams {
            replicas: config.cluster.replicas,
            in_memory: config.cluster.in_memory,
            ack_wait,
        };
        let bus = NatsCoordinator::new(client.clone(), &name.run, streams).await;
        let bus: Arc<dyn CoordinatorBus> = Arc::new(bus.map_err(unusable)?);
        server.insists(|| bus.prepare()).await?;
        // The server answers, so it passes on what another coordinator says.
        let heard = nats::beats(&client, HEARD).await.map_err(unusable)?;
        if heard.contains_key(&name.run) {
            return Err(Failure::usage(anyhow!(
                "the run {} is coordinated by another process already\nhint: only one may; a copy of a state is another run without the \
             file {}",
                name.run,
                config.state.file.with_extension("cluster").display()
            )));
        }
        let digest = Digest::of(&bundle);
        let object = digest.to_string();
        let publish = async || {
            // It may have lost all that it had since.
            bus.prepare().await?;
            bus.publish(&object, bundle.clone()).await
        };
        server.insists(publish).await?;
        // Leases of an earlier coordinator are made anew.
        bus.withdraw().await;
        display.note(&format!(
            "{} is shared: `{} worker --cluster {url}` joins it from any machine",
            name.run,
            program::name()
        ));
        let conditions = Conditions {
            run: name.run,
            epoch: name.epoch,
            build: build()?,
            bundle: digest,
            ack_wait,
            call_timeout: config.retry.idle_timeout(None).max(CALL) + ack_wait,
            trace: trace.clone(),
        };
        let coordinator = Coordinator::start(
            bus,
            conditions,
            state.store.clone(),
            Arc::clone(gateway),
            Arc::clone(meter),
            bundle,
        );
        let (stopping, mut stop) = (Arc::clone(&coordinator), interrupt.subscribe());
        tokio::spawn(async move {
            if stop.wait_for(|stop| *stop).await.is_ok() {
                stopping.stop();
            }
        });
        Ok(coordinator)
    }
}

/// The run has ended, and what it had on the server is removed. One that is to go on keeps its name, by which workers find what lies in
/// their spools.
pub(super) async fn end(coordinator: &Coordinator, project: &Project, is_whole: bool) {
    coordinator.close().await;
    if is_whole {
        run_file::end(&project.settings.config.state.file);
    }
}

//! How a worker listens to the messages of a run, on a real server.

use std::sync::Arc;
use std::time::Duration;

use cluster::bus::WorkerBus;
use cluster::nats::{self, Access, NatsWorker};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::nats::Nats;

/// Runs that are listened to, one after the other: whether the one that hears is in the way was a matter of chance.
const RUNS: usize = 200;
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_worker_that_hears_of_no_run_can_listen_to_another() {
    let server = Nats::start(1);
    Runtime::new().unwrap().block_on(async {
        let access = Access {
            url: server.url(),
            ..Access::default()
        };
        let client = nats::connect(&access, "worker").await.unwrap();
        let worker = Arc::new(NatsWorker::new(client).await.unwrap());
        let hears = Arc::clone(&worker);
        let hearing = tokio::spawn(async move { hears.hear().await.is_some() });
        for run in 0..RUNS {
            let run = format!("run-{run}");
            let listening = timeout(PATIENCE, worker.listen(&run, "one"));
            listening.await.expect("it waits for nobody").unwrap();
        }
        hearing.abort();
    });
}

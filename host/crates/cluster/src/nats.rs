//! NATS as the bus. Plain messages go over core NATS, leases and what is handed in over JetStream, what is too large for a message over
//! an object store. All of it carries the name of its run, and is made and removed by the coordinator.

mod access;
mod draining;
mod leftovers;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, AckKind, Context};
use async_nats::{HeaderMap, Subscriber};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use tokio::time::timeout;

use crate::bus::{BusError, CoordinatorBus, Delivery, Heard, Later, Receipt, WorkerBus};

pub use access::{Access, AccessError, connect, is_here, shown};
pub use async_nats::Client;
pub use draining::{drain, drained};
pub use leftovers::{Leftover, beats, leftovers, remove};

/// The longest wait for an answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a worker waits at the server for a lease.
const FOR_A_LEASE: Duration = Duration::from_secs(5);
/// How often the server sends a sign of life while nothing is handed in.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Hand-ins that are on their way at once.
const AT_ONCE: usize = 256;
/// Room that a message needs beside its payload.
const BESIDE: usize = 4096;
/// The header of a message whose payload lies in the object store.
const ELSEWHERE: &str = "Batchgen-Object";
/// How the names of all that belongs to this program begin.
const PREFIX: &str = "batchgen";

/// The settings of a run's streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Copies that a cluster of servers keeps.
    pub replicas: usize,
    /// Whether they lie in memory and not on disk.
    pub in_memory: bool,
    /// A lease that nobody answers for is given to another worker after so long.
    pub ack_wait: Duration,
}

/// A lease is delivered until somebody answers for it: one that is deadly for workers is given up by them, so that its records are
/// named.
const FOR_EVER: i64 = -1;
/// Most messages of a stream.
const MOST_MESSAGES: i64 = 100_000;

fn stream_name(run: &str, what: &str) -> String {
    format!("{PREFIX}-{run}-{what}")
}

fn subject(run: &str, what: &str) -> String {
    format!("{PREFIX}.{run}.{what}")
}

/// A subject of the beats of all runs.
fn beats_subject() -> String {
    format!("{PREFIX}.beat")
}

fn failed(error: impl std::fmt::Display) -> BusError {
    BusError::new(error)
}

/// Waits for an exchange with the server, for a bounded time.
async fn bounded<T, E: std::fmt::Display>(
    doing: impl Future<Output = Result<T, E>>,
) -> Result<T, BusError> {
    match timeout(PATIENCE, doing).await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(BusError::new("the server did not answer in time")),
    }
}

/// Sends payloads that may be too large for a message.
struct Payloads {
    client: Client,
    run: String,
    context: Context,
    objects: OnceCell<ObjectStore>,
}

impl Payloads {
    fn new(client: Client, context: Context, run: &str) -> Payloads {
        Payloads {
            client,
            run: run.to_owned(),
            context,
            objects: OnceCell::new(),
        }
    }

    async fn objects(&self) -> Result<&ObjectStore, BusError> {
        let open = || async {
            let name = stream_name(&self.run, "objects");
            bounded(self.context.get_object_store(name)).await
        };
        self.objects.get_or_try_init(open).await
    }

    /// The payload as it is sent, with the headers that belong to it.
    async fn outgoing(&self, payload: Bytes) -> Result<(Bytes, Option<HeaderMap>), BusError> {
        let most = self.client.server_info().max_payload;
        if payload.len() + BESIDE <= most {
            return Ok((payload, None));
        }
        // An inbox has a name that nobody else has.
        let name = self.client.new_inbox().replace('.', "-");
        let objects = self.objects().await?;
        bounded(objects.put(name.as_str(), &mut &*payload)).await?;
        let mut headers = HeaderMap::new();
        headers.insert(ELSEWHERE, name.as_str());
        Ok((Bytes::new(), Some(headers)))
    }

    /// The payload as it was given, and the object that it lay in.
    async fn incoming(
        &self,
        message: &async_nats::Message,
    ) -> Result<(Bytes, Option<String>), BusError> {
        let headers = message.headers.as_ref();
        let Some(name) = headers.and_then(|headers| headers.get(ELSEWHERE)) else {
            return Ok((message.payload.clone(), None));
        };
        let bytes = self.object(name.as_str()).await?;
        Ok((bytes, Some(name.as_str().to_owned())))
    }

    async fn object(&self, name: &str) -> Result<Bytes, BusError> {
        let objects = self.objects().await?;
        let mut object = bounded(objects.get(name)).await?;
        let mut bytes = Vec::new();
        bounded(object.read_to_end(&mut bytes)).await?;
        Ok(bytes.into())
    }

    async fn forget(&self, object: &str) {
        if let Ok(objects) = self.objects().await {
            let _ = bounded(objects.delete(object)).await;
        }
    }
}

/// NATS for the coordinator of a run.
pub struct NatsCoordinator {
    client: Client,
    context: Context,
    run: String,
    streams: Streams,
    payloads: std::sync::Arc<Payloads>,
    inbox: AsyncMutex<Subscriber>,
    results: Mutex<Option<PullConsumer>>,
    /// What the consumer of results is given, while that works.
    handed_in: AsyncMutex<Option<pull::Stream>>,
}

impl NatsCoordinator {
    /// Listens to the workers of a run.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn new(
        client: Client,
        run: &str,
        streams: Streams,
    ) -> Result<NatsCoordinator, BusError> {
        let context = jetstream::new(client.clone());
        let inbox = bounded(client.subscribe(subject(run, "up"))).await?;
        Ok(NatsCoordinator {
            payloads: std::sync::Arc::new(Payloads::new(client.clone(), context.clone(), run)),
            client,
            context,
            run: run.to_owned(),
            streams,
            inbox: AsyncMutex::new(inbox),
            results: Mutex::default(),
            handed_in: AsyncMutex::default(),
        })
    }

    fn storage(&self) -> StorageType {
        match self.streams.in_memory {
            true => StorageType::Memory,
            false => StorageType::File,
        }
    }

    fn stream(&self, what: &str) -> stream::Config {
        stream::Config {
            name: stream_name(&self.run, what),
            subjects: vec![subject(&self.run, what)],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: MOST_MESSAGES,
            max_bytes: -1,
            storage: self.storage(),
            num_replicas: self.streams.replicas,
            description: Some("batchgen: made and removed by the coordinator of a run".to_owned()),
            ..stream::Config::default()
        }
    }

    async fn make(&self) -> Result<(), BusError> {
        let work = bounded(self.context.get_or_create_stream(self.stream("work"))).await?;
        let workers = pull::Config {
            durable_name: Some("workers".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.streams.ack_wait,
            max_ack_pending: MOST_MESSAGES,
            max_deliver: FOR_EVER,
            ..pull::Config::default()
        };
        bounded(work.get_or_create_consumer("workers", workers)).await?;
        let results = bounded(self.context.get_or_create_stream(self.stream("results"))).await?;
        let coordinator = pull::Config {
            durable_name: Some("coordinator".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.streams.ack_wait,
            max_ack_pending: MOST_MESSAGES,
            ..pull::Config::default()
        };
        let consumer = bounded(results.get_or_create_consumer("coordinator", coordinator)).await?;
        *self.results.lock().unwrap_or_else(PoisonError::into_inner) = Some(consumer);
        let objects = stream_name(&self.run, "objects");
        if bounded(self.context.get_object_store(&objects))
            .await
            .is_err()
        {
            bounded(self.context.create_object_store(object_store::Config {
                bucket: objects,
                storage: self.storage(),
                num_replicas: self.streams.replicas,
                ..object_store::Config::default()
            }))
            .await?;
        }
        Ok(())
    }
}

impl CoordinatorBus for NatsCoordinator {
    fn beat(&self, message: Bytes) -> Later<'_, ()> {
        Box::pin(async move {
            let _ = bounded(self.client.publish(beats_subject(), message)).await;
        })
    }

    fn send<'a>(&'a self, worker: &'a str, message: Bytes) -> Later<'a, ()> {
        Box::pin(async move {
            let to = subject(&self.run, &format!("down.{worker}"));
            send(&self.client, &self.payloads, to, message).await;
        })
    }

    fn receive(&self) -> Later<'_, Option<Bytes>> {
        Box::pin(async move {
            let mut inbox = self.inbox.lock().await;
            loop {
                let message = inbox.next().await?;
                match self.payloads.incoming(&message).await {
                    Ok((bytes, object)) => {
                        if let Some(object) = object {
                            self.payloads.forget(&object).await;
                        }
                        return Some(bytes);
                    }
                    // The sender sends it again.
                    Err(error) => tracing::debug!("a large message cannot be fetched: {error}"),
                }
            }
        })
    }

    fn offer(&self, lease: Bytes) -> Later<'_, Result<u64, BusError>> {
        Box::pin(async move {
            let published = publish(
                &self.context,
                &self.payloads,
                subject(&self.run, "work"),
                lease,
            );
            published.await
        })
    }

    fn has(&self, number: u64) -> Later<'_, Result<bool, BusError>> {
        Box::pin(async move {
            let name = stream_name(&self.run, "work");
            let stream = match bounded(self.context.get_stream(name)).await {
                Ok(stream) => stream,
                // The server answers that there is no such stream.
                Err(error) if error.is_not_there() => return Ok(false),
                Err(error) => return Err(error),
            };
            let message = timeout(PATIENCE, stream.get_raw_message(number)).await;
            match message.map_err(failed)? {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == stream::LastRawMessageErrorKind::NoMessageFound => {
                    Ok(false)
                }
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn withdraw(&self) -> Later<'_, ()> {
        Box::pin(async move {
            let name = stream_name(&self.run, "work");
            if let Ok(stream) = bounded(self.context.get_stream(name)).await {
                let purged = async { stream.purge().await };
                let _ = bounded(purged).await;
            }
        })
    }

    fn handed_in(&self) -> Later<'_, Result<Delivery, BusError>> {
        Box::pin(async move {
            let mut messages = self.handed_in.lock().await;
            let stream = match &mut *messages {
                Some(stream) => stream,
                None => {
                    let consumer = self
                        .results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    let consumer = consumer
                        .ok_or_else(|| BusError::new("the stream of results is not ready"))?;
                    let stream = consumer
                        .stream()
                        .max_messages_per_batch(AT_ONCE)
                        .expires(PATIENCE)
                        .heartbeat(HEARTBEAT);
                    messages.insert(bounded(stream.messages()).await?)
                }
            };
            let message = match stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    *messages = None;
                    return Err(failed(error));
                }
                None => {
                    *messages = None;
                    return Err(BusError::new("the stream of results has ended"));
                }
            };
            let (payload, object) = self.payloads.incoming(&message.message).await?;
            let times = times(&message);
            let receipt = Box::new(Taken {
                message,
                object,
                payloads: std::sync::Arc::clone(&self.payloads),
            });
            Ok(Delivery {
                payload,
                times,
                receipt,
            })
        })
    }

    fn publish<'a>(&'a self, name: &'a str, bundle: Bytes) -> Later<'a, Result<(), BusError>> {
        Box::pin(async move {
            let objects = self.payloads.objects().await?;
            if bounded(objects.info(name)).await.is_ok() {
                return Ok(());
            }
            bounded(objects.put(name, &mut &*bundle)).await?;
            Ok(())
        })
    }

    fn prepare(&self) -> Later<'_, Result<(), BusError>> {
        Box::pin(self.make())
    }

    fn remove(&self) -> Later<'_, ()> {
        Box::pin(async move {
            leftovers::remove(&self.client, &self.run)
                .await
                .unwrap_or_default()
        })
    }
}

/// How often a message of a stream was delivered.
fn times(message: &jetstream::Message) -> u64 {
    let info = message.info();
    info.map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1))
}

/// A message of a stream.
struct Taken {
    message: jetstream::Message,
    /// Where its payload lay.
    object: Option<String>,
    payloads: std::sync::Arc<Payloads>,
}

impl Receipt for Taken {
    fn extend(&self) -> Later<'_, ()> {
        Box::pin(async move {
            let _ = bounded(self.message.ack_with(AckKind::Progress)).await;
        })
    }

    fn back(&self) -> Later<'_, ()> {
        Box::pin(async move {
            let _ = bounded(self.message.ack_with(AckKind::Nak(None))).await;
        })
    }

    fn done(&self) -> Later<'_, ()> {
        Box::pin(async move {
            if bounded(self.message.ack()).await.is_ok()
                && let Some(object) = &self.object
            {
                self.payloads.forget(object).await;
            }
        })
    }
}

async fn send(client: &Client, payloads: &Payloads, to: String, message: Bytes) {
    // The link sends it again when no confirmation comes.
    let sent = async {
        match payloads.outgoing(message).await? {
            (payload, None) => bounded(client.publish(to, payload)).await,
            (payload, Some(headers)) => {
                bounded(client.publish_with_headers(to, headers, payload)).await
            }
        }
    };
    if let Err(error) = sent.await {
        tracing::debug!("a message was not sent: {error}");
    }
}

/// Publishes into a stream; gives the number of the message.
async fn publish(
    context: &Context,
    payloads: &Payloads,
    to: String,
    payload: Bytes,
) -> Result<u64, BusError> {
    let (payload, headers) = payloads.outgoing(payload).await?;
    let published = match headers {
        None => bounded(context.publish(to, payload)).await?,
        Some(headers) => bounded(context.publish_with_headers(to, headers, payload)).await?,
    };
    Ok(bounded(published.into_future()).await?.sequence)
}

/// NATS for a worker.
pub struct NatsWorker {
    client: Client,
    context: Context,
    beats: AsyncMutex<Subscriber>,
    messages: AsyncMutex<Option<Subscriber>>,
    /// The messages of another run, until `hear` takes them.
    next: Mutex<Option<Subscriber>>,
    /// Wakes `hear` when there is another run to listen to.
    changed: tokio::sync::Notify,
    run: Mutex<Option<std::sync::Arc<Payloads>>>,
    work: AsyncMutex<Option<(String, PullConsumer)>>,
}

impl NatsWorker {
    /// Listens for runs.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn new(client: Client) -> Result<NatsWorker, BusError> {
        let api = client.request("$JS.API.INFO", Bytes::new()).await;
        // Another failure, as a user who may not ask, says nothing about it.
        if api
            .is_err_and(|error| error.kind() == async_nats::client::RequestErrorKind::NoResponders)
        {
            return Err(BusError::new("the server runs without JetStream"));
        }
        let beats = bounded(client.subscribe(beats_subject())).await?;
        Ok(NatsWorker {
            context: jetstream::new(client.clone()),
            client,
            beats: AsyncMutex::new(beats),
            messages: AsyncMutex::new(None),
            next: Mutex::new(None),
            changed: tokio::sync::Notify::new(),
            run: Mutex::new(None),
            work: AsyncMutex::new(None),
        })
    }

    /// The messages of another run, if there is one to listen to.
    fn taken(&self) -> Option<Subscriber> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.take()
    }

    fn payloads(&self, run: &str) -> std::sync::Arc<Payloads> {
        let mut known = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(payloads) if payloads.run == run => std::sync::Arc::clone(payloads),
            _ => {
                let new = Payloads::new(self.client.clone(), self.context.clone(), run);
                let new = std::sync::Arc::new(new);
                *known = Some(std::sync::Arc::clone(&new));
                new
            }
        }
    }
}

impl WorkerBus for NatsWorker {
    fn hear(&self) -> Later<'_, Option<Heard>> {
        Box::pin(async move {
            let mut beats = self.beats.lock().await;
            let mut messages = self.messages.lock().await;
            loop {
                if let Some(next) = self.taken() {
                    *messages = Some(next);
                }
                let message = async {
                    match &mut *messages {
                        Some(messages) => messages.next().await,
                        None => std::future::pending().await,
                    }
                };
                let message = tokio::select! {
                    beat = beats.next() => return beat.map(|beat| Heard::Beat(beat.payload)),
                    () = self.changed.notified() => continue,
                    message = message => message?,
                };
                let run = self
                    .run
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let Some(payloads) = run else { continue };
                match payloads.incoming(&message).await {
                    Ok((bytes, object)) => {
                        if let Some(object) = object {
                            payloads.forget(&object).await;
                        }
                        return Some(Heard::Message(bytes));
                    }
                    Err(error) => tracing::debug!("a large message cannot be fetched: {error}"),
                }
            }
        })
    }

    fn listen<'a>(&'a self, run: &'a str, worker: &'a str) -> Later<'a, Result<(), BusError>> {
        Box::pin(async move {
            self.payloads(run);
            let to = subject(run, &format!("down.{worker}"));
            let messages = bounded(self.client.subscribe(to)).await?;
            // Left for `hear` and not handed over: it holds its lock for as long as no run is there.
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = Some(messages);
            drop(next);
            self.changed.notify_one();
            Ok(())
        })
    }

    fn send<'a>(&'a self, run: &'a str, message: Bytes) -> Later<'a, ()> {
        Box::pin(async move {
            let payloads = self.payloads(run);
            send(&self.client, &payloads, subject(run, "up"), message).await;
        })
    }

    fn take<'a>(&'a self, run: &'a str, most: usize) -> Later<'a, Result<Vec<Delivery>, BusError>> {
        Box::pin(async move {
            let mut work = self.work.lock().await;
            let name = stream_name(run, "work");
            if work.as_ref().is_none_or(|(known, _)| *known != name) {
                let stream = bounded(self.context.get_stream(&name)).await?;
                let consumer: PullConsumer = bounded(stream.get_consumer("workers")).await?;
                *work = Some((name, consumer));
            }
            let Some((_, consumer)) = &*work else {
                return Ok(Vec::new());
            };
            let taken = fetch(consumer, most).await;
            if taken.is_err() {
                *work = None;
            }
            let payloads = self.payloads(run);
            let mut deliveries = Vec::new();
            for message in taken? {
                let (payload, object) = payloads.incoming(&message.message).await?;
                let times = times(&message);
                let receipt = Box::new(Taken {
                    message,
                    object,
                    payloads: std::sync::Arc::clone(&payloads),
                });
                deliveries.push(Delivery {
                    payload,
                    times,
                    receipt,
                });
            }
            Ok(deliveries)
        })
    }

    fn hand_in<'a>(&'a self, run: &'a str, payload: Bytes) -> Later<'a, Result<(), BusError>> {
        Box::pin(async move {
            let payloads = self.payloads(run);
            publish(&self.context, &payloads, subject(run, "results"), payload).await?;
            Ok(())
        })
    }

    fn bundle<'a>(&'a self, run: &'a str, name: &'a str) -> Later<'a, Result<Bytes, BusError>> {
        Box::pin(async move { self.payloads(run).object(name).await })
    }
}

/// Takes what is there, and waits for the first where nothing is.
async fn fetch(consumer: &PullConsumer, most: usize) -> Result<Vec<jetstream::Message>, BusError> {
    let at_once = consumer.fetch().max_messages(most).messages();
    let there = taken(bounded(at_once).await?, PATIENCE).await?;
    if !there.is_empty() {
        return Ok(there);
    }
    let batch = consumer.batch().max_messages(1).expires(FOR_A_LEASE);
    taken(bounded(batch.messages()).await?, FOR_A_LEASE + PATIENCE).await
}

/// The messages that answer one request. The wait for each is bounded here, since a server that is killed after it took the request
/// never answers, and the client waits for that for ever.
async fn taken<T, E: std::fmt::Display>(
    mut answers: impl Stream<Item = Result<T, E>> + Unpin,
    patience: Duration,
) -> Result<Vec<T>, BusError> {
    let mut messages = Vec::new();
    let error = loop {
        match timeout(patience, answers.next()).await {
            Ok(Some(Ok(message))) => messages.push(message),
            Ok(Some(Err(error))) => break failed(error),
            Ok(None) => return Ok(messages),
            Err(_) => break BusError::new("the server did not answer in time"),
        }
    };
    // The server has already leased to this worker what has come.
    match messages.is_empty() {
        true => Err(error),
        false => Ok(messages),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_and_leases_that_came_are_kept() {
        let silent = stream::pending::<Result<u8, Infallible>>();
        assert!(taken(silent, PATIENCE).await.is_err());
        let silent_after_one = stream::iter([Ok::<_, Infallible>(1)]).chain(stream::pending());
        assert_eq!(taken(silent_after_one, PATIENCE).await.unwrap(), [1]);
        let broken_after_one = stream::iter([Ok(1), Err("gone")]);
        assert_eq!(taken(broken_after_one, PATIENCE).await.unwrap(), [1]);
        let broken = stream::iter([Err::<u8, _>("gone")]);
        assert_eq!(taken(broken, PATIENCE).await.unwrap_err().cause, "gone");
    }
}

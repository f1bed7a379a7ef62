//! The page's server: reads only, unless it is that of a review; on loopback unless a person says otherwise. It answers to who names it by a
//! number, `localhost` or the name that it was given, so that no other site can have its name point here; and not
//! to pages of other origins.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, lookup_host};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use plan::decision::OutcomeKind;

use super::connections::Connections;
use super::published::Published;
use super::review::{self, Serving};
use super::runs::Runs;
use super::{Evidence, metrics, page};
use store::{TaskOrder, TaskSearch};

/// How long viewers may take to fetch the last snapshot after the end of the run.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Where the page is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Number(IpAddr),
    Name(String),
}

/// The text is no address.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no address, as in 127.0.0.1:8080, a port or an address alone")]
pub struct NoAddress {
    text: String,
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Address, NoAddress> {
        let number = |address: IpAddr, port| Address {
            host: Host::Number(address),
            port,
        };
        if let Ok(port) = text.parse() {
            return Ok(number(Ipv4Addr::LOCALHOST.into(), port));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(number(address.ip(), address.port()));
        }
        if let Ok(address) = text.parse() {
            return Ok(number(address, 0));
        }
        let named = text.parse::<Authority>().ok().and_then(|authority| {
            let plain = !authority.as_str().contains('@');
            let port = authority.port_u16().filter(|_| plain)?;
            Some(Address {
                host: Host::Name(authority.host().to_owned()),
                port,
            })
        });
        named.ok_or_else(|| NoAddress {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Number(address) => write!(f, "{}", SocketAddr::new(*address, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Address {
    /// Listens there.
    pub(super) async fn listen(&self) -> io::Result<TcpListener> {
        match &self.host {
            Host::Number(address) => TcpListener::bind((*address, self.port)).await,
            Host::Name(name) => {
                let found: Vec<SocketAddr> =
                    lookup_host((name.as_str(), self.port)).await?.collect();
                TcpListener::bind(found.as_slice()).await
            }
        }
    }

    /// Whether others than this machine may reach it.
    pub fn is_public(&self) -> bool {
        match &self.host {
            Host::Number(address) => !address.is_loopback(),
            Host::Name(name) => name != "localhost",
        }
    }

    fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Number(_) => None,
            Host::Name(name) => Some(name),
        }
    }
}

/// Where a server looks up what is not in the newest snapshot.
pub(super) struct Looking {
    /// Single tasks; none where the project cannot be read.
    evidence: RwLock<Option<Arc<Evidence>>>,
    /// Runs that have ended.
    runs: Runs,
    /// Where a person decides about files, if that is wanted.
    review: Option<Arc<Serving>>,
}

impl Looking {
    pub fn new(evidence: Option<Evidence>, runs: Runs, review: Option<Arc<Serving>>) -> Looking {
        Looking {
            evidence: RwLock::new(evidence.map(Arc::new)),
            runs,
            review,
        }
    }

    /// Looks single tasks up elsewhere from now on.
    pub fn look_at(&self, evidence: Evidence) {
        let mut known = self
            .evidence
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(evidence));
    }

    fn evidence(&self) -> Option<Arc<Evidence>> {
        let known = self.evidence.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}

/// A server that runs.
pub struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    published: watch::Receiver<Arc<Published>>,
    looking: Arc<Looking>,
    /// The name that it was given, besides numbers and `localhost`.
    name: Option<Arc<str>>,
    /// A look at one task runs its component again: one after the other, so that the run keeps its machine.
    turns: Arc<Semaphore>,
}

impl Server {
    /// Starts serving.
    pub(super) fn start(
        listener: TcpListener,
        address: &Address,
        published: watch::Receiver<Arc<Published>>,
        looking: Arc<Looking>,
    ) -> Server {
        let shared = Shared {
            published,
            looking,
            name: address.name().map(Arc::from),
            turns: Arc::new(Semaphore::new(1)),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(Connections::new(listener), router(shared))
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            });
        Server {
            stop,
            task: tokio::spawn(serving.into_future()),
        }
    }

    /// Stops. Connections get the last snapshot; who does not take it in time goes without.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        let abort = self.task.abort_handle();
        if timeout(LAST_LOOK, self.task).await.is_err() {
            abort.abort();
        }
    }
}

fn router(shared: Shared) -> Router {
    let mut router = Router::new()
        .route("/events", get(events))
        .route("/status.json", get(status))
        .route("/task", get(task))
        .route("/tasks", get(tasks))
        .route("/runs", get(runs))
        .route("/run", get(run))
        .route("/metrics", get(metrics_text));
    for (path, kind, text) in page::FILES {
        let file = move || async move { ([(header::CONTENT_TYPE, kind)], text) };
        router = router.route(path, get(file));
    }
    let mut router = router.with_state(shared.clone());
    if let Some(serving) = &shared.looking.review {
        router = router.merge(review::routes(Arc::clone(serving)));
    }
    router.layer(from_fn_with_state(shared, guard))
}

/// Refuses who has no business here, and says on every answer what a browser may do with it.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    let why = refusal(headers, shared.name.as_deref()).or_else(|| foreign(headers, path));
    let mut response = match why {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a request is refused, if so.
fn refusal(headers: &HeaderMap, name: Option<&str>) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some("a request names its host once\n");
    };
    let Some(host) = host.to_str().ok() else {
        return Some("the host has no name\n");
    };
    let known = host.parse::<Authority>().is_ok_and(|authority| {
        let host = authority.host();
        let number = host.trim_start_matches('[').trim_end_matches(']');
        let is_known = number.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || name.is_some_and(|name| host.eq_ignore_ascii_case(name));
        is_known && !authority.as_str().contains('@')
    });
    if !known {
        return Some(
            "this name is not known here: use the address as a number, or give the name with --dashboard NAME:PORT\n",
        );
    }
    let origins = headers.get_all(header::ORIGIN);
    let own = format!("http://{host}");
    if origins.iter().any(|origin| origin != own.as_str()) {
        return Some("pages of another origin get nothing here\n");
    }
    None
}

/// Why a request is refused that a page of another site makes, if so. Browsers say so of all requests, those without an
/// origin too; a person may follow a link to the page.
fn foreign(headers: &HeaderMap, path: &str) -> Option<&'static str> {
    let said = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_own = matches!(
        said("sec-fetch-site"),
        None | Some(b"same-origin" | b"none")
    );
    let is_link = path == "/"
        && said("sec-fetch-mode") == Some(b"navigate")
        && said("sec-fetch-dest") == Some(b"document");
    (!is_own && !is_link).then_some("pages of another site get nothing here\n")
}

/// Every snapshot as an event, the last one first. Who is slow misses some; nothing is kept for anybody.
async fn events(State(shared): State<Shared>) -> Response {
    let mut receiver = shared.published;
    receiver.mark_changed();
    let events = stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let event = receiver.borrow_and_update().event.clone();
        Some((Ok::<Bytes, Infallible>(event), receiver))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(events),
    )
        .into_response()
}

async fn status(State(shared): State<Shared>) -> Response {
    let json = shared.published.borrow().json();
    ([(header::CONTENT_TYPE, JSON)], json).into_response()
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    let text = metrics::text(&shared.published.borrow().snapshot);
    ([(header::CONTENT_TYPE, metrics::TYPE)], text).into_response()
}

const JSON: &str = "application/json";

/// Tasks in one answer to a search.
const FOUND: u64 = 50;

#[derive(Deserialize)]
struct Wanted {
    record: String,
    component: String,
}

/// What is known of one task: its failure, what it asked and was answered, its file.
async fn task(State(shared): State<Shared>, Query(wanted): Query<Wanted>) -> Response {
    let unknown = "the state knows nothing of this task yet\n";
    let look = move |looking: &Looking| match looking.evidence() {
        Some(evidence) => json_of(evidence.of(&wanted.record, &wanted.component), unknown),
        None => not_found(NO_PROJECT),
    };
    looked(&shared, look).await
}

const NO_PROJECT: &str = "single tasks cannot be looked up: the project's configuration, dataset or plugins cannot be read\n";

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    text: String,
    #[serde(default)]
    component: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    offset: u64,
}

/// Tasks that are looked for, and whether there are others.
async fn tasks(State(shared): State<Shared>, Query(search): Query<Search>) -> Response {
    let some = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let outcome = some(search.outcome).map(|name| OutcomeKind::named(&name).ok_or(name));
    let outcome = match outcome.transpose() {
        Ok(outcome) => outcome,
        Err(name) => {
            let known = OutcomeKind::ALL.map(OutcomeKind::as_str).join(", ");
            let message = format!("`{name}` is no outcome; the outcomes are: {known}\n");
            return (StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    let search = TaskSearch {
        text: some(search.text),
        component: some(search.component),
        category: some(search.category),
        outcome,
        sort: match search.sort.as_str() {
            "newest" => TaskOrder::Newest,
            "tokens" => TaskOrder::Tokens,
            _ => TaskOrder::Dataset,
        },
        limit: FOUND + 1,
        offset: search.offset,
    };
    let look = move |looking: &Looking| {
        let Some(evidence) = looking.evidence() else {
            return not_found(NO_PROJECT);
        };
        let found = evidence.find(&search).map(|mut found| {
            let more = found.len() as u64 > FOUND;
            found.truncate(FOUND as usize);
            Some(serde_json::json!({"tasks": found, "more": more}))
        });
        json_of(found, "")
    };
    looked(&shared, look).await
}

/// Runs that have ended, the newest first.
async fn runs(State(shared): State<Shared>) -> Response {
    looked(&shared, |looking| {
        json_of(Ok::<_, Infallible>(Some(looking.runs.list())), "")
    })
    .await
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// The last snapshot of one of them.
async fn run(State(shared): State<Shared>, Query(named): Query<Named>) -> Response {
    let look = move |looking: &Looking| {
        json_of(
            Ok::<_, Infallible>(looking.runs.read(&named.id)),
            "there is no such run\n",
        )
    };
    looked(&shared, look).await
}

/// Looks something up, one after the other.
async fn looked(
    shared: &Shared,
    look: impl FnOnce(&Looking) -> Response + Send + 'static,
) -> Response {
    let Ok(_turn) = shared.turns.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let looking = Arc::clone(&shared.looking);
    match tokio::task::spawn_blocking(move || look(&looking)).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json_of<T: Serialize, E: fmt::Display>(
    found: Result<Option<T>, E>,
    unknown: &'static str,
) -> Response {
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, error).into_response();
    match found {
        Ok(Some(found)) => match types::shown::json(&found) {
            Ok(json) => ([(header::CONTENT_TYPE, JSON)], json).into_response(),
            Err(error) => failed(error.to_string()),
        },
        Ok(None) => not_found(unknown),
        Err(error) => failed(error.to_string()),
    }
}

fn not_found(why: &'static str) -> Response {
    (StatusCode::NOT_FOUND, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_numbers_localhost_and_the_given_name_are_hosts() {
        let host = |name| refusal(&headers(&[(header::HOST, name)]), Some("build.example"));
        for known in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "localhost:1",
            "LOCALHOST",
            "10.0.0.7",
            "build.example:8080",
        ] {
            assert_eq!(host(known), None, "{known}");
        }
        for unknown in [
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.evil.example",
            "a@127.0.0.1:x",
            "",
        ] {
            assert!(host(unknown).is_some(), "{unknown}");
        }
        assert!(refusal(&HeaderMap::new(), None).is_some());
    }

    #[test]
    fn other_origins_are_refused() {
        let from = |origin| {
            let of = [(header::HOST, "127.0.0.1:80"), (header::ORIGIN, origin)];
            refusal(&headers(&of), None)
        };
        assert_eq!(from("http://127.0.0.1:80"), None);
        for other in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:80",
            "http://127.0.0.1:81",
        ] {
            assert!(from(other).is_some(), "{other}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_link_here_and_no_more() {
        let of = |site, mode, dest, path| {
            let name = HeaderName::from_static;
            let pairs = [
                (name("sec-fetch-site"), site),
                (name("sec-fetch-mode"), mode),
                (name("sec-fetch-dest"), dest),
            ];
            foreign(&headers(&pairs), path)
        };
        assert_eq!(foreign(&HeaderMap::new(), "/task"), None, "curl");
        assert_eq!(of("same-origin", "cors", "empty", "/task"), None);
        assert_eq!(of("none", "navigate", "document", "/task"), None);
        assert_eq!(of("cross-site", "navigate", "document", "/"), None);
        for site in ["cross-site", "same-site"] {
            for (mode, dest, path) in [
                ("no-cors", "image", "/task"),
                ("no-cors", "script", "/status.json"),
                ("cors", "empty", "/events"),
                ("navigate", "document", "/task"),
                ("navigate", "iframe", "/"),
            ] {
                assert!(of(site, mode, dest, path).is_some(), "{site} {mode} {path}");
            }
        }
    }

    #[test]
    fn addresses_may_be_short() {
        let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown("8080").unwrap(), "127.0.0.1:8080");
        assert_eq!(shown("0.0.0.0").unwrap(), "0.0.0.0:0");
        assert_eq!(shown("[::1]:9").unwrap(), "[::1]:9");
        assert_eq!(shown("here:9").unwrap(), "here:9");
        assert!(shown("here").is_err());
        assert!(shown("http://here:9").is_err());
        assert!("0.0.0.0:1".parse::<Address>().unwrap().is_public());
        assert!(!"1".parse::<Address>().unwrap().is_public());
    }
}

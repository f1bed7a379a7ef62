//! Carries out on the wire what the provider decides: accepts connections, waits, sends, resets and
//! hangs. Decides nothing itself but which address means what.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::batch::{self, Desk, Reply, Sent};
use super::dialect::Route;
use super::faults::Fault;
use super::http::{Connection, Head, ReadError, answer_head};
use super::limits::Limits;
use super::pieces::single;
use super::plan::{End, Plan};
use super::problem::Problem;
use super::provider::Provider;

const JSON: &str = "application/json";
/// Bytes of a file that are sent at once.
const PIECE: usize = 256 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// Before accepting again when that failed, as it does when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

/// Listens on the loopback address.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

/// Serves until it is told to stop.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>, stop: Arc<Notify>) {
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // Without it, a small piece of an answer may wait for an acknowledgement.
            if stream.set_nodelay(true).is_ok() {
                tokio::spawn(converse(
                    Connection::new(stream),
                    Arc::clone(&desk),
                    Arc::clone(&stop),
                ));
            }
        }
    };
    tokio::select! {
        () = stop.notified() => {}
        () = accept => {}
    }
}

/// Answers the requests of one connection.
async fn converse(mut connection: Connection, desk: Arc<Desk>, stop: Arc<Notify>) {
    let provider = desk.provider();
    loop {
        let (head, body) = match connection.next().await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Lost(_)) => return,
            Err(ReadError::Refused { status, reason }) => {
                let problem = Problem::Unreadable(status, reason);
                let error = provider.dialect().error(&problem, "");
                // The client may be gone already; there is nothing more to tell it.
                let _ = connection
                    .stream
                    .write_all(&single(status, JSON, &Vec::new(), &error.body.to_string()))
                    .await;
                return;
            }
        };
        let route = provider.dialect().route(&head);
        let is_end = (head.method.as_str(), head.path.as_str()) == ("POST", "/shutdown");
        let close = head.close;
        let kept = match route {
            Some(Route::Chat(deployment)) => {
                let now = Instant::now();
                let plan = provider.chat(&head.credentials, deployment.as_deref(), &body, now);
                perform(&mut connection, provider, plan).await
            }
            Some(Route::Batch(call)) => {
                let asked = Arc::clone(&desk);
                let answered = aside(move || batch::answer(&asked, &call, &head, &body)).await;
                send(&mut connection, &desk, answered).await
            }
            Some(Route::Models) => {
                let (status, body) = models(&head, provider);
                send(&mut connection, &desk, Some(Reply::Json(status, body))).await
            }
            None => {
                let asked = Arc::clone(&desk);
                let answered = aside(move || control(&head, &body, &asked)).await;
                let reply = answered.map(|(status, body)| Reply::Json(status, body));
                send(&mut connection, &desk, reply).await
            }
        };
        if is_end {
            stop.notify_one();
        }
        if !kept || close {
            return;
        }
    }
}

/// Does what may take a while without making other connections wait.
async fn aside<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    tokio::task::spawn_blocking(act).await.ok()
}

/// Sends an answer; true if the connection can be kept.
async fn send(connection: &mut Connection, desk: &Desk, reply: Option<Reply>) -> bool {
    match reply {
        Some(Reply::Json(status, body)) => connection
            .stream
            .write_all(&single(status, JSON, &Vec::new(), &body))
            .await
            .is_ok(),
        Some(Reply::Headed(headers, body)) => connection
            .stream
            .write_all(&single(200, JSON, &headers, &body))
            .await
            .is_ok(),
        Some(Reply::File {
            content,
            bytes,
            sent,
        }) => send_file(connection, desk, &content, bytes, sent)
            .await
            .is_ok(),
        Some(Reply::Reset) | None => {
            // If that fails, the client sees an early end instead, which is as bad.
            drop(connection.stream.set_zero_linger());
            false
        }
    }
}

/// Sends a file piece by piece.
async fn send_file(
    connection: &mut Connection,
    desk: &Desk,
    content: &File,
    bytes: u64,
    sent: Sent,
) -> std::io::Result<()> {
    let length = usize::try_from(bytes).ok();
    let head = answer_head(200, "application/octet-stream", &[], length);
    connection.stream.write_all(head.as_bytes()).await?;
    let end = match sent {
        Sent::All => bytes,
        Sent::BreaksAt(end) | Sent::StopsAt(end) => end,
    };
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let room = piece.get_mut(..most).unwrap_or_default();
        let read = content.read_at(room, at)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        connection
            .stream
            .write_all(room.get(..read).unwrap_or_default())
            .await?;
        at += read as u64;
    }
    match sent {
        Sent::All => Ok(()),
        Sent::BreaksAt(_) => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Sent::StopsAt(_) => {
            desk.download_stopped();
            // Until the reader goes away: it has nothing more to say.
            let _ = connection.stream.read(&mut piece).await?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
    }
}

fn models(head: &Head, provider: &Provider) -> (u16, String) {
    match provider.authorize(&head.credentials) {
        Ok(()) => (200, provider.dialect().models()),
        Err(problem) => refused(provider, &problem),
    }
}

fn refused(provider: &Provider, problem: &Problem) -> (u16, String) {
    let error = provider.dialect().error(problem, "");
    (error.status, error.body.to_string())
}

/// Answers what no provider has: what is asked of the simulator itself.
fn control(head: &Head, body: &[u8], desk: &Arc<Desk>) -> (u16, String) {
    if let Some(answer) = batch::control(desk, head, body) {
        return answer;
    }
    let provider = desk.provider();
    let done = || (200, json!({}).to_string());
    let wrong = |error: String| (400, json!({ "error": error }).to_string());
    match (head.method.as_str(), head.path.as_str()) {
        ("GET", "/ledger") => {
            let ledger = provider.ledger();
            let mut body = json!(ledger);
            if let Some(body) = body.as_object_mut() {
                body.insert("billed".to_owned(), json!(ledger.billed()));
                body.insert("billed_again".to_owned(), json!(ledger.billed_again()));
            }
            (200, body.to_string())
        }
        ("GET", "/totals") => (200, json!(provider.totals()).to_string()),
        ("GET", "/windows") => (200, json!(provider.windows()).to_string()),
        ("POST", "/limits") => match serde_json::from_slice::<Limits>(body) {
            Ok(limits) => {
                provider.set_limits(limits);
                done()
            }
            Err(error) => wrong(error.to_string()),
        },
        ("POST", "/faults") => match faults(body) {
            Ok(faults) => {
                provider.set_faults(faults);
                done()
            }
            Err(error) => wrong(error),
        },
        ("POST", "/shutdown") => done(),
        (method, path) => {
            let problem = Problem::NoRoute(format!("{method} {path}"));
            refused(provider, &problem)
        }
    }
}

fn faults(body: &[u8]) -> Result<Vec<Fault>, String> {
    let texts: Vec<String> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let faults = texts.iter().map(|text| text.parse::<Fault>());
    faults
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// Carries out a plan; true if the connection can be kept.
async fn perform(connection: &mut Connection, provider: &Provider, plan: Plan) -> bool {
    let last = plan.pieces.len().saturating_sub(1);
    let mut entered = None;
    for (at, (wait, piece)) in plan.pieces.iter().enumerate() {
        let mut there = wait.is_zero() || still_there(connection, *wait).await;
        if there && at == last {
            entered = Some(provider.enter(&plan, true, Instant::now()));
            if plan.end == End::Sent {
                // Whoever has this answer may ask again at once, and must find this place free.
                provider.end(&plan, Instant::now());
            }
        }
        there = there && connection.stream.write_all(piece).await.is_ok();
        if !there {
            match entered {
                Some(place) => place
                    .into_iter()
                    .for_each(|place| provider.correct(place, &plan)),
                None => drop(provider.enter(&plan, false, Instant::now())),
            }
            if entered.is_none() || plan.end != End::Sent {
                provider.end(&plan, Instant::now());
            }
            return false;
        }
    }
    match plan.end {
        End::Sent => return true,
        // If that fails, the client sees an early end instead, which is as bad.
        End::Reset => drop(connection.stream.set_zero_linger()),
        End::Hang => connection.gone().await,
    }
    provider.end(&plan, Instant::now());
    false
}

/// Waits; false if the client closes meanwhile.
async fn still_there(connection: &mut Connection, wait: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = connection.gone() => false,
    }
}

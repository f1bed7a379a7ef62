//! Carries out on the wire what the provider decides: accepts connections, waits, sends, resets and
//! hangs. Decides nothing itself but which address means what.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::http::{Connection, Head, ReadError};
use super::openai::{self, ApiError};
use super::pieces::single;
use super::provider::{End, Plan, Provider};

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
pub async fn serve(listener: TcpListener, provider: Arc<Provider>, stop: Arc<Notify>) {
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
                    Arc::clone(&provider),
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
async fn converse(mut connection: Connection, provider: Arc<Provider>, stop: Arc<Notify>) {
    loop {
        let (head, body) = match connection.next().await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Lost(_)) => return,
            Err(ReadError::Refused { status, reason }) => {
                let error = ApiError {
                    status,
                    ..ApiError::invalid(reason)
                };
                // The client may be gone already; there is nothing more to tell it.
                let _ = connection
                    .stream
                    .write_all(&single(status, "application/json", &[], &error.body()))
                    .await;
                return;
            }
        };
        let path = head.path.strip_prefix("/v1").unwrap_or(&head.path);
        let kept = if (head.method.as_str(), path) == ("POST", "/chat/completions") {
            let plan = provider.chat(head.authorization.as_deref(), &body, Instant::now());
            perform(&mut connection, &provider, plan).await
        } else {
            let (status, body) = other(&head, path, &provider);
            connection
                .stream
                .write_all(&single(status, "application/json", &[], &body))
                .await
                .is_ok()
        };
        if (head.method.as_str(), path) == ("POST", "/shutdown") {
            stop.notify_one();
        }
        if !kept || head.close {
            return;
        }
    }
}

/// Answers what is no completion.
fn other(head: &Head, path: &str, provider: &Provider) -> (u16, String) {
    match (head.method.as_str(), path) {
        ("GET", "/models") => match provider.authorize(head.authorization.as_deref()) {
            Ok(()) => (200, openai::models()),
            Err(error) => (error.status, error.body()),
        },
        ("GET", "/ledger") => {
            let ledger = provider.ledger();
            let mut body = json!(ledger);
            if let Some(body) = body.as_object_mut() {
                body.insert("billed".to_owned(), Value::from(ledger.billed()));
                body.insert(
                    "billed_again".to_owned(),
                    Value::from(ledger.billed_again()),
                );
            }
            (200, body.to_string())
        }
        ("POST", "/shutdown") => (200, json!({}).to_string()),
        (method, _) => {
            let message = format!("Invalid URL ({method} {})", head.path);
            let error = ApiError {
                status: 404,
                ..ApiError::invalid(message)
            };
            (error.status, error.body())
        }
    }
}

/// Carries out a plan; true if the connection can be kept.
async fn perform(connection: &mut Connection, provider: &Provider, plan: Plan) -> bool {
    let last = plan.pieces.len().saturating_sub(1);
    let mut entered = None;
    for (at, (wait, piece)) in plan.pieces.iter().enumerate() {
        let mut there = wait.is_zero() || still_there(connection, *wait).await;
        if there && at == last {
            entered = Some(provider.enter(&plan, true));
            if plan.end == End::Sent {
                // Whoever has this answer may ask again at once, and must find this place free.
                provider.end(&plan);
            }
        }
        there = there && connection.stream.write_all(piece).await.is_ok();
        if !there {
            match entered {
                Some(place) => place
                    .into_iter()
                    .for_each(|place| provider.correct(place, &plan)),
                None => drop(provider.enter(&plan, false)),
            }
            if entered.is_none() || plan.end != End::Sent {
                provider.end(&plan);
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
    provider.end(&plan);
    false
}

/// Waits; false if the client closes meanwhile.
async fn still_there(connection: &mut Connection, wait: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = connection.gone() => false,
    }
}

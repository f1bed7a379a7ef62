//! Files at an address: fetched once, and again when the server says that they have changed.
//!
//! `https://` and `http://` by a plain request, `s3://BUCKET/KEY` by the API of S3. What a server says of the state of a file
//! (its ETag, or when it was changed) tells whether the copy is still right; where it says nothing, the file is fetched each time.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use objects::{Address, ObjectError};
use reqwest::{Client, StatusCode, header, redirect};
use tokio::time::{Instant, timeout};
use types::pace::{Pace, TRICKLES};

pub(super) use self::pattern::matches;
pub(super) use self::picture::picture;
use super::DatasetError;
use super::copies::{self, Copies};
use super::copying;
use super::paths::shown;
use login::Login;

mod login;
mod pattern;
mod picture;

/// As long is waited for a connection and the head of an answer.
const HEAD: Duration = Duration::from_secs(60);
/// As long is waited for the next bytes.
const NEXT_BYTES: Duration = Duration::from_secs(60);
/// Times that a file is asked for, where the server or the way to it fails.
const TRIES: u32 = 3;
/// Before the second try; twice that before the third.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// Redirections that are followed.
const REDIRECTIONS: usize = 10;
/// Pieces that may wait to be written.
const AHEAD: usize = 16;

/// A file as it came from its address: the copy, and what tells it from others of the same address.
pub(super) fn fetched(path: &Path, copies: &Copies) -> Result<(File, String), DatasetError> {
    let source = format!("address {}", path.display());
    if copies.is_known(&source)
        && let Some(known) = copies.last(&source)
    {
        return Ok(known);
    }
    let mut tries = 1;
    loop {
        match once(path, &source, copies) {
            Ok(file) => {
                copies.know(&source);
                return Ok(file);
            }
            Err(Problem::Passing(_)) if tries < TRIES => {
                std::thread::sleep(PAUSE * tries);
                tries += 1;
            }
            Err(problem) => return Err(problem.of(path)),
        }
    }
}

/// Why a file did not come.
enum Problem {
    /// It may come if it is asked for again.
    Passing(String),
    /// It will not.
    Lasting { cause: String, remedy: &'static str },
    /// It came, and could not be kept.
    Copy(DatasetError),
}

impl Problem {
    fn of(self, path: &Path) -> DatasetError {
        match self {
            Self::Passing(cause) => DatasetError::refused(
                shown(path),
                format!("cannot be fetched: {cause}"),
                "see whether the address is right and the server runs, and try again",
            ),
            Self::Lasting { cause, remedy } => DatasetError::refused(shown(path), cause, remedy),
            Self::Copy(error) => error,
        }
    }
}

/// What goes from the connection to the copy.
enum Message {
    /// What the server says of the state of the file.
    State(Option<String>),
    Bytes(bytes::Bytes),
}

fn once(path: &Path, source: &str, copies: &Copies) -> Result<(File, String), Problem> {
    std::thread::scope(|scope| {
        let (sender, messages) = mpsc::sync_channel(AHEAD);
        // A runtime cannot be started within another one.
        let asking = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Problem::Passing(error.to_string()))?;
            runtime.block_on(ask(path, copies, &sender))
        });
        let taken = take(path, source, copies, &messages);
        // Who still sends is told that nobody takes any more.
        drop(messages);
        let asked = asking.join();
        let asked = asked.unwrap_or_else(|_| Err(Problem::Passing("the client broke".to_owned())));
        match (taken, asked) {
            (Taken::Known(file, state), _) => Ok((file, state)),
            (_, Err(problem)) => Err(problem),
            (Taken::Failed(error), Ok(())) => Err(Problem::Copy(error)),
            (Taken::Whole(file, state), Ok(())) => {
                copies.keep(&file, source, &state);
                Ok((file, state))
            }
        }
    })
}

/// What became of the messages.
enum Taken {
    /// There is a copy of this state already.
    Known(File, String),
    /// All of it was written, unless the connection failed.
    Whole(File, String),
    Failed(DatasetError),
}

fn take(path: &Path, source: &str, copies: &Copies, messages: &mpsc::Receiver<Message>) -> Taken {
    let mut messages = messages.iter();
    let state = match messages.next() {
        Some(Message::State(Some(said))) => Some(copies::short(&said)),
        _ => None,
    };
    if let Some(state) = &state
        && let Some(file) = copies.find(source, state)
    {
        return Taken::Known(file, state.clone());
    }
    let written = copying::hashed(&shown(path), copies, |out| {
        for message in messages {
            if let Message::Bytes(bytes) = message {
                out.write_all(&bytes)
                    .map_err(|cause| DatasetError::io(&shown(path), cause))?;
            }
        }
        Ok(())
    });
    match written {
        Ok((file, hash)) => Taken::Whole(file, state.unwrap_or(hash)),
        Err(error) => Taken::Failed(error),
    }
}

type Pieces = std::pin::Pin<Box<dyn Stream<Item = Result<bytes::Bytes, String>> + Send>>;

async fn ask(
    path: &Path,
    copies: &Copies,
    sender: &mpsc::SyncSender<Message>,
) -> Result<(), Problem> {
    // Only the first one counts, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = path.to_string_lossy();
    let opening = async {
        match Address::is_one(&address) {
            true => object(&address, copies).await,
            false => page(&address, true, Login::of(&address, copies.variables())).await,
        }
    };
    let silent = |_| Problem::Passing("the server says nothing".to_owned());
    let (state, mut pieces) = timeout(HEAD, opening).await.map_err(silent)??;
    // Who takes no more says why.
    if sender.send(Message::State(state)).is_err() {
        return Ok(());
    }
    let (began, mut pace) = (Instant::now(), Pace::default());
    while let Some(piece) = timeout(NEXT_BYTES, pieces.next()).await.map_err(silent)? {
        let piece = piece.map_err(Problem::Passing)?;
        if !pace.holds(began.elapsed(), piece.len()) {
            return Err(Problem::Passing(TRICKLES.to_owned()));
        }
        if sender.send(Message::Bytes(piece)).is_err() {
            break;
        }
    }
    Ok(())
}

/// A file at an address of the web.
async fn page(
    address: &str,
    reaches_own: bool,
    login: Login<'_>,
) -> Result<(Option<String>, Pieces), Problem> {
    let policy = redirect::Policy::custom(move |attempt| {
        let previous = attempt.previous();
        let was_safe = previous.last().is_some_and(|url| url.scheme() == "https");
        if previous.len() > REDIRECTIONS {
            attempt.error("too many redirections")
        } else if was_safe && attempt.url().scheme() != "https" {
            attempt.error("it leads from https to http")
        } else if !reaches_own && picture::leads_home(attempt.url()) {
            attempt.error("it leads to a network of this machine's own")
        } else {
            attempt.follow()
        }
    });
    let client = Client::builder()
        .redirect(policy)
        .user_agent(concat!("batchgen/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .build()
        .map_err(|error| Problem::Passing(error.to_string()))?;
    // What is packed on the way would be unpacked by nobody.
    let request = client
        .get(address)
        .header(header::ACCEPT_ENCODING, "identity");
    // The client does not send it on to another server that it is led to.
    let request = match login.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.map_err(|error| {
        let lasting = error.is_builder() || error.is_redirect();
        let cause = innermost(&error.without_url());
        match lasting {
            true => Problem::Lasting {
                cause: format!("cannot be fetched: {cause}"),
                remedy: "check the address",
            },
            false => Problem::Passing(cause),
        }
    })?;
    let status = response.status();
    if !status.is_success() {
        return Err(refused(status, login));
    }
    let head = |name| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    // A weak one may stay when bytes change.
    let tag = head(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    let changed = || Some((head(header::LAST_MODIFIED)?, response.content_length()?));
    let state = tag.or_else(|| changed().map(|(when, size)| format!("{when} {size}")));
    let pieces = response.bytes_stream();
    let pieces = pieces.map(|piece| piece.map_err(|error| innermost(&error.without_url())));
    Ok((state, Box::pin(pieces)))
}

fn refused(status: StatusCode, login: Login<'_>) -> Problem {
    let cause = format!("the server answers {status}");
    if status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
    {
        return Problem::Passing(cause);
    }
    let remedy = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if login.is_at_hugging_face => {
            login::REMEDY
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => "check the address",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "it needs a login or an address that is signed anew; fetch it yourself, or sign it"
        }
        _ => "check the address, or fetch the file yourself",
    };
    Problem::Lasting { cause, remedy }
}

/// An object of S3, or of a server that speaks its API.
async fn object(address: &str, copies: &Copies) -> Result<(Option<String>, Pieces), Problem> {
    let lasting = |cause: String, remedy| Problem::Lasting { cause, remedy };
    let no_object = || lasting("names no object".to_owned(), "write s3://BUCKET/KEY");
    let address = Address::parse(address).map_err(|_| no_object())?;
    if address.key.is_empty() {
        return Err(no_object());
    }
    let opened = objects::reading(&address, copies.variables()).await;
    let reading = opened.map_err(|error| match error {
        ObjectError::Address(_) => no_object(),
        error => problem(error, "check bucket and key"),
    })?;
    Ok((Some(reading.state), reading.pieces))
}

/// Why storage gives nothing; `remedy` is what to do where nothing is there.
fn problem(error: ObjectError, remedy: &'static str) -> Problem {
    let lasting = |cause: &str, remedy| Problem::Lasting {
        cause: cause.to_owned(),
        remedy,
    };
    match error {
        ObjectError::Missing { .. } => lasting("there is no such object", remedy),
        ObjectError::NoBucket { .. } => lasting(
            "there is no such bucket",
            "check bucket and AWS_ENDPOINT_URL",
        ),
        ObjectError::Refused { .. } | ObjectError::NoKeys { .. } => lasting(
            "the server refuses it with these keys",
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
        ),
        ObjectError::Unreachable { cause, .. } | ObjectError::Settings { cause, .. } => {
            Problem::Passing(cause)
        }
        error => Problem::Passing(innermost(&error)),
    }
}

/// What is at the bottom of an error: what stands around it only says that there is one.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A server that gives these answers, the last of them again and again; with the number of its connections.
    fn server(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
        let (address, asked, _) = listening_server(answers);
        (address, asked)
    }

    /// The same with the heads of the requests.
    fn listening_server(
        answers: Vec<String>,
    ) -> (String, Arc<AtomicUsize>, mpsc::Receiver<String>) {
        let (heard, heads) = mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/a.csv?secret", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if connection.read(&mut byte).unwrap_or(0) == 0 {
                        break;
                    }
                    head.push(byte[0]);
                }
                let _ = heard.send(String::from_utf8_lossy(&head).to_lowercase());
                let place = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                let _ = connection.write_all(answers[place].as_bytes());
            }
        });
        (address, asked, heads)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
    }

    fn text(address: &str, copies: &Copies) -> Result<String, String> {
        let (mut file, _) =
            fetched(Path::new(address), copies).map_err(|error| error.to_string())?;
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn a_file_is_fetched_again_only_when_it_has_changed() {
        let (address, asked) = server(vec![
            answer("200 OK", "etag: \"1\"\r\n", "id\na\n"),
            answer("200 OK", "etag: \"1\"\r\n", "not read"),
            answer("200 OK", "etag: \"2\"\r\n", "id\nb\n"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let asking = || Copies::kept_in(folder.path()).asking(None);
        let first = asking();
        assert_eq!(text(&address, &first).unwrap(), "id\na\n");
        assert_eq!(text(&address, &first).unwrap(), "id\na\n");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "a command asks once");
        assert_eq!(text(&address, &asking()).unwrap(), "id\na\n");
        assert_eq!(text(&address, &asking()).unwrap(), "id\nb\n");
        let others = Copies::kept_in(folder.path());
        assert_eq!(text(&address, &others).unwrap(), "id\nb\n");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn what_is_cut_off_is_asked_for_again_and_never_taken() {
        let whole = answer("200 OK", "etag: \"1\"\r\n", "id\na\nb\n");
        let cut = whole.get(..whole.len() - 3).unwrap().to_owned();
        let (address, asked) = server(vec![cut.clone(), cut.clone(), whole]);
        let folder = tempfile::tempdir().unwrap();
        let copies = Copies::kept_in(folder.path()).asking(None);
        assert_eq!(text(&address, &copies).unwrap(), "id\na\nb\n");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        let (address, asked) = server(vec![cut]);
        let error = text(&address, &copies).unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert!(error.contains("cannot be fetched: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (status, said, times) in [
            (
                "404 Not Found",
                "the server answers 404 Not Found; check the address",
                1,
            ),
            (
                "403 Forbidden",
                "it needs a login or an address that is signed anew",
                1,
            ),
            (
                "503 Service Unavailable",
                "answers 503 Service Unavailable; see whether",
                3,
            ),
        ] {
            let (address, asked) = server(vec![answer(status, "", "no")]);
            let error = text(&address, &Copies::passing().asking(None)).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert_eq!(asked.load(Ordering::SeqCst), times);
        }
        let error = text("s3://bucket", &Copies::passing().asking(None)).unwrap_err();
        assert!(
            error.contains("names no object; write s3://BUCKET/KEY"),
            "{error}"
        );
    }

    #[test]
    fn a_token_of_hugging_face_goes_there_and_nowhere_else() {
        let has_token = |heads: &mpsc::Receiver<String>| {
            let head = heads.recv().unwrap();
            head.contains("authorization: bearer hf_mine")
        };
        let (elsewhere, _, heads_elsewhere) =
            listening_server(vec![answer("200 OK", "", "id\na\n")]);
        let leads_there = answer("302 Found", &format!("location: {elsewhere}\r\n"), "");
        let (address, _, heads) = listening_server(vec![leads_there]);
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let endpoint = address.trim_end_matches("/a.csv?secret");
        let reader = || {
            Copies::passing().asking(None).with_variables(vec![
                variable("HF_TOKEN", "hf_mine"),
                variable("HF_ENDPOINT", endpoint),
            ])
        };
        assert_eq!(text(&address, &reader()).unwrap(), "id\na\n");
        assert!(has_token(&heads));
        assert!(!has_token(&heads_elsewhere), "where it is led to");
        assert_eq!(text(&elsewhere, &reader()).unwrap(), "id\na\n");
        assert!(!has_token(&heads_elsewhere), "where it asks itself");
        let login = |address| Login::of(address, &[]).is_at_hugging_face;
        assert!(login("https://huggingface.co/datasets/imdb/a.parquet"));
        assert!(!login("http://huggingface.co/datasets/imdb/a.parquet"));
        assert!(!login("https://huggingface.co.example.org/a.parquet"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_of_a_file_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/a.csv", listener.local_addr().unwrap());
        let (sender, _messages) = mpsc::sync_channel(1);
        let asked = ask(Path::new(&address), &Copies::passing(), &sender).await;
        assert!(
            matches!(asked, Err(Problem::Passing(cause)) if cause == "the server says nothing")
        );
    }
}

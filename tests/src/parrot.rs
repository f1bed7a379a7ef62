//! A server that answers as a test says, and knows nothing of a dialect: for answers that no provider gives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What a test is asked: the number of the question, and the line that holds the key.
#[derive(Debug)]
pub struct Asked {
    pub number: u64,
    pub key: String,
}

/// Status, type and body.
pub type Said = (&'static str, &'static str, String);

/// The server, which lives as long as its test.
pub struct Parrot {
    /// Address of the API.
    pub url: String,
    asked: Arc<AtomicU64>,
}

impl Parrot {
    /// Starts one that answers so.
    pub fn start(say: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Parrot {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let say = Arc::new(say);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, say) = (Arc::clone(&count), Arc::clone(&say));
                thread::spawn(move || answer(stream, &count, &*say));
            }
        });
        Parrot {
            url: format!("http://{address}/v1"),
            asked,
        }
    }

    /// Questions so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream, count: &AtomicU64, say: &dyn Fn(&Asked) -> Said) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    let mut key = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if lower.starts_with("authorization:") {
            line.clone_into(&mut key);
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let number = count.fetch_add(1, Ordering::Relaxed);
    let id = key.clone();
    let (status, kind, body) = say(&Asked { number, key });
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-request-id: {id}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

//! A collector of spans and metrics that takes them, or does not, as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// One request that it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub path: String,
    /// In lower case, each a line.
    pub headers: Vec<String>,
    /// Unpacked.
    pub body: Vec<u8>,
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, with a line for the head.
    Status(&'static str, String),
    /// Nothing, for as long as it lives.
    Silence,
}

/// A collector on a port of this machine. It ends with its test.
pub struct Collector {
    /// Its address.
    pub url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Collector {
        Collector::answering(Answer::Status("200 OK", String::new()))
    }

    /// One that answers so.
    pub fn answering(answer: Answer) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let sent = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&sent);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (all, answer) = (Arc::clone(&all), answer.clone());
                thread::spawn(move || serve(stream, &all, &answer));
            }
        });
        Collector {
            url: format!("http://{address}"),
            sent,
        }
    }

    /// What it was sent so far to a path.
    pub fn sent(&self, path: &str) -> Vec<Sent> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let to_path = sent.iter().filter(|sent| sent.path == path);
        to_path.cloned().collect()
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Sent>>, answer: &Answer) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines
        .iter()
        .skip(1)
        .map(|line| line.to_ascii_lowercase())
        .collect();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length?.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if headers.iter().any(|line| line == "content-encoding: gzip") {
        let mut unpacked = Vec::new();
        let mut packed = flate2::read::GzDecoder::new(&body[..]);
        packed.read_to_end(&mut unpacked).ok()?;
        body = unpacked;
    }
    let mut sent = all.lock().unwrap_or_else(PoisonError::into_inner);
    sent.push(Sent {
        path,
        headers,
        body,
    });
    drop(sent);
    match answer {
        Answer::Status(status, head) => write!(
            stream,
            "HTTP/1.1 {status}\r\n{head}connection: close\r\ncontent-length: 0\r\n\r\n"
        )
        .ok(),
        Answer::Silence => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0]);
            None
        }
    }
}

//! A client over a plain socket, and what tests share.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Config, Ledger, Simulator};

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn text(&self) -> String {
        self.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub fn new(simulator: &Simulator) -> Client {
        let address = simulator.origin().strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        // A test that waits for what never comes should fail, not hang.
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    pub fn ask(&mut self, body: &Value) -> Reply {
        self.send("POST", "/v1/chat/completions", "", &body.to_string());
        self.reply().unwrap()
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "", "");
        self.reply().unwrap()
    }

    fn read_to(&mut self, end: usize) -> std::io::Result<()> {
        while self.unread.len() < end {
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&bytes[..read]),
            }
        }
        Ok(())
    }

    fn read_until(&mut self, mark: &str) -> std::io::Result<usize> {
        loop {
            let found = self
                .unread
                .windows(mark.len())
                .position(|window| window == mark.as_bytes());
            match found {
                Some(at) => return Ok(at + mark.len()),
                None => self.read_to(self.unread.len() + 1)?,
            }
        }
    }

    fn take(&mut self, end: usize) -> String {
        String::from_utf8(self.unread.drain(..end).collect()).unwrap()
    }

    pub fn reply(&mut self) -> std::io::Result<Reply> {
        let end = self.read_until("\r\n\r\n")?;
        let head = self.take(end);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: String::new(),
        };
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            self.read_to(length)?;
            reply.body = self.take(length);
            return Ok(reply);
        }
        loop {
            let end = self.read_until("\r\n")?;
            let size = usize::from_str_radix(self.take(end).trim(), 16).unwrap();
            self.read_to(size + 2)?;
            let chunk = self.take(size + 2);
            if size == 0 {
                return Ok(reply);
            }
            reply.body.push_str(&chunk[..size]);
        }
    }
}

pub fn start(config: Config) -> Simulator {
    Simulator::start(config).unwrap()
}

pub fn faulty(faults: &[&str]) -> Simulator {
    start(Config {
        faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
        ..Config::default()
    })
}

pub fn question(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

/// Waits until the ledger is as it should be; the read timeout of a client bounds no loop, so this does.
pub fn until(simulator: &Simulator, holds: impl Fn(&Ledger) -> bool) -> Ledger {
    let start = std::time::Instant::now();
    loop {
        let ledger = simulator.ledger();
        if holds(&ledger) {
            return ledger;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{ledger:?}");
        std::thread::yield_now();
    }
}

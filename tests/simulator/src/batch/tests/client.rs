//! A client of batches, and what tests share.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::client::{Client, Reply, start};
use crate::{Advance, BatchScript, Config, Simulator};

/// A client of OpenAI's batches with a key.
pub struct Batches {
    client: Client,
    key: &'static str,
}

pub fn scripted(script: Value) -> Simulator {
    start(Config {
        batch: serde_json::from_value::<BatchScript>(script).unwrap(),
        ..Config::default()
    })
}

pub fn to_end(simulator: &Simulator) {
    let advance = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&advance).unwrap();
}

/// A line that asks for something.
pub fn line(custom_id: &str, text: &str) -> String {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    let line = json!({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body});
    format!("{line}\n")
}

/// So many lines: `q0`, `q1`, ...
pub fn lines(count: usize) -> String {
    (0..count)
        .map(|at| line(&format!("q{at}"), &format!("Question {at}.")))
        .collect()
}

impl Batches {
    pub fn new(simulator: &Simulator, key: &'static str) -> Batches {
        Batches {
            client: Client::new(simulator),
            key,
        }
    }

    pub fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) {
        let headers = format!("authorization: Bearer {}\r\n{kind}", self.key);
        self.client.send(method, path, &headers, body);
    }

    pub fn reply(&mut self) -> std::io::Result<Reply> {
        self.client.reply()
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "", "");
        self.reply().unwrap()
    }

    pub fn upload(&mut self, content: &str) -> String {
        let reply = self.try_upload(content);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn try_upload(&mut self, content: &str) -> Reply {
        let form = format!(
            "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let kind = "content-type: multipart/form-data; boundary=b\r\n";
        self.send("POST", "/v1/files", kind, &form);
        self.reply().unwrap()
    }

    pub fn ask_for(&mut self, input: &str) {
        let body = json!({"input_file_id": input, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        self.send("POST", "/v1/batches", "", &body.to_string());
    }

    /// The id of a new batch of these lines.
    pub fn create(&mut self, content: &str) -> String {
        let input = self.upload(content);
        self.ask_for(&input);
        let reply = self.reply().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn batch(&mut self, id: &str) -> Value {
        let reply = self.get(&format!("/v1/batches/{id}"));
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    /// The batch once it has a status, which it is on its way to.
    pub fn until(&mut self, id: &str, status: &str) -> Value {
        let start = std::time::Instant::now();
        loop {
            let batch = self.batch(id);
            if batch["status"] == status {
                return batch;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{batch}");
            std::thread::yield_now();
        }
    }

    /// The lines of a file that a batch names.
    pub fn lines(&mut self, batch: &Value, file: &str) -> Vec<Value> {
        let id = batch[file].as_str().unwrap();
        let text = self.get(&format!("/v1/files/{id}/content")).body;
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The names of the lines of a file, in order.
    pub fn names(&mut self, batch: &Value, file: &str) -> Vec<String> {
        let name = |line: Value| line["custom_id"].as_str().unwrap().to_owned();
        self.lines(batch, file).into_iter().map(name).collect()
    }
}

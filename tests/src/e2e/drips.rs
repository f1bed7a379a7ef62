//! A server that goes on for ever: thoughts, letters, comments, a head, a body or an error that never end. Each call ends by a deadline that
//! is told, and the next one is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::scene::Scene;

/// What the server sends to the first question.
#[derive(Clone, Copy)]
struct Drip {
    /// What comes first.
    begins: &'static str,
    /// What comes then, again and again.
    goes_on: &'static str,
    /// The time between two of them.
    pause: Duration,
}

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const OPENAI: &str = "{\"choices\":[{\"message\":{\"content\":\"Oak is a hard wood.\"},\"finish_reason\":\"stop\"}],\
     \"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}";
const ANTHROPIC: &str = "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"Oak is a hard wood.\"}],\
     \"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}";

/// A server that drips once and then answers.
fn start(drip: Drip, answer: &'static str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || match number {
                0 => drips(stream, drip),
                _ => answers(stream, answer),
            });
        }
    });
    (url, asked)
}

fn heard(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()
}

/// Ends when the client has gone away.
fn drips(mut stream: TcpStream, drip: Drip) -> Option<()> {
    heard(&stream)?;
    stream.write_all(drip.begins.as_bytes()).ok()?;
    loop {
        stream.write_all(drip.goes_on.as_bytes()).ok()?;
        if !drip.pause.is_zero() {
            thread::sleep(drip.pause);
        }
    }
}

fn answers(mut stream: TcpStream, answer: &str) -> Option<()> {
    heard(&stream)?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let length = answer.len();
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{answer}").ok()
}

/// A project of which the first call is dripped at, and how often the server was asked.
fn scene(drip: Drip, provider: &str, answer: &'static str) -> (Scene, Arc<AtomicU64>) {
    let (url, asked) = start(drip, answer);
    let scene = Scene::new().with_plugin("example-plugins/summary");
    scene.configure(&format!(
        "[retry]\nidle-timeout-seconds = 2\n[provider.here]\nbase-url = '{url}'\n{provider}\n\
         [component.summary]\nmodel = 'here/m'\nmax-output-tokens = 2\n"
    ));
    (scene.with("BATCHGEN_LOG", "batchgen=debug"), asked)
}

/// It is run, is done, and says why the first call was given up.
#[track_caller]
fn ends(drip: Drip, provider: &str, answer: &'static str, cause: &str) {
    let (scene, asked) = scene(drip, provider, answer);
    let ran = scene.run(&["--record", "oak"]).ended(0);
    let summary = ran.summary();
    assert_eq!((summary.complete(), summary.calls("failed_tries")), (1, 1));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(cause), "{said}");
}

macro_rules! drips {
    ($($name:ident: $provider:literal $answer:ident, $begins:expr, $goes_on:literal every $pause:literal ms, $cause:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let drip = Drip { begins: $begins, goes_on: $goes_on, pause: Duration::from_millis($pause) };
                ends(drip, $provider, $answer, $cause);
            }
        )*
    };
}

drips! {
    thoughts_without_end: "" OPENAI, STREAM, "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"x\"}}]}\n\n" every 50 ms,
        "the answer had not ended 4 s after its first word";
    thoughts_at_full_speed: "" OPENAI, STREAM, "data: {\"choices\":[{\"delta\":{\"reasoning\":\"x\"}}]}\n\n" every 0 ms,
        "the answer had";
    thoughts_of_another_dialect: "api = 'messages'" ANTHROPIC, STREAM,
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"x\"}}\n\n" every 50 ms,
        "the answer had not ended 4 s after its first word";
    a_letter_at_a_time: "" OPENAI, STREAM, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n" every 500 ms,
        "the answer had not ended 4 s after its first word";
    letters_of_another_dialect: "api = 'messages'" ANTHROPIC, STREAM,
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n" every 500 ms,
        "the answer had not ended 4 s after its first word";
    a_word_and_then_signs_of_life: "" OPENAI,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
        ": still here\n\n" every 100 ms, "the answer had not ended 4 s after its first word";
    a_head_byte_by_byte: "" OPENAI, "HTTP/1.1 200 OK\r\nx-more: ", "x" every 100 ms, "nothing arrived for 2 s";
    heads_of_what_goes_on: "" OPENAI, "", "HTTP/1.1 102 Processing\r\n\r\n" every 100 ms, "nothing arrived for 2";
    an_unstreamed_body_byte_by_byte: "stream = false" OPENAI, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"x\": \"",
        "x" every 100 ms, "the answer had not ended 4 s after its first word";
    an_unstreamed_body_in_pieces: "stream = false" OPENAI,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        "1\r\n \r\n" every 100 ms, "the answer had not ended 4 s after its first word";
    a_refusal_that_never_ends: "" OPENAI, "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\n\r\n{\"error\": {\"message\": \"", "x" every 100 ms,
        "HTTP 429";
}

#[test]
fn an_error_that_never_ends() {
    let drip = Drip {
        begins: "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\n\r\nno: ",
        goes_on: "x",
        pause: Duration::from_millis(100),
    };
    ends(drip, "", OPENAI, "HTTP 500");
}

/// What is too long would be so again.
#[test]
fn a_line_that_never_ends() {
    let drip = Drip {
        begins: "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ",
        goes_on: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        pause: Duration::ZERO,
    };
    let (scene, asked) = scene(drip, "", OPENAI);
    let ran = scene.run(&["--record", "oak"]).ended(3);
    assert!(
        ran.stdout.contains("more than 8388608 bytes"),
        "{}",
        ran.stdout
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

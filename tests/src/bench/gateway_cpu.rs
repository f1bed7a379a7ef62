//! What gateway, lane and journal take of the processor, called as a library, with a provider in the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gateway::Gateway;
use gateway::lane::{Caller, LaneSettings};
use gateway::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use store::Store;
use tokio::task::JoinSet;
use types::digest::Digest;
use types::key::Parameters;
use types::limit::{Amount, Limit};
use types::request::{CompletionRequest, Message, ResponseFormat, Role, Usage};

use super::report::{Goal, Row, median};

/// Runs of which the median counts.
const RUNS: usize = 3;

/// CPU time of gateway, lane and journal for one call, with nothing else around them.
pub fn cpu_per_call() -> anyhow::Result<Vec<Row>> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(drive()?);
    }
    Ok(vec![Row::new(
        "CPU of gateway and journal per call, 64 at once, median",
        median(times),
        "µs",
        Goal::AtMost(150.0),
    )])
}

/// Asks a gateway of its own, and returns the microseconds of CPU per call.
fn drive() -> anyhow::Result<f64> {
    const CALLS: u64 = 20_000;
    const AT_ONCE: usize = 64;
    static NEVER: AtomicBool = AtomicBool::new(false);
    const MODEL: &str = "prompt/model";
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("state.db"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let before = cpu_time();
    runtime.block_on(async {
        let settings = LaneSettings {
            limits: vec![Limit {
                amount: Amount::Requests,
                span: Duration::from_secs(60),
                most: 100_000_000,
            }],
            concurrency: Some(AT_ONCE as u64),
            ..LaneSettings::default()
        };
        let gateway = Gateway::builder(store).lane(MODEL, Arc::new(Prompt), settings, None);
        let gateway = Arc::new(gateway.build());
        let next = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (gateway, next) = (Arc::clone(&gateway), Arc::clone(&next));
            callers.spawn(async move {
                let parameters = Parameters {
                    model: MODEL.to_owned(),
                    temperature: 0.6,
                    max_output_tokens: 400,
                    extra_body: None,
                    reasoning: None,
                };
                let request = question();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CALLS {
                        return anyhow::Ok(());
                    }
                    let key = Digest::of(&number.to_le_bytes());
                    let caller = Caller {
                        record: "r",
                        mode: None,
                        component: "summary",
                        task: "summary",
                        place: number,
                        fingerprint: key,
                        generation: 0,
                        cancelled: &NEVER,
                    };
                    gateway
                        .answer(&parameters, key, &request, caller, &mut Vec::new())
                        .await?;
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller??;
        }
        anyhow::Ok(())
    })?;
    Ok((cpu_time() - before) * 1e6 / CALLS as f64)
}

/// User and system time of this process, seconds.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn question() -> CompletionRequest {
    let message = |role, content: &str| Message {
        role,
        content: content.to_owned(),
    };
    CompletionRequest {
        messages: vec![
            message(Role::System, "You write short summaries for a catalogue."),
            message(Role::User, "Summarise the facts in two sentences."),
        ],
        facts: json!({"name": "Thing", "about": {"formula": "X", "subcategory": "thing"}}).into(),
        rules: None,
        format: ResponseFormat::Text,
        images: Vec::new(),
    }
}

/// Answers at once.
struct Prompt;

impl Provider for Prompt {
    fn name(&self) -> &str {
        "prompt"
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        Box::pin(async move {
            (call.accepted)(&[]);
            Ok(RawAnswer {
                text: "This is a simulated answer.".to_owned(),
                finish: Finish::Stop,
                finish_reason: "stop".to_owned(),
                refusal: None,
                thought: false,
                usage: Usage::new(60, 7),
                model: "model".to_owned(),
                served: None,
                observed: Vec::new(),
            })
        })
    }
}

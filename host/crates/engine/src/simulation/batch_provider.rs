//! A provider of batches that goes wrong by a seed, and remembers what it billed.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::provider::draw;
use gateway::batch::MARK;
use gateway::batch::protocol::{
    BatchError, BatchLimits, BatchProtocol, BatchStatus, Input, LineResult, Lines, RemoteBatch,
    ResultLine, Source, Working,
};
use gateway::error::CallError;
use gateway::provider::{Call, Finish, RawAnswer};
use types::class::FailureClass;
use types::request::Usage;

/// Of a thousand exchanges, so many go wrong.
const FAULTS: u64 = 150;

pub(super) struct FaultyBatches {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    exchanges: u64,
    files: HashMap<String, Vec<String>>,
    batches: Vec<Remote>,
    billed: HashMap<String, u64>,
    /// How often each question was in a batch.
    asked: HashMap<String, u64>,
    /// Lines that were answered and left out of the results.
    left_out: u64,
    /// How long earlier processes took on the provider's clock, which goes on after a kill.
    before: Duration,
    /// When the present process made its first exchange.
    start: Option<Instant>,
}

struct Remote {
    name: String,
    file: String,
    ends: Duration,
    /// Lines of its results, once it has ended.
    results: Vec<String>,
}

impl FaultyBatches {
    pub fn new(seed: u64) -> FaultyBatches {
        FaultyBatches {
            seed,
            state: Mutex::default(),
        }
    }

    /// From how many questions one goes ahead of the others.
    pub fn primer_from(&self) -> Option<u64> {
        self.seed.is_multiple_of(2).then_some(3)
    }

    /// Whether it takes no batch of this file now: to some, more than two lines are too many, and some are busy for a while.
    /// They do not say which it is.
    fn refuses(&self, file: &str) -> bool {
        let mut state = self.state.lock().unwrap();
        state.start.get_or_insert_with(Instant::now);
        let lines = state.files.get(file).map_or(0, Vec::len);
        let busy = Duration::from_secs(draw(&[self.seed, 52], 3600));
        self.seed.is_multiple_of(3) && lines > 2 || self.seed % 5 == 1 && state.now() < busy
    }

    /// A process was killed, and its clock is gone.
    pub fn crashed(&self) {
        let mut state = self.state.lock().unwrap();
        state.before = state.now();
        state.start = None;
    }

    /// Every answer that was billed is in the journal, and none was billed twice but those that it left out itself.
    pub fn check(&self, journaled: u64) {
        let state = self.state.lock().unwrap();
        assert_eq!(journaled, state.billed.len() as u64, "an answer is lost");
        let again: u64 = state.billed.values().map(|times| times - 1).sum();
        assert!(again <= state.left_out, "{again} lines were billed again");
        let mut files: Vec<&str> = state
            .batches
            .iter()
            .map(|batch| batch.file.as_str())
            .collect();
        let all = files.len();
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), all, "a file was handed in twice");
    }

    /// The fate of the next exchange, below so many, and how long it takes.
    async fn exchange(&self) -> u64 {
        let number = {
            let mut state = self.state.lock().unwrap();
            state.start.get_or_insert_with(Instant::now);
            state.exchanges += 1;
            state.exchanges
        };
        sleep(Duration::from_millis(
            20 + draw(&[self.seed, 50, number], 3000),
        ))
        .await;
        draw(&[self.seed, 51, number], 1000)
    }

    /// Fails as often as the plan has it: half of the time after the deed was done.
    async fn perform<T>(&self, deed: impl FnOnce(&mut State) -> T) -> Result<T, BatchError> {
        let fate = self.exchange().await;
        let lost = || CallError::new(FailureClass::Transient, "connection reset");
        if fate < FAULTS / 2 {
            return Err(lost().into());
        }
        let done = deed(&mut self.state.lock().unwrap());
        // Nobody is there to take the answer if the process is killed now.
        sleep(Duration::from_millis(10)).await;
        if fate < FAULTS {
            return Err(BatchError {
                error: lost(),
                is_in_doubt: true,
            });
        }
        Ok(done)
    }
}

impl State {
    fn now(&self) -> Duration {
        self.before + self.start.map_or(Duration::ZERO, |start| start.elapsed())
    }

    fn create(&mut self, seed: u64, name: &str, file: &str) -> usize {
        let number = self.batches.len() as u64;
        let ends = self.now() + Duration::from_secs(draw(&[seed, 60, number], 600));
        let lines = self.files.get(file).cloned().unwrap_or_default();
        let expires = draw(&[seed, 61, number], 4) == 0;
        let mut results = Vec::new();
        for (place, id) in lines.iter().enumerate() {
            let chance = |what: u64, below: u64| draw(&[seed, what, number, place as u64], below);
            // In the end it is well.
            let asked = self.asked.entry(id.clone()).or_default();
            *asked += 1;
            if *asked > 3 {
                *self.billed.entry(id.clone()).or_default() += 1;
                results.push(format!("{id}\tanswered"));
            } else if expires && chance(62, 2) == 0 {
                results.push(format!("{id}\tnot reached"));
            } else if chance(63, 10) == 0 {
                results.push(format!("{id}\toverloaded"));
            } else {
                *self.billed.entry(id.clone()).or_default() += 1;
                if chance(64, 20) == 0 {
                    self.left_out += 1;
                } else {
                    results.push(format!("{id}\tanswered"));
                }
                if chance(65, 20) == 0 {
                    results.push(format!("{id}\tanswered"));
                }
            }
        }
        // No provider promises an order.
        results.reverse();
        self.batches.push(Remote {
            name: name.to_owned(),
            file: file.to_owned(),
            ends,
            results,
        });
        self.batches.len() - 1
    }

    fn shown(&self, place: usize) -> Option<RemoteBatch> {
        let batch = self.batches.get(place)?;
        let has_ended = self.now() >= batch.ends;
        Some(RemoteBatch {
            id: place.to_string(),
            status: if has_ended {
                BatchStatus::Ended
            } else {
                BatchStatus::Working
            },
            word: "as planned".to_owned(),
            total: None,
            answered: None,
            failed: None,
            files: vec![place.to_string()],
            // The files of some are named a little later.
            is_settled: self.now() >= batch.ends + Duration::from_secs(place as u64 % 3 * 20),
            expires_at: None,
            problems: Vec::new(),
        })
    }
}

impl BatchProtocol for FaultyBatches {
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            lines: 5,
            bytes: 1 << 20,
        }
    }

    fn uploads(&self) -> bool {
        true
    }

    /// Every line is marked, so that it is seen whether marks are counted where they are taken off.
    fn line(&self, custom_id: &str, _call: Call<'_>) -> String {
        format!("{custom_id}{MARK}")
    }

    fn upload<'a>(&'a self, _name: &'a str, input: Input<'a>) -> Working<'a, String> {
        Box::pin(async move {
            let pieces: Vec<_> = (input.open)().collect().await;
            let mut text = String::new();
            for piece in pieces {
                text.push_str(&String::from_utf8_lossy(&piece?));
            }
            assert_eq!(text.len() as u64, input.bytes);
            let lines = text.lines().map(|line| line.trim_end_matches(MARK));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            let put = |state: &mut State| {
                let id = format!("file-{}", state.files.len());
                state.files.insert(id.clone(), lines);
                id
            };
            self.perform(put).await
        })
    }

    fn create<'a>(&'a self, name: &'a str, source: Source<'a>) -> Working<'a, RemoteBatch> {
        Box::pin(async move {
            let Source::File(file) = source else {
                panic!("its batches are made of files");
            };
            if self.refuses(file) {
                // A refusal that is lost leaves a doubt that only a person ends.
                self.exchange().await;
                let words = "HTTP 429: RESOURCE_EXHAUSTED";
                return Err(CallError::new(FailureClass::RateLimit, words).into());
            }
            let create = |state: &mut State| {
                let place = state.create(self.seed, name, file);
                state.shown(place).unwrap()
            };
            self.perform(create).await
        })
    }

    fn find<'a>(
        &'a self,
        name: &'a str,
        _file: Option<&'a str>,
        _since: u64,
    ) -> Working<'a, Option<RemoteBatch>> {
        Box::pin(async move {
            let find = |state: &mut State| {
                let mut named = state.batches.iter();
                let place = named.position(|batch| batch.name == name);
                place.and_then(|place| state.shown(place))
            };
            self.perform(find).await
        })
    }

    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(async move {
            let place = id.parse().unwrap();
            let show = |state: &mut State| state.shown(place);
            Ok(self.perform(show).await?.unwrap())
        })
    }

    fn list<'a>(&'a self, ids: &'a [String], _since: u64) -> Working<'a, Vec<RemoteBatch>> {
        Box::pin(async move {
            let list = |state: &mut State| {
                let number = state.exchanges;
                // It leaves out some.
                let is_in = |place: &usize| draw(&[self.seed, 53, number, *place as u64], 5) > 0;
                let places = ids.iter().map(|id| id.parse().unwrap());
                let shown = places.filter(is_in).map(|place| state.shown(place));
                shown.map(Option::unwrap).collect()
            };
            self.perform(list).await
        })
    }

    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        self.get(id)
    }

    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        Box::pin(async move {
            let place: usize = file.parse().unwrap();
            let read = |state: &mut State| state.batches[place].results.join("\n");
            let text = self.perform(read).await?;
            // In pieces that end within lines, and some of them break off.
            let breaks = self.exchange().await < FAULTS;
            let bytes = text.into_bytes();
            let mut pieces: Vec<Result<_, CallError>> = bytes
                .chunks(37)
                .map(|piece| Ok(piece.to_vec().into()))
                .collect();
            if breaks {
                pieces.truncate(pieces.len() / 2);
                pieces.push(Err(CallError::new(FailureClass::Transient, "broken off")));
            }
            // They take their time, so that a kill may come between any two.
            let pieces = stream::iter(pieces).then(|piece| async {
                sleep(Duration::from_millis(700)).await;
                piece
            });
            let lines: Lines<'a> = Box::pin(pieces);
            Ok(lines)
        })
    }

    fn read(&self, line: &str) -> Result<ResultLine, CallError> {
        let (id, what) = line
            .split_once('\t')
            .ok_or_else(|| CallError::new(FailureClass::Transient, "half a line"))?;
        let result = match what {
            "answered" => LineResult::Answered(RawAnswer {
                text: "A good answer.".to_owned(),
                finish: Finish::Stop,
                finish_reason: "as planned".to_owned(),
                refusal: None,
                thought: false,
                usage: Usage::new(50, 5),
                model: "model".to_owned(),
                served: None,
                observed: Vec::new(),
            }),
            "not reached" => LineResult::NotReached("it expired".to_owned()),
            "overloaded" => {
                LineResult::Failed(CallError::new(FailureClass::Overloaded, "HTTP 529"))
            }
            _ => return Err(CallError::new(FailureClass::Transient, "half a line")),
        };
        Ok(ResultLine {
            custom_id: id.to_owned(),
            result,
        })
    }
}

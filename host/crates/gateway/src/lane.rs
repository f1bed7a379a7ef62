//! A lane: one model at one endpoint of its provider under one key, the unit of limits, retries and breaker. It brings
//! answers that can be used, or one error that says why not. No permit is held during a back-off.

mod batched;
mod caps;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::back_off::BackOff;
use super::budget::{BudgetReservation, LaneBudget};
use super::error::{Billed, CallError};
use super::found::{Found, UnixTime, unix_time};
use super::learned::{Keeping, Learned, Lessons};
use super::limiter::{Limiter, Permit, RequestSize, Settings};
use super::pictures::PictureLoader;
use super::prefix::Prefix;
use super::provider::{Finish, PromptCache, Provider, RawAnswer};
use super::reasoning::{self, Thoughts};
use super::remote::{Coordinator, Right};
use super::streak::Streak;
use crate::limits::retry::{Failure, RetryPolicy};
use crate::settings::Mode;
use types::class::FailureClass;
use types::digest::Digest;
use types::key::Parameters;
use types::limit::{Limit, Size};
use types::request::{Answer, CompletionRequest, Usage};

pub use self::batched::{BatchLane, Verdict};
pub use self::lines::{AskedLine, Line};
pub use self::observer::{Observer, Spent, Tried};
pub use super::lane_view::{Held, LaneView, Wait};

mod lines;
mod observer;
mod reading;
mod span;
mod tries;

use reading::{judged, with_text};

/// Failures in a row, over all calls of the lane, that open its breaker.
const BREAKER: u32 = 10;

/// How a lane behaves.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    /// Its limits.
    pub limits: Vec<Limit>,
    /// Requests at once; found out where absent.
    pub concurrency: Option<u64>,
    /// When it tries again.
    pub retry: RetryPolicy,
    /// Nothing for so long is a failure.
    pub idle_timeout: Duration,
    /// How long the provider may be down before calls fail.
    pub patience: Duration,
    /// Whether the lane is known to work; otherwise only a handful of calls is sent until one is accepted.
    pub is_proven: bool,
}

impl Default for LaneSettings {
    /// No limits but those that the provider tells or shows.
    fn default() -> Self {
        Self {
            limits: Vec::new(),
            concurrency: None,
            retry: RetryPolicy::default(),
            idle_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(600),
            is_proven: false,
        }
    }
}

/// A usable answer and what it took.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// What the component may see.
    pub answer: Answer,
    /// Model that answered.
    pub model: String,
    /// Tokens of all tries.
    pub usage: Usage,
    /// Millionths of a dollar of all tries, where the price is known.
    pub micros: Option<u64>,
    /// Tries, the last included.
    pub tries: u32,
    /// How long these took together, without the waits between them.
    pub took: Duration,
}

/// For whom a question is asked.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Id of the record.
    pub record: &'a str,
    /// Name of the component, for the statistics.
    pub component: &'a str,
    /// Name of the component whose task waits for the answer: another one, where it has its text judged.
    pub task: &'a str,
    /// Whether it is asked in batches, where that is not as its model says.
    pub mode: Option<Mode>,
    /// Place of the record in the run: questions of earlier records go first.
    pub place: u64,
    /// What its task is made from, by which its costs are booked.
    pub fingerprint: Digest,
    /// The generation in which its task asks.
    pub generation: u32,
    /// Once it is true, no call begins any more.
    pub cancelled: &'a AtomicBool,
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub struct CallContext<'a> {
    /// For whom.
    pub caller: Caller<'a>,
    /// A number that depends on the question alone.
    pub seed: u64,
    /// Waits while the provider is down; an impatient one has another lane to go to.
    pub waits_for_recovery: bool,
    /// What the question begins with, where others begin alike.
    pub prefix: Option<Prefix>,
    /// Another endpoint has the same model: what fails because of this one is asked there, and not tried again here.
    pub leaves: bool,
}

/// One lane.
pub struct Lane {
    /// `provider/model`, and `@endpoint` behind it where the provider has several.
    name: String,
    endpoint: Option<String>,
    /// The model as the provider knows it.
    model: String,
    provider: Arc<dyn Provider>,
    settings: LaneSettings,
    limiter: Limiter,
    back_off: BackOff,
    budget: LaneBudget,
    observer: Arc<dyn Observer>,
    closing: watch::Receiver<bool>,
    lessons: Lessons,
    options: Digest,
    streak: Streak,
    found: Keeping,
    /// Who lets calls begin, where that is not this process.
    coordinator: Option<Arc<dyn Coordinator>>,
    /// Who has the bytes of pictures.
    pictures: Option<PictureLoader>,
}

/// What is asked, and with which cap.
#[derive(Clone, Copy)]
struct Question<'a> {
    request: &'a CompletionRequest,
    temperature: f64,
    cap: u32,
    thoughts: Option<Thoughts>,
}

/// What the tries of one question took so far.
#[derive(Default)]
struct Tally {
    /// The right to make the first of them, where it was waited for already.
    right: Option<Right>,
    usage: Usage,
    micros: Option<u64>,
    tries: u32,
    billed: Vec<Billed>,
    took: Duration,
}

impl Lane {
    /// A lane to `model`, named as `provider/model`, at this endpoint where the provider has several. Once `closing` is
    /// true no call begins any more; what is being answered is still waited for, since it is paid for.
    pub fn new(
        model: &str,
        endpoint: Option<&str>,
        provider: Arc<dyn Provider>,
        settings: LaneSettings,
        budget: LaneBudget,
        observer: Arc<dyn Observer>,
        closing: watch::Receiver<bool>,
    ) -> Lane {
        let most_output = provider.most_output();
        Lane {
            limiter: Limiter::new(&Settings {
                limits: settings.limits.clone(),
                concurrency: settings.concurrency,
                breaker: BREAKER,
                patience: settings.patience,
                is_proven: settings.is_proven,
                cache_lifetime: provider.prompt_cache().map(|cache| cache.lifetime),
            }),
            name: lane_name(model, endpoint),
            endpoint: endpoint.map(ToOwned::to_owned),
            model: model
                .split_once('/')
                .map_or(model, |(_, own)| own)
                .to_owned(),
            provider,
            settings,
            back_off: BackOff::default(),
            budget,
            observer,
            closing,
            lessons: Lessons::new(Learned::default(), most_output),
            options: Digest::of(b""),
            streak: Streak::default(),
            found: Keeping::default(),
            coordinator: None,
            pictures: None,
        }
    }

    /// The same lane, whose calls begin when a coordinator says so.
    #[must_use]
    pub fn with_coordinator(self, coordinator: Option<Arc<dyn Coordinator>>) -> Lane {
        Lane {
            coordinator,
            ..self
        }
    }

    /// The same lane, which has the bytes of pictures from here.
    #[must_use]
    pub fn with_pictures(self, pictures: Option<PictureLoader>) -> Lane {
        Lane { pictures, ..self }
    }

    /// The same lane, that goes on from what it learned before this process began. `options` is a hash of how it is
    /// configured to ask.
    pub fn with_lessons(self, mut learned: Learned, options: Digest) -> Lane {
        let now = unix_time();
        learned.found = learned.found.recent(now);
        self.limiter.recall(&learned.found, now);
        Lane {
            lessons: Lessons::new(learned, self.provider.most_output()),
            options,
            ..self
        }
    }

    /// A hash of how it is configured to ask.
    pub fn options(&self) -> Digest {
        self.options
    }

    /// `provider/model`, and `@endpoint` behind it where the provider has several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it asks this model, written as `provider/model`.
    pub(super) fn leads_to(&self, model: &str) -> bool {
        lane_name(model, self.endpoint.as_deref()) == self.name
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// What is known of the provider's prompt cache.
    pub(super) fn prompt_cache(&self) -> Option<PromptCache> {
        self.provider.prompt_cache()
    }

    /// Tries of one call, the first included.
    pub(super) fn max_tries(&self) -> u32 {
        self.settings.retry.max_tries
    }

    /// An error that names the endpoint, where the provider has several.
    pub(super) fn at_endpoint(&self, error: CallError) -> CallError {
        match &self.endpoint {
            None => error,
            Some(endpoint) => CallError {
                message: format!("{endpoint}: {}", error.message),
                ..error
            },
        }
    }

    /// Name of the provider.
    pub fn provider(&self) -> &str {
        self.provider.name()
    }

    /// Books what the lane used before this process began, the oldest first.
    pub fn remember(&self, ago: Duration, requests: u64, tokens: Size) {
        self.limiter.remember(ago, requests, tokens);
    }

    /// Books as many calls of this size as may have been under way when an earlier process was killed: of those
    /// nothing was recorded, and the provider counted them.
    pub fn assume_under_way(&self, size: Size) {
        if let Some(most) = self.settings.concurrency.filter(|most| *most < u64::MAX) {
            self.limiter.assume(most, size);
        }
    }

    /// What it knows of its limits from earlier runs.
    pub fn recalled(&self) -> Found {
        self.lessons.now().found.clone()
    }

    /// The longest window of a limit that is known.
    pub fn longest_window(&self) -> Option<Duration> {
        self.limiter.longest()
    }

    /// The limits that were told, and the requests at once.
    pub fn told(&self) -> (&[Limit], Option<u64>) {
        (&self.settings.limits, self.settings.concurrency)
    }

    /// What it is doing.
    pub fn view(&self) -> LaneView {
        let view = self.limiter.view();
        let (backing_off, next_try) = self.back_off.view();
        LaneView {
            model: self.name.clone(),
            in_flight: view.in_flight,
            allowed: view.allowed,
            waiting: view.waiting,
            wait: view.wait,
            backing_off,
            next_try,
            limits: view
                .uses
                .iter()
                .map(|used| {
                    let limit = used.limit;
                    let words = format!("{}/{}", limit.amount.as_str(), limit.per());
                    (used.used, limit.most, words)
                })
                .collect(),
            breaker: view.breaker,
            down: view.down,
            held: view.held_most.map(|(hold, seconds)| Held {
                reason: hold.to_string(),
                seconds,
                setting: hold.setting(),
            }),
        }
    }

    /// Why nothing can be had from the lane any more, if so: it stopped, or was down for too long.
    pub fn refusal(&self) -> Option<CallError> {
        let (class, cause) = self.limiter.refusal()?;
        Some(CallError::new(class, cause))
    }

    /// Gets an answer, with retries. One that was cut off is asked for with a larger cap, as far as the model allows. Somebody
    /// may have the right to make the first call already. Where there is no answer, the tries that were billed are added to `billed`.
    ///
    /// # Errors
    /// When nothing that may be tried brought a usable answer.
    pub(super) async fn obtain(
        &self,
        right: Option<Right>,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
        billed: &mut Vec<Billed>,
    ) -> Result<Obtained, CallError> {
        let mut tally = Tally {
            right,
            ..Tally::default()
        };
        let result = self.grown(parameters, request, context, &mut tally).await;
        let (answer, model) = match result {
            Ok(raw) => {
                let model = raw.model.clone();
                (judged(raw, tally.usage), model)
            }
            Err(error) => {
                let answer = match error.class {
                    FailureClass::ContentFilter => Answer::ContentFiltered(error.message),
                    FailureClass::Context => Answer::ContextTooLong(error.message),
                    _ => {
                        billed.append(&mut tally.billed);
                        return Err(CallError {
                            usage: Box::new(tally.usage),
                            ..error
                        });
                    }
                };
                (answer, self.name.clone())
            }
        };
        Ok(Obtained {
            answer,
            model,
            usage: tally.usage,
            micros: tally.micros,
            tries: tally.tries,
            took: tally.took,
        })
    }

    /// An answer, with as large a cap as it takes.
    async fn grown(
        &self,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
        tally: &mut Tally,
    ) -> Result<RawAnswer, CallError> {
        let configured = self.cap(parameters);
        let mut cap = self.first_cap(parameters, request)?;
        // The longest answer that was cut off, and at which cap. Boxed, since a call that waits has room for it.
        let mut cut: Option<Box<(RawAnswer, u32)>> = None;
        loop {
            let question = Question {
                temperature: parameters.temperature,
                thoughts: reasoning::thoughts(parameters, cap),
                cap,
                request,
            };
            match self.retried(question, context, tally).await {
                Ok(raw) if raw.finish == Finish::Length => {
                    let next = self.lessons.cut_off(configured, cap, request.digest());
                    let before = cut.take().filter(|_| raw.text.trim().is_empty());
                    let longest = before.unwrap_or_else(|| Box::new((raw, cap)));
                    match next {
                        Some(next) => {
                            cut = Some(longest);
                            cap = next;
                        }
                        None => return self.cut_off(*longest, configured),
                    }
                }
                Ok(raw) => {
                    self.lessons.whole_at(configured, cap);
                    return Ok(raw);
                }
                Err(error) => match (self.smaller(&error, cap, cut.as_deref()), cut.take()) {
                    (Some(next), before) => {
                        cut = before;
                        cap = next;
                    }
                    // Only the larger cap was refused, and the shorter answer is paid for.
                    (None, Some(longest))
                        if !error.class.is_transient() && !error.class.stops_lane() =>
                    {
                        return self.cut_off(*longest, configured);
                    }
                    (None, _) => return Err(error),
                },
            }
        }
    }

    /// What was learned and has proved itself, if there is news: all that is known now, and what people are to be told. A call
    /// has just been answered.
    pub fn news(&self) -> Option<(Arc<Learned>, Vec<String>)> {
        let is_time = self.found.is_time(Instant::now());
        let found = is_time.then(|| self.limiter.found(unix_time())).flatten();
        self.lessons.news(found)
    }

    /// How many tokens may wait at the provider in batches, as it said lately.
    pub fn most_waiting(&self) -> Option<u64> {
        self.lessons.most_waiting()
    }

    /// No more tokens may wait at the provider in batches, and when that was said: to be kept.
    pub fn no_more_waiting(&self, most: u64) -> (u64, UnixTime) {
        self.lessons.no_more_waiting(most)
    }

    /// The same when the run ends. What has not proved itself is left alone.
    pub fn last_news(&self) -> Option<Arc<Learned>> {
        if self.lessons.is_unproved() {
            return None;
        }
        let news = self.lessons.news(self.limiter.found(unix_time()));
        news.map(|(learned, _)| learned)
    }

    /// Waits for as long as a call that failed so has to wait before its next try; `None` where there must be none.
    pub(super) async fn rests(
        &self,
        failure: Failure,
        random: f64,
    ) -> Result<Option<Duration>, CallError> {
        let Some(wait) = self.settings.retry.next(failure, random) else {
            return Ok(None);
        };
        self.unless_closing(self.back_off.sleep(wait)).await?;
        Ok(Some(wait))
    }

    /// The right to make a call on this lane.
    pub(super) async fn admit(
        &self,
        asked: RequestSize,
        place: u64,
        waits_for_recovery: bool,
        permit: Option<Permit>,
    ) -> Result<(Permit, BudgetReservation), CallError> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        self.own(asked, place, waits_for_recovery, &NEVER, permit)
            .await
    }

    /// The record with this place in the run has ended.
    pub(super) fn record_ended(&self, place: u64) {
        self.budget.record_ended(place);
    }

    /// Waits for something, but not once the lane is closing.
    pub(super) async fn unless_closing<T>(
        &self,
        wait: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        let mut closing = self.closing.clone();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => {
                Err(CallError::new(FailureClass::Transient, "the run is being stopped"))
            }
            done = wait => Ok(done),
        }
    }
}

/// The name of a lane to `model` at this endpoint.
pub fn lane_name(model: &str, endpoint: Option<&str>) -> String {
    match endpoint {
        Some(endpoint) => format!("{model}@{endpoint}"),
        None => model.to_owned(),
    }
}

/// A number in 0..1 that spreads callers and is the same in every run.
pub(super) fn random(seed: u64, turn: u32) -> f64 {
    let mixed = (seed ^ u64::from(turn)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;

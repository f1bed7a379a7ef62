//! A lane: one model at one endpoint of its provider under one key, the unit of limits, retries and breaker. It brings
//! answers that can be used, or one error that says why not. No permit is held during a back-off.

mod batched;
mod caps;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use super::adaptation::Adaptations;
use super::back_off::BackOff;
use super::budget::{BudgetReservation, LaneBudget, Reservation};
use super::error::{Billed, CallError};
use super::found::{Found, UnixTime, unix_time};
use super::learned::{Keeping, Learned, Lessons};
use super::limiter::{Limiter, Outcome, Permit, RequestSize, Settings};
use super::pictures::{self, Loaded, PictureLoader};
use super::prefix::Prefix;
use super::provider::{Call, Finish, PromptCache, Provider, RawAnswer, Served};
use super::reasoning::{self, Thoughts};
use super::remote::{Admitted, CallEnd, CallFailure, Coordinator, Entry, Right, Target};
use super::streak::Streak;
use crate::limits::retry::{Failure, RetryPolicy, counts};
use crate::providers::otel_name;
use crate::settings::Mode;
use types::class::FailureClass;
use types::digest::Digest;
use types::image::Image;
use types::key::Parameters;
use types::limit::{Limit, Size};
use types::render;
use types::request::{Answer, CompletionRequest, Usage};

pub use self::batched::{AskedLine, BatchLane, Line, Verdict};
pub use super::lane_view::{Held, LaneView, Wait};

mod reading;
mod span;

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

/// What one call took, for the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens billed.
    pub usage: Usage,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
    /// Whether it was a retry or a repair: what a first attempt would not have taken.
    pub again: bool,
}

/// One try of a call, for those who measure calls.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The provider, by the name that OpenTelemetry has for it.
    pub provider: &'a str,
    /// The model that was asked, as the provider knows it.
    pub model: &'a str,
    /// The model that answered, if one did.
    pub answered_by: Option<&'a str>,
    /// Tokens billed.
    pub usage: Usage,
    /// From the question to the end of the answer; nothing where it was asked in a batch.
    pub took: Option<Duration>,
    /// Why it brought nothing, if so.
    pub failed: Option<FailureClass>,
}

/// Is told what happens on a lane, for the statistics.
pub trait Observer: Send + Sync {
    /// A provider answered a question of this component, or billed what it did not answer.
    fn call_ended(&self, component: &str, spent: Spent);
    /// A try failed.
    fn try_failed(&self, model: &str, error: &CallError);
    /// An answer was in the journal.
    fn journaled(&self);
    /// A lane learned something of how its model wants to be asked.
    fn learned(&self, model: &str, what: &str);
    /// One of several endpoints of a model cannot be asked, or again.
    fn endpoint_changed(&self, lane: &str, what: &str);
    /// A try of a call ended, well or not.
    fn tried(&self, tried: Tried<'_>) {
        let _ = tried;
    }
    /// Whether the spans of calls have the texts of questions and answers.
    fn wants_texts(&self) -> bool {
        false
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

    /// One call with its retries.
    async fn retried(
        &self,
        question: Question<'_>,
        context: &CallContext<'_>,
        tally: &mut Tally,
    ) -> Result<RawAnswer, CallError> {
        let mut started = None;
        let (mut counted, mut in_a_row) = (0, 0);
        let mut before = None;
        let own = Streak::default();
        loop {
            let mut began = None;
            let learned = self.lessons.now();
            let call = self.call(question, context, &learned.adaptations);
            let result = self.attempt(call, context, tally, &mut began).await;
            let took = began.map_or(Duration::ZERO, |began: Instant| began.elapsed());
            started = started.or(began);
            let error = match result {
                Ok(raw) => return Ok(raw),
                Err(Refusal::NotSent(error)) => {
                    return Err(CallError {
                        is_unreached: true,
                        ..error
                    });
                }
                // Three times for one question is no accident, however others fare.
                Err(Refusal::Call(error)) => own.judge(error),
                Err(Refusal::Paused(error)) => {
                    self.observer.try_failed(&self.name, &error);
                    if context.leaves {
                        return Err(error);
                    }
                    // The limiter keeps it waiting, and knows when that has been too long.
                    (started, before) = (None, None);
                    continue;
                }
            };
            self.observer.try_failed(&self.name, &error);
            let adapted = error
                .refused
                .and_then(|refused| self.provider.adapt(refused, &learned.adaptations));
            if let Some(adaptation) = adapted {
                self.lessons.adapt(adaptation);
                continue;
            }
            if context.leaves && error.is_of_endpoint() {
                return Err(error);
            }
            // Another kind of failure is another matter.
            in_a_row = if before == Some(error.class) {
                in_a_row + 1
            } else {
                1
            };
            before = Some(error.class);
            if counts(error.class) {
                counted += 1;
            }
            let failure = Failure {
                class: error.class,
                tries: counted,
                in_a_row,
                elapsed: started.map_or(Duration::ZERO, |started: Instant| started.elapsed()),
                took,
                hint: error.retry_after,
            };
            let random = random(context.seed, tally.tries);
            match Box::pin(self.rests(failure, random)).await? {
                Some(Duration::ZERO) => before = None,
                Some(_) => {}
                None => return Err(error),
            }
        }
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

    fn call<'a>(
        &'a self,
        question: Question<'a>,
        context: &CallContext<'_>,
        adaptations: &'a Adaptations,
    ) -> Call<'a> {
        Call {
            request: question.request,
            pictures: &[],
            model: &self.model,
            temperature: question.temperature,
            max_output_tokens: question.cap,
            thoughts: question.thoughts,
            idle_timeout: self.settings.idle_timeout,
            seed: context.seed,
            adaptations,
            prefix: context.prefix,
            accepted: &|_| {},
        }
    }

    /// One try: a permit is held while it lasts, and only then.
    async fn attempt(
        &self,
        call: Call<'_>,
        context: &CallContext<'_>,
        tally: &mut Tally,
        began: &mut Option<Instant>,
    ) -> Result<RawAnswer, Refusal> {
        let loaded = self.loaded(&call.request.images).await;
        let loaded = loaded.map_err(Refusal::NotSent)?;
        let bytes = render::bytes(call.request);
        let asked = RequestSize {
            bytes,
            cap: u64::from(call.max_output_tokens),
            prefix: context.prefix.map(|prefix| prefix.id),
        };
        // Boxed, so that a call that waits for its answer has no room for the wait before it.
        let admitted = Box::pin(self.admitted(asked, context, tally.right.take()))
            .await
            .map_err(Refusal::NotSent)?;
        admitted.began();
        let start = Instant::now();
        *began = Some(start);
        let call = Call {
            pictures: &loaded.pictures,
            accepted: &|observed| admitted.accepted(observed),
            ..call
        };
        let provider = otel_name(self.provider.name());
        let with_texts = self.observer.wants_texts();
        let span = span::begun(provider, call, with_texts);
        let result = self.provider.call(call).instrument(span.clone()).await;
        let took = start.elapsed();
        let result = match result.and_then(with_text) {
            Ok(raw) => {
                self.streak.broken();
                Ok(raw)
            }
            Err(error) => {
                let images = call.request.images.len();
                Err(self
                    .streak
                    .judge(pictures::judged(error, images, &self.name)))
            }
        };
        let (usage, served) = match &result {
            Ok(raw) => (raw.usage, raw.served),
            Err(error) => (*error.usage, error.served),
        };
        let micros = self.budget.cost(usage, served);
        span::ended(span, &result, micros, with_texts);
        self.observer.tried(Tried {
            provider,
            model: &self.model,
            answered_by: result.as_ref().ok().map(|raw| raw.model.as_str()),
            usage,
            took: Some(took),
            failed: result.as_ref().err().map(|error| error.class),
        });
        if result.is_ok() || usage != Usage::default() {
            let again = tally.tries > 0 || call.request.is_repair();
            let spent = Spent {
                usage,
                micros,
                again,
            };
            self.observer.call_ended(context.caller.component, spent);
            tally.billed.push(Billed {
                lane: self.name.clone(),
                ended: Instant::now(),
                usage,
                micros,
                cause: match &result {
                    Ok(raw) => format!("the answer ended with `{}`", raw.finish_reason),
                    Err(error) => error.message.clone(),
                },
                is_booked: false,
            });
            tally.usage += usage;
            tally.micros = match (tally.micros, micros) {
                (None, micros) => micros,
                (Some(sum), micros) => Some(sum.saturating_add(micros.unwrap_or(0))),
            };
        }
        tally.tries += 1;
        tally.took += start.elapsed();
        let pauses = Box::pin(settle(admitted, bytes, served, &result)).await;
        result.map_err(|error| {
            if pauses {
                Refusal::Paused(error)
            } else {
                Refusal::Call(error)
            }
        })
    }

    /// The bytes of the pictures of a question. They are waited for before there is a permit, which others could use.
    async fn loaded(&self, images: &[Image]) -> Result<Loaded, CallError> {
        if images.is_empty() || !self.provider.takes_pictures() {
            return Ok(Loaded::default());
        }
        match &self.pictures {
            // Boxed, since most questions show none.
            Some(loader) => Box::pin(loader.load(images)).await,
            None => Err(CallError::new(
                FailureClass::Record,
                "the pictures of the question are on another machine",
            )),
        }
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

    /// Waits for the right to make a call, and for room in the budget.
    async fn admitted(
        &self,
        asked: RequestSize,
        context: &CallContext<'_>,
        right: Option<Right>,
    ) -> Result<Admitted, CallError> {
        let caller = &context.caller;
        let waits = context.waits_for_recovery;
        let admission = match (right, &self.coordinator) {
            (Some(Right::Remote(admission)), _) => admission,
            (Some(Right::Own(permit)), _) => {
                let own = self.own(asked, caller.place, waits, caller.cancelled, Some(permit));
                let (permit, reserved) = own.await?;
                return Ok(Admitted::Own(permit, reserved));
            }
            (None, Some(coordinator)) => {
                let entry = self.entry(asked, context);
                self.unless_closing(coordinator.enter(entry)).await??.1
            }
            (None, None) => {
                let own = self.own(asked, caller.place, waits, caller.cancelled, None);
                let (permit, reserved) = own.await?;
                return Ok(Admitted::Own(permit, reserved));
            }
        };
        if caller.cancelled.load(Ordering::Relaxed) {
            return Err(is_held());
        }
        Ok(Admitted::Remote(admission))
    }

    /// A call on this lane, as a coordinator has to know it.
    pub(super) fn entry(&self, asked: RequestSize, context: &CallContext<'_>) -> Entry {
        Entry {
            target: Target::Lane(self.name.clone()),
            question: context.seed,
            place: context.caller.place,
            bytes: asked.bytes,
            cap: asked.cap,
            prefix: asked.prefix,
            waits_for_recovery: context.waits_for_recovery,
        }
    }

    /// Waits for the right to make a call by the limits and the budget of this process.
    async fn own(
        &self,
        asked: RequestSize,
        place: u64,
        waits_for_recovery: bool,
        cancelled: &AtomicBool,
        mut permit: Option<Permit>,
    ) -> Result<(Permit, BudgetReservation), CallError> {
        loop {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => {
                    let enter = self.limiter.enter(place, asked, waits_for_recovery);
                    self.unless_closing(enter).await??
                }
            };
            if cancelled.load(Ordering::Relaxed) {
                permit.unused();
                return Err(is_held());
            }
            // Made before the budget is looked at, so that nothing that becomes free is missed.
            let freed = self.budget.freed();
            let likely = self.limiter.estimate(asked);
            match self.budget.reserve(place, likely) {
                Reservation::Reserved(reserved) => return Ok((permit, reserved)),
                Reservation::NotYet => {
                    permit.unused();
                    self.unless_closing(freed).await?;
                }
                Reservation::Never => {
                    permit.unused();
                    return Err(CallError::new(
                        FailureClass::Budget,
                        "the run has spent what it may",
                    ));
                }
            }
        }
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

fn is_held() -> CallError {
    CallError::new(FailureClass::Transient, "its component is held")
}

/// Gives the right to a call back. Returns whether the whole lane pauses because of what became of it.
async fn settle(
    admitted: Admitted,
    bytes: u64,
    served: Option<Served>,
    result: &Result<RawAnswer, CallError>,
) -> bool {
    let (permit, reserved) = match admitted {
        Admitted::Own(permit, reserved) => (permit, reserved),
        Admitted::Remote(admission) => {
            let (usage, observed, failure) = match result {
                Ok(raw) => (raw.usage, raw.observed.clone(), None),
                Err(error) => {
                    let failure = CallFailure::of(error);
                    (*error.usage, error.observed.to_vec(), Some(failure))
                }
            };
            let end = CallEnd {
                usage,
                served,
                observed,
                failure,
            };
            return admission.settle(end).await;
        }
    };
    match result {
        Ok(raw) => {
            reserved.settle(raw.usage, served);
            let used = Size {
                input: raw.usage.input_tokens,
                output: raw.usage.output_tokens,
            };
            permit.settle(bytes, &Outcome::Answered(used, &raw.observed))
        }
        Err(error) => {
            reserved.settle(*error.usage, served);
            permit.settle(bytes, &Outcome::Failed(error))
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

/// Why a try brought nothing.
enum Refusal {
    /// Nothing was sent: the lane is down or closing, or the request does not fit a limit or the budget.
    NotSent(CallError),
    /// The call failed.
    Call(CallError),
    /// The call was refused, and the whole lane pauses because of it.
    Paused(CallError),
}

/// A number in 0..1 that spreads callers and is the same in every run.
pub(super) fn random(seed: u64, turn: u32) -> f64 {
    let mixed = (seed ^ u64::from(turn)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;

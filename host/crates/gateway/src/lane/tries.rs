//! The tries of one question: each is let in, sent, judged and settled; one that failed and may succeed later is made again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use super::reading::with_text;
use super::{CallContext, Lane, Question, Spent, Tally, Tried, random, span};
use crate::adaptation::Adaptations;
use crate::budget::{BudgetReservation, Reservation};
use crate::error::{Billed, CallError};
use crate::limiter::{Outcome, Permit, RequestSize};
use crate::limits::retry::{Failure, counts};
use crate::pictures::{self, Loaded};
use crate::prices::Served;
use crate::provider::{Call, RawAnswer};
use crate::providers::otel_name;
use crate::remote::{Admitted, CallEnd, CallFailure, Entry, Right, Target};
use crate::streak::Streak;
use types::class::FailureClass;
use types::image::Image;
use types::limit::Size;
use types::render;
use types::request::Usage;

impl Lane {
    /// One call with its retries.
    pub(super) async fn retried(
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

    pub(super) fn call<'a>(
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
    pub(crate) fn entry(&self, asked: RequestSize, context: &CallContext<'_>) -> Entry {
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
    pub(super) async fn own(
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

/// Why a try brought nothing.
enum Refusal {
    /// Nothing was sent: the lane is down or closing, or the request does not fit a limit or the budget.
    NotSent(CallError),
    /// The call failed.
    Call(CallError),
    /// The call was refused, and the whole lane pauses because of it.
    Paused(CallError),
}

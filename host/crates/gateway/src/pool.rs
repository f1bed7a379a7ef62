//! The endpoints of one model: a lane for each, behind one queue. A question goes to the endpoint that has room for it
//! first, and where that fails for a reason of its own, to another one at once.

mod own_admission;

pub use own_admission::OwnAdmission;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::error::{Billed, CallError};
use crate::lane::{CallContext, Lane, Observer, Obtained, random};
use crate::limiter::{Group, RequestSize, Tried};
use crate::limits::retry::{Failure, counts};
use crate::prefix::{Prefix, Prefixes};
use crate::reasoning;
use crate::remote::{Coordinator, Entry, First, Right, Target};
use types::class::FailureClass;
use types::key::Parameters;
use types::render;
use types::request::CompletionRequest;

/// Where nothing is known of a server's prompt cache, a beginning counts from so many tokens on.
const LEAST_TOKENS: u32 = 128;

/// The lanes to one model.
pub struct Pool {
    lanes: Vec<Arc<Lane>>,
    /// Where there are several.
    group: Option<Group>,
    /// What questions begin with, where that matters.
    prefixes: Option<Prefixes>,
    observer: Arc<dyn Observer>,
    /// What was told last of each lane.
    told: Mutex<Vec<Told>>,
    /// Who chooses the lane of a call, where that is not this process, and the model that it knows the pool by.
    coordinator: Option<(Arc<dyn Coordinator>, String)>,
}

/// How a question fared so far.
#[derive(Default)]
struct Failures {
    began: Option<Instant>,
    tries: u32,
    in_a_row: u32,
    before: Option<FailureClass>,
}

impl Failures {
    /// It failed once more. Who never heard the question cannot be harmed by it, nor who refuses all: as long as there is
    /// another, such a try does not count.
    fn next(&mut self, error: &CallError, has_another: bool, began: Instant) -> Failure {
        let first = *self.began.get_or_insert(began);
        let is_harmless = error.is_unreached || error.class.stops_lane();
        if counts(error.class) && !(is_harmless && has_another) {
            self.tries += 1;
        }
        self.in_a_row = match self.before.replace(error.class) {
            Some(before) if before == error.class => self.in_a_row + 1,
            _ => 1,
        };
        Failure {
            class: error.class,
            tries: self.tries,
            in_a_row: self.in_a_row,
            elapsed: first.elapsed(),
            took: began.elapsed(),
            hint: error.retry_after,
        }
    }
}

/// What people know of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Up,
    Down,
    Stopped,
}

impl Pool {
    /// A model has no more endpoints.
    pub const MOST: usize = Tried::MOST;

    /// The lanes to one model, each of which is in no other pool. The observer is told when one of several cannot be asked.
    pub fn new(lanes: Vec<Arc<Lane>>, observer: Arc<dyn Observer>) -> Pool {
        let limiters = lanes.iter().map(|lane| lane.limiter().clone());
        let group = (lanes.len() > 1).then(|| Group::new(limiters.collect()));
        let caches = lanes.iter().filter_map(|lane| lane.prompt_cache());
        let least = caches.map(|cache| cache.least_tokens).min();
        let prefixes = least.or(group.is_some().then_some(LEAST_TOKENS));
        Pool {
            prefixes: prefixes.map(Prefixes::from_tokens),
            told: Mutex::new(vec![Told::Up; lanes.len()]),
            lanes,
            group,
            observer,
            coordinator: None,
        }
    }

    /// The same pool to this model, where a coordinator chooses the lane of each call.
    #[must_use]
    pub fn with_coordinator(self, coordinator: Option<Arc<dyn Coordinator>>, model: &str) -> Pool {
        Pool {
            coordinator: coordinator.map(|coordinator| (coordinator, model.to_owned())),
            ..self
        }
    }

    /// Its lanes.
    pub fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// What a question begins with, and its first call, as a coordinator has to know it: none where none can be made.
    pub(super) fn first(
        &self,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
    ) -> (Option<Prefix>, Option<Entry>) {
        let prefix = self.prefix(request, context);
        let asked = |cap: u32| RequestSize {
            bytes: render::bytes(request),
            cap: u64::from(cap),
            prefix: prefix.map(|prefix| prefix.id),
        };
        let entry = match (self.lanes.as_slice(), &self.coordinator) {
            ([lane], _) => {
                let cap = lane.first_cap(parameters, request);
                cap.ok().map(|cap| lane.entry(asked(cap), context))
            }
            (_, Some((_, model))) => {
                let asked = asked(reasoning::likely_cap(parameters));
                let of = (context.caller.place, context.seed);
                let waits = context.waits_for_recovery;
                Some(entry(model, of, asked, waits, Tried::default()))
            }
            (_, None) => None,
        };
        (prefix, entry)
    }

    fn prefix(&self, request: &CompletionRequest, context: &CallContext<'_>) -> Option<Prefix> {
        let prefixes = self.prefixes.as_ref()?;
        prefixes.of(context.caller.component, request)
    }

    /// Gets an answer, as [`Lane::obtain`] does, from one of the lanes. Something may be known of the first call.
    ///
    /// # Errors
    /// When none of them brings one.
    pub(super) async fn obtain(
        &self,
        first: Option<First>,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
        billed: &mut Vec<Billed>,
    ) -> Result<(&Arc<Lane>, Obtained), CallError> {
        let First { prefix, right } = first.unwrap_or_else(|| First {
            prefix: self.prefix(request, context),
            right: None,
        });
        let context = &CallContext { prefix, ..*context };
        match (self.lanes.as_slice(), &self.group) {
            (_, Some(group)) => {
                let among = self.among(group, right, parameters, request, context, billed);
                // Boxed, so that a call to a model with one endpoint has no room for this.
                Box::pin(among).await
            }
            ([lane, ..], None) => {
                let right = right.map(|(_, right)| right);
                let obtaining = lane.obtain(right, parameters, request, context, billed);
                Ok((lane, obtaining.await?))
            }
            ([], None) => Err(CallError::new(
                FailureClass::NotFound,
                "the model has no endpoint",
            )),
        }
    }

    /// Asks one endpoint after the other, as long as it is the endpoint's fault that there is no answer.
    async fn among(
        &self,
        group: &Group,
        mut right: Option<(usize, Right)>,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
        billed: &mut Vec<Billed>,
    ) -> Result<(&Arc<Lane>, Obtained), CallError> {
        let asked = RequestSize {
            bytes: render::bytes(request),
            cap: u64::from(reasoning::likely_cap(parameters)),
            prefix: context.prefix.map(|prefix| prefix.id),
        };
        let here = CallContext {
            leaves: true,
            waits_for_recovery: false,
            ..*context
        };
        let mut tried = Tried::default();
        let mut failures = Failures::default();
        loop {
            let (place, right) = match right.take() {
                Some(right) => right,
                None => {
                    let waits = context.waits_for_recovery;
                    let of = (context.caller.place, context.seed);
                    let enter = self.enter(group, of, asked, waits, tried);
                    let entered = self.unless_closing(enter).await?;
                    entered.map_err(|error| self.refusal().unwrap_or(error))?
                }
            };
            let began = Instant::now();
            let Some(lane) = self.lanes.get(place) else {
                continue;
            };
            let result = lane
                .obtain(Some(right), parameters, request, &here, billed)
                .await;
            self.tell_of(place);
            let error = match result {
                Ok(obtained) => return Ok((lane, obtained)),
                Err(error) => error,
            };
            let is_over = context.caller.cancelled.load(Ordering::Relaxed);
            if is_over || !error.is_of_endpoint() {
                return Err(lane.at_endpoint(error));
            }
            tried = tried.with(place);
            let has_another = match &self.coordinator {
                None => group.has_another(tried),
                // It takes one that can be asked, if there is one.
                Some(_) => (0..self.lanes.len()).any(|place| !tried.has(place)),
            };
            let failure = failures.next(&error, has_another, began);
            let goes_on = has_another && failure.tries < lane.max_tries();
            if goes_on || (error.class.stops_lane() && self.refusal().is_none()) {
                continue;
            }
            // Nobody else is there, so it is asked again as at a single endpoint, at whichever has room then.
            let random = random(context.seed, failures.tries);
            if lane.rests(failure, random).await?.is_none() {
                return Err(lane.at_endpoint(error));
            }
            tried = Tried::default();
        }
    }

    /// Waits for an endpoint that has room.
    async fn enter(
        &self,
        group: &Group,
        of: (u64, u64),
        asked: RequestSize,
        waits_for_recovery: bool,
        tried: Tried,
    ) -> Result<(usize, Right), CallError> {
        let Some((coordinator, model)) = &self.coordinator else {
            let enter = group.enter(of.0, asked, waits_for_recovery, tried);
            let (place, permit) = enter.await?;
            return Ok((place, Right::Own(permit)));
        };
        let entry = entry(model, of, asked, waits_for_recovery, tried);
        let (place, admission) = coordinator.enter(entry).await?;
        Ok((place, Right::Remote(admission)))
    }

    /// The right to make a call on one of the lanes, and the place of that lane.
    pub(super) async fn admit(
        self: &Arc<Pool>,
        entry: &Entry,
        tried: Tried,
    ) -> Result<(usize, OwnAdmission), CallError> {
        let asked = entry.asked();
        let waits = entry.waits_for_recovery;
        loop {
            let (at, permit) = match (&self.group, self.lanes.as_slice()) {
                (Some(group), [first, ..]) => {
                    let enter = group.enter(entry.place, asked, waits, tried);
                    let entered = first.unless_closing(enter).await?;
                    let entered = entered.map_err(|error| self.refusal().unwrap_or(error))?;
                    (entered.0, Some(entered.1))
                }
                _ => (0, None),
            };
            let Some(lane) = self.lanes.get(at) else {
                continue;
            };
            let (permit, reserved) = lane.admit(asked, entry.place, waits, permit).await?;
            let pool = self.group.is_some().then(|| (Arc::clone(self), at));
            let admission = OwnAdmission {
                permit,
                reserved,
                bytes: entry.bytes,
                pool,
            };
            return Ok((at, admission));
        }
    }

    /// Waits for an endpoint, but not once the run is being stopped.
    pub(super) async fn unless_closing<T>(
        &self,
        enter: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        match self.lanes.first() {
            Some(lane) => lane.unless_closing(enter).await,
            None => Ok(enter.await),
        }
    }

    /// Says once when the endpoint at this place cannot be asked any more, or again. The coordinator's limits know.
    pub(super) fn tell_of(&self, place: usize) {
        let (Some(group), Some(lane), None) =
            (&self.group, self.lanes.get(place), &self.coordinator)
        else {
            return;
        };
        let (now, cause) = match group.error(place) {
            None => (Told::Up, String::new()),
            Some((error, true)) => (Told::Stopped, error.message),
            Some((error, false)) => (Told::Down, error.message),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = told.get_mut(place).filter(|before| **before != now) else {
            return;
        };
        *before = now;
        let what = match now {
            Told::Up => "it answers again".to_owned(),
            Told::Stopped => format!("it is not asked any more: {cause}"),
            Told::Down => format!(
                "it does not answer, so other endpoints are asked, and it is tried now and then: {cause}"
            ),
        };
        self.observer.endpoint_changed(lane.name(), &what);
    }

    /// Why nothing can be had from any of its lanes any more, if so.
    pub fn refusal(&self) -> Option<CallError> {
        if let [lane] = self.lanes.as_slice() {
            return lane.refusal();
        }
        let refusals: Option<Vec<CallError>> = self
            .lanes
            .iter()
            .map(|lane| Some(lane.at_endpoint(lane.refusal()?)))
            .collect();
        let refusals = refusals?;
        let first = refusals.first()?;
        let causes: Vec<&str> = refusals
            .iter()
            .map(|refusal| refusal.message.as_str())
            .collect();
        Some(CallError::new(first.class, causes.join("; ")))
    }
}

/// A call for a question of a record (its place), at any lane of the pool of this model.
fn entry(
    model: &str,
    (place, question): (u64, u64),
    asked: RequestSize,
    waits_for_recovery: bool,
    tried: Tried,
) -> Entry {
    Entry {
        target: Target::Pool(model.to_owned(), tried.bits()),
        question,
        place,
        bytes: asked.bytes,
        cap: asked.cap,
        prefix: asked.prefix,
        waits_for_recovery,
    }
}

#[cfg(test)]
mod tests;

//! The gateway: from a question to a durable answer. What is in the journal is not asked again; equal
//! questions of different tasks share one call; what comes back is on disk before anybody sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::batch::{Asked, Desk, Reply};
use super::error::{Billed, CallError, GatewayError};
use super::journal::{Begin, Journal, Provenance};
use super::lane::{CallContext, Caller, Lane, LaneView, Observer, Obtained};
use super::learned::Learned;
use super::limiter::Tried;
use super::pool::{OwnAdmission, Pool};
use super::remote::{Coordinator, Entry, First, Right, Target, Turn};
use types::class::FailureClass;
use types::digest::Digest;
use types::key::{KeyContext, Parameters};
use types::request::{Answer, CompletionRequest};

/// Lanes by the model that is asked for, and the journal behind them.
pub struct Gateway<J: Journal> {
    journal: J,
    chains: BTreeMap<String, Chain>,
    observer: Arc<dyn Observer>,
    desk: Option<Arc<dyn Desk<J::Error>>>,
    coordinator: Option<Arc<dyn Coordinator>>,
}

/// The lanes that may answer for one model: its own first, then those of the models that it falls back to.
#[derive(Clone)]
pub struct Chain {
    /// A pool for each model, in the order in which they are asked.
    pub pools: Vec<Arc<Pool>>,
    /// For what the next one is asked.
    pub fall_back_on: Vec<FailureClass>,
}

/// Whose turn it is to ask a question.
enum Claimed<Claim> {
    /// Nobody's: it is answered.
    Answered(i64, Answer),
    /// The caller's.
    Ours(Claim),
}

impl<J: Journal> Gateway<J> {
    /// The answer to a question that no record asks: [`Gateway::answer`] for programs that have no records.
    ///
    /// # Errors
    /// Like [`Gateway::answer`].
    pub async fn ask(
        &self,
        parameters: &Parameters,
        request: &CompletionRequest,
    ) -> Result<Answer, GatewayError<J::Error>> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        let context = KeyContext {
            parameters: parameters.clone(),
            generation: 0,
        };
        let key = context.key(request.digest(), 0);
        let caller = Caller {
            record: "",
            component: "",
            task: "",
            mode: None,
            place: 0,
            fingerprint: key,
            generation: 0,
            cancelled: &NEVER,
        };
        let (_, answer, _) = self
            .answer(parameters, key, request, caller, &mut Vec::new())
            .await?;
        Ok(answer)
    }

    /// A gateway over chains of lanes by `provider/model`.
    pub fn new(
        journal: J,
        chains: BTreeMap<String, Chain>,
        observer: Arc<dyn Observer>,
    ) -> Gateway<J> {
        Gateway {
            journal,
            chains,
            observer,
            desk: None,
            coordinator: None,
        }
    }

    /// The same gateway, which hands questions to a desk that answers them in batches.
    #[must_use]
    pub fn with_desk(self, desk: Arc<dyn Desk<J::Error>>) -> Gateway<J> {
        Gateway {
            desk: Some(desk),
            ..self
        }
    }

    /// The same gateway, which asks a coordinator for every question before it asks a model. Its lanes have the same one.
    #[must_use]
    pub fn with_coordinator(self, coordinator: Arc<dyn Coordinator>) -> Gateway<J> {
        Gateway {
            coordinator: Some(coordinator),
            ..self
        }
    }

    /// The right to make a call, for another machine, and the place of its lane in its pool.
    ///
    /// # Errors
    /// Those of the lane that would be asked.
    pub async fn admit(&self, entry: &Entry) -> Result<(usize, OwnAdmission), CallError> {
        let mut pools = self.chains.values().flat_map(|chain| &chain.pools);
        let (pool, tried) = match &entry.target {
            Target::Lane(name) => {
                let is_it = |pool: &&Arc<Pool>| pool.lanes().iter().any(|lane| lane.name() == name);
                (pools.find(is_it), Tried::default())
            }
            Target::Pool(model, tried) => {
                let is_it =
                    |pool: &&Arc<Pool>| pool.lanes().iter().any(|lane| lane.leads_to(model));
                (pools.find(is_it), Tried::of_bits(*tried))
            }
        };
        let pool = pool.ok_or_else(|| {
            let (Target::Lane(name) | Target::Pool(name, _)) = &entry.target;
            CallError::new(
                FailureClass::NotFound,
                format!("no lane leads to the model `{name}`"),
            )
        })?;
        pool.admit(entry, tried).await
    }

    /// The lanes of a model: its own first.
    pub fn chain(&self, model: &str) -> Option<&Chain> {
        self.chains.get(model)
    }

    /// The answer to a question, its number in the journal and what it cost just now, in micro-dollars: nothing where it
    /// was there already or has no price. Tries that were billed and brought no answer are added to `billed`.
    ///
    /// # Errors
    /// When every lane gave up, or the journal failed: nothing was answered then.
    pub async fn answer(
        &self,
        parameters: &Parameters,
        key: Digest,
        request: &CompletionRequest,
        caller: Caller<'_>,
        billed: &mut Vec<Billed>,
    ) -> Result<(i64, Answer, u64), GatewayError<J::Error>> {
        let claim = match self.claim(key).await? {
            Claimed::Answered(id, answer) => {
                self.observer.journaled();
                return Ok((id, answer, 0));
            }
            Claimed::Ours(claim) => claim,
        };
        let context = CallContext {
            caller,
            seed: key.seed(),
            waits_for_recovery: true,
            leaves: false,
            prefix: None,
        };
        // Lanes of the chain that are not asked.
        let mut first = 0;
        if let Some(desk) = &self.desk {
            let asked = Asked {
                parameters,
                key,
                request,
                caller,
            };
            // Boxed, since most calls are not handed to it.
            match Box::pin(desk.ask(asked))
                .await
                .map_err(GatewayError::Journal)?
            {
                Reply::Online(tries) => billed.extend(tries),
                Reply::Waits => return Err(GatewayError::Waits),
                Reply::Failed(error, tries) => {
                    billed.extend(tries);
                    if !self.falls_back(parameters, error.class) {
                        return Err(error.into());
                    }
                    first = 1;
                }
            }
        }
        let Some(coordinator) = &self.coordinator else {
            let obtaining = self.obtain(first, None, parameters, request, &context, billed);
            let (lane, obtained) = obtaining.await?;
            // Boxed, so that a call that waits for its answer has no room for what follows.
            return Box::pin(self.keep(claim, lane, obtained)).await;
        };
        // Boxed, since the calls of one machine alone do not go this way.
        Box::pin(async {
            let (asking, lane, obtained) = loop {
                let asking = Asking {
                    coordinator,
                    key,
                    is_answered: false,
                };
                let asked = self.asks(first, coordinator, parameters, key, request, &context);
                let obtained = match asked.await {
                    Ok(Permitted::Answered(answer)) => {
                        self.observer.journaled();
                        // It is in the coordinator's journal, and has no number here.
                        return Ok((0, answer, 0));
                    }
                    Ok(Permitted::Ours(call)) => {
                        self.obtain(first, call, parameters, request, &context, billed)
                            .await
                    }
                    Err(error) => Err(error),
                };
                match obtained {
                    Ok((lane, obtained)) => break (asking, lane, obtained),
                    // This machine was taken for lost, and another one asks: its answer is waited for.
                    Err(error) if error.is_elsewhere => {}
                    Err(error) => return Err(error.into()),
                }
            };
            let provenance = provenance(lane, &obtained);
            let answer = obtained.answer.clone();
            let kept = self.keep(claim, lane, obtained).await;
            // Also where it could not be kept here, and no component sees it: it is paid for.
            asking.answered(&answer, &provenance);
            kept
        })
        .await
    }

    /// Asks a coordinator for a question, and for the right to make its first call.
    async fn asks(
        &self,
        first: usize,
        coordinator: &Arc<dyn Coordinator>,
        parameters: &Parameters,
        key: Digest,
        request: &CompletionRequest,
        context: &CallContext<'_>,
    ) -> Result<Permitted, CallError> {
        let chain = self.chains.get(&parameters.model);
        let Some((chain, pool)) = chain.and_then(|chain| Some((chain, chain.pools.get(first)?)))
        else {
            // Its error is that of a model to which no lane leads.
            return Ok(Permitted::Ours(None));
        };
        let context = CallContext {
            waits_for_recovery: first + 1 == chain.pools.len(),
            ..*context
        };
        let (prefix, entry) = pool.first(parameters, request, &context);
        let right = match pool.unless_closing(coordinator.ask(key, entry)).await?? {
            Turn::Answered(answer) => return Ok(Permitted::Answered(answer)),
            Turn::Ours => None,
            Turn::Granted(place, admission) => Some((place, Right::Remote(admission))),
        };
        Ok(Permitted::Ours(Some(First { prefix, right })))
    }

    /// Makes an answer durable, with what its lane has learned.
    async fn keep(
        &self,
        claim: J::Claim,
        lane: &Lane,
        obtained: Obtained,
    ) -> Result<(i64, Answer, u64), GatewayError<J::Error>> {
        self.keep_lessons(lane).await?;
        let provenance = provenance(lane, &obtained);
        let id = self
            .journal
            .record(claim, &obtained.answer, &provenance)
            .await
            .map_err(GatewayError::Journal)?;
        Ok((id, obtained.answer, obtained.micros.unwrap_or(0)))
    }

    /// The answer to a question, or the right to ask it, for which others are waited for that have it.
    async fn claim(&self, key: Digest) -> Result<Claimed<J::Claim>, GatewayError<J::Error>> {
        loop {
            match self.journal.begin(key).map_err(GatewayError::Journal)? {
                Begin::Have(id, answer) => return Ok(Claimed::Answered(id, answer)),
                Begin::Go(claim) => return Ok(Claimed::Ours(claim)),
                // It ends when the one that asks has recorded the answer or given up: look again.
                Begin::Wait(woken) => {
                    let _ = woken.await;
                }
            }
        }
    }

    /// Asks lane after lane from the `first` on, whose first `call` may be known, as far as what went wrong is something that another may do better.
    async fn obtain(
        &self,
        first: usize,
        mut call: Option<First>,
        parameters: &Parameters,
        request: &CompletionRequest,
        context: &CallContext<'_>,
        billed: &mut Vec<Billed>,
    ) -> Result<(&Arc<Lane>, Obtained), CallError> {
        let none = || {
            CallError::new(
                FailureClass::NotFound,
                format!("no lane leads to the model `{}`", parameters.model),
            )
        };
        let chain = self.chains.get(&parameters.model).ok_or_else(none)?;
        for (place, pool) in chain.pools.iter().enumerate().skip(first) {
            let is_last = place + 1 == chain.pools.len();
            let context = CallContext {
                waits_for_recovery: is_last,
                ..*context
            };
            let obtaining = pool.obtain(call.take(), parameters, request, &context, billed);
            let result = obtaining.await;
            let class = match &result {
                Err(error) => Some(error.class),
                Ok((_, obtained)) => match obtained.answer {
                    Answer::Completion(_) => None,
                    Answer::ContentFiltered(_) => Some(FailureClass::ContentFilter),
                    Answer::ContextTooLong(_) => Some(FailureClass::Context),
                },
            };
            let goes_on = class.is_some_and(|class| chain.fall_back_on.contains(&class));
            let is_elsewhere = matches!(&result, Err(error) if error.is_elsewhere);
            if is_last || !goes_on || is_elsewhere {
                return result;
            }
        }
        Err(none())
    }

    /// Whether another lane is asked for what its own model failed in with this class.
    fn falls_back(&self, parameters: &Parameters, class: FailureClass) -> bool {
        self.chains
            .get(&parameters.model)
            .is_some_and(|chain| chain.pools.len() > 1 && chain.fall_back_on.contains(&class))
    }

    /// The record with this place in the run has ended, and asks nothing more.
    pub fn record_ended(&self, place: u64) {
        // All lanes share one budget.
        if let Some(lane) = self.lanes().next() {
            lane.record_ended(place);
        }
    }

    /// Tells and keeps what a lane has learned, once it has proved itself.
    async fn keep_lessons(&self, lane: &Lane) -> Result<(), GatewayError<J::Error>> {
        let Some((learned, told)) = lane.news() else {
            return Ok(());
        };
        for what in told {
            self.observer.learned(lane.name(), &what);
        }
        self.write_lessons(lane, &learned)
            .await
            .map_err(GatewayError::Journal)
    }

    async fn write_lessons(&self, lane: &Lane, learned: &Learned) -> Result<(), J::Error> {
        let (name, options) = (lane.name(), lane.options());
        self.journal.keep_lessons(name, options, learned).await
    }

    /// Keeps what the lanes have found out of their limits. To be called when nothing is asked any more.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn ends(&self) -> Result<(), J::Error> {
        let lanes: BTreeMap<&str, &Arc<Lane>> =
            self.lanes().map(|lane| (lane.name(), lane)).collect();
        for lane in lanes.values() {
            if let Some(learned) = lane.last_news() {
                self.write_lessons(lane, &learned).await?;
            }
        }
        Ok(())
    }

    /// What a person does about answers of a model that are cut off at this cap.
    pub fn advice_on_cap(&self, parameters: &Parameters) -> Option<String> {
        let lane = self.chains.get(&parameters.model)?.lanes().next()?;
        Some(lane.advice_on_cap(parameters))
    }

    /// Why nothing can be had any more for a model that is asked for, if so.
    pub fn refusal(&self) -> Option<CallError> {
        self.chains.values().find_map(Chain::refusal)
    }

    /// Whether there are models, and nothing can be had for any of them.
    pub fn all_refused(&self) -> bool {
        !self.chains.is_empty() && self.chains.values().all(|chain| chain.refusal().is_some())
    }

    /// What the lanes are doing, each once.
    pub fn view(&self) -> Vec<LaneView> {
        let views: BTreeMap<&str, LaneView> = self
            .lanes()
            .map(|lane| (lane.name(), lane.view()))
            .collect();
        views.into_values().collect()
    }

    fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.chains.values().flat_map(Chain::lanes)
    }
}

/// Who answered, and how it was had.
fn provenance(lane: &Lane, obtained: &Obtained) -> Provenance {
    Provenance {
        provider: lane.provider().to_owned(),
        lane: lane.name().to_owned(),
        model: obtained.model.clone(),
        usage: obtained.usage,
        micros: obtained.micros,
        tries: obtained.tries,
        took: obtained.took,
    }
}

/// Whose turn it is to ask a question, as a coordinator says.
enum Permitted {
    /// Nobody's: it is answered.
    Answered(Answer),
    /// This machine's, with what is known of the first call.
    Ours(Option<First>),
}

/// A question that the coordinator lets this machine ask, or is asked to. Dropping it lets another one ask.
struct Asking<'a> {
    coordinator: &'a Arc<dyn Coordinator>,
    key: Digest,
    is_answered: bool,
}

impl Asking<'_> {
    fn answered(mut self, answer: &Answer, provenance: &Provenance) {
        self.is_answered = true;
        self.coordinator.answered(self.key, answer, provenance);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.coordinator.given_up(self.key);
        }
    }
}

impl Chain {
    /// All lanes.
    pub fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.pools.iter().flat_map(|pool| pool.lanes())
    }

    /// Why no lane of it can bring anything any more: what the first says.
    fn refusal(&self) -> Option<CallError> {
        let refusals: Option<Vec<CallError>> =
            self.pools.iter().map(|pool| pool.refusal()).collect();
        refusals?.into_iter().next()
    }
}

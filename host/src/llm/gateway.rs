//! The gateway: from a question to a durable answer. What is in the journal is not asked again; equal
//! questions of different tasks share one call; what comes back is on disk before anybody sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{CallError, GatewayError};
use super::lane::{Lane, LaneView, Observer};
use super::request::{Answer, CompletionRequest};
use crate::core::class::FailureClass;
use crate::core::digest::Digest;
use crate::core::key::Parameters;
use crate::store::{Begin, Provenance, Store};

/// All lanes, and the journal behind them.
pub struct Gateway {
    store: Store,
    lanes: BTreeMap<String, Arc<Lane>>,
    observer: Arc<dyn Observer>,
}

impl Gateway {
    /// A gateway over lanes by `provider/model`.
    pub fn new(
        store: Store,
        lanes: BTreeMap<String, Arc<Lane>>,
        observer: Arc<dyn Observer>,
    ) -> Gateway {
        Gateway {
            store,
            lanes,
            observer,
        }
    }

    /// The answer to a question, and its number in the journal.
    ///
    /// # Errors
    /// When the lane gave up, or the journal failed: nothing was answered then.
    pub async fn answer(
        &self,
        parameters: &Parameters,
        key: Digest,
        request: &CompletionRequest,
    ) -> Result<(i64, Answer), GatewayError> {
        loop {
            let claim = match self.store.begin(key)? {
                Begin::Have(id, answer) => {
                    self.observer.journaled();
                    return Ok((id, answer));
                }
                Begin::Wait(mut asker) => {
                    // Woken when the asker has recorded the answer or given up: look again.
                    let _ = asker.changed().await;
                    continue;
                }
                Begin::Go(claim) => claim,
            };
            let lane = self.lanes.get(&parameters.model).ok_or_else(|| {
                CallError::new(
                    FailureClass::NotFound,
                    format!("no lane leads to the model `{}`", parameters.model),
                )
            })?;
            let obtained = lane.obtain(parameters, request, key.seed()).await?;
            let provenance = Provenance {
                provider: lane.provider().to_owned(),
                model: obtained.model,
                usage: obtained.usage,
                tries: obtained.tries,
            };
            let id = self
                .store
                .record(claim, &obtained.answer, &provenance)
                .await?;
            return Ok((id, obtained.answer));
        }
    }

    /// Lets each lane that is down find out once whether it is back.
    pub fn probe(&self) {
        self.lanes.values().for_each(|lane| lane.probe());
    }

    /// Why a lane stopped for good, if one did.
    pub fn stopped(&self) -> Option<CallError> {
        self.lanes.values().find_map(|lane| lane.stopped())
    }

    /// Whether there are lanes and none of them can bring anything any more.
    pub fn all_stopped(&self) -> bool {
        !self.lanes.is_empty() && self.lanes.values().all(|lane| lane.stopped().is_some())
    }

    /// What the lanes are doing.
    pub fn view(&self) -> Vec<LaneView> {
        self.lanes.values().map(|lane| lane.view()).collect()
    }
}

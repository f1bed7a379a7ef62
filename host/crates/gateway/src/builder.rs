//! Puts a gateway together, one lane after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tokio::sync::watch;

use crate::budget::LaneBudget;
use crate::error::CallError;
use crate::gateway::{Chain, Gateway};
use crate::journal::Journal;
use crate::lane::{Lane, LaneSettings, Observer, Spent};
use crate::pool::Pool;
use crate::prices::Price;
use crate::provider::Provider;
use crate::settings::ModelConfig;

/// Stops nothing. A lane takes a sender that is gone for a stop, so this one lives as long as the program.
static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// A gateway that is being put together: see [`Gateway::builder`].
pub struct GatewayBuilder<J> {
    journal: J,
    budget: LaneBudget,
    observer: Arc<dyn Observer>,
    stop: watch::Receiver<bool>,
    chains: BTreeMap<String, Chain>,
}

impl<J: Journal> Gateway<J> {
    /// Puts a gateway together, with answers in this journal.
    pub fn builder(journal: J) -> GatewayBuilder<J> {
        GatewayBuilder::new(journal)
    }
}

impl<J: Journal> GatewayBuilder<J> {
    /// A gateway without lanes, which may spend what it likes.
    fn new(journal: J) -> Self {
        Self {
            journal,
            budget: LaneBudget::new(None, None, 1),
            observer: Arc::new(Nobody),
            stop: NEVER.subscribe(),
            chains: BTreeMap::new(),
        }
    }

    /// Limits what all lanes together may spend.
    #[must_use]
    pub fn budget(self, budget: LaneBudget) -> Self {
        Self { budget, ..self }
    }

    /// Tells an observer what happens.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Begins no call any more once `stop` is true. Calls that are under way are waited for.
    #[must_use]
    pub fn stopped_by(self, stop: watch::Receiver<bool>) -> Self {
        Self { stop, ..self }
    }

    /// Adds a lane for `model`, which is written as `provider/model`. Without a price, a budget counts its tokens only.
    /// A second lane for the same model answers where the first cannot: another key, or another address.
    #[must_use]
    pub fn lane(
        mut self,
        model: &str,
        provider: Arc<dyn Provider>,
        settings: LaneSettings,
        price: Option<Price>,
    ) -> Self {
        let lane = Lane::new(
            model,
            None,
            provider,
            settings,
            self.budget.priced(price),
            Arc::clone(&self.observer),
            self.stop.clone(),
        );
        let chain = self
            .chains
            .entry(model.to_owned())
            .or_insert_with(|| Chain {
                pools: Vec::new(),
                fall_back_on: ModelConfig::default().fallback_on,
            });
        let observer = Arc::clone(&self.observer);
        let pool = Pool::new(vec![Arc::new(lane)], observer);
        chain.pools.push(Arc::new(pool));
        self
    }

    /// The gateway.
    pub fn build(self) -> Gateway<J> {
        Gateway::new(self.journal, self.chains, self.observer)
    }
}

/// Watches nothing.
struct Nobody;

impl Observer for Nobody {
    fn call_ended(&self, _component: &str, _spent: Spent) {}
    fn try_failed(&self, _model: &str, _error: &CallError) {}
    fn journaled(&self) {}
    fn learned(&self, _model: &str, _what: &str) {}
    fn endpoint_changed(&self, _lane: &str, _what: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::MemoryJournal;
    use crate::providers::offline::{NAME, Offline};
    use types::key::Parameters;
    use types::request::CompletionRequest;

    #[tokio::test]
    async fn a_gateway_answers_and_asks_nothing_twice() {
        let budget = LaneBudget::new(None, None, 1);
        let gateway = Gateway::builder(MemoryJournal::default())
            .budget(budget.clone())
            .lane(NAME, Arc::new(Offline), LaneSettings::default(), None)
            .build();
        let parameters = Parameters {
            model: NAME.to_owned(),
            temperature: 0.6,
            max_output_tokens: 1_000,
            extra_body: None,
            reasoning: None,
        };
        let request = CompletionRequest::text("What is laser cleaning?");
        let first = gateway.ask(&parameters, &request).await.unwrap();
        let spent = budget.view();
        assert!(spent.tokens > 0);
        assert_eq!(gateway.ask(&parameters, &request).await.unwrap(), first);
        assert_eq!(budget.view(), spent);
    }
}

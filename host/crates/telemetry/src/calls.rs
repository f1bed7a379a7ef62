//! Calls of models in the metrics of OpenTelemetry's conventions for generative AI.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use gateway::error::CallError;
use gateway::lane::{Observer, Spent, Tried};

/// What these metrics count.
#[derive(Clone)]
pub(super) struct Calls {
    tokens: Histogram<u64>,
    duration: Histogram<f64>,
}

impl Calls {
    /// With the names, units and bounds of the conventions.
    pub fn new(meter: &Meter) -> Calls {
        let fourfold = (0..14).map(|power| f64::from(1_u32 << (2 * power)));
        let twofold = (0..14).map(|power| 0.01 * f64::from(1_u32 << power));
        Calls {
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Number of input and output tokens used")
                .with_boundaries(fourfold.collect())
                .build(),
            duration: meter
                .f64_histogram("gen_ai.client.operation.duration")
                .with_unit("s")
                .with_description("GenAI operation duration")
                .with_boundaries(twofold.collect())
                .build(),
        }
    }

    fn note(&self, tried: Tried<'_>) {
        let mut labels = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", tried.provider.to_owned()),
            KeyValue::new("gen_ai.request.model", tried.model.to_owned()),
        ];
        if let Some(model) = tried.answered_by {
            labels.push(KeyValue::new("gen_ai.response.model", model.to_owned()));
        }
        for (kind, tokens) in [
            ("input", tried.usage.input_tokens),
            ("output", tried.usage.output_tokens),
        ] {
            if tokens > 0 {
                labels.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(tokens, &labels);
                labels.pop();
            }
        }
        if let Some(class) = tried.failed {
            labels.push(KeyValue::new("error.type", class.as_str()));
        }
        if let Some(took) = tried.took {
            self.duration.record(took.as_secs_f64(), &labels);
        }
    }
}

/// An observer whose calls are measured.
pub(super) struct Measured {
    pub observer: Arc<dyn Observer>,
    pub calls: Option<Calls>,
    pub with_texts: bool,
}

impl Observer for Measured {
    fn call_ended(&self, component: &str, spent: Spent) {
        self.observer.call_ended(component, spent);
    }

    fn try_failed(&self, model: &str, error: &CallError) {
        self.observer.try_failed(model, error);
    }

    fn journaled(&self) {
        self.observer.journaled();
    }

    fn learned(&self, model: &str, what: &str) {
        self.observer.learned(model, what);
    }

    fn endpoint_changed(&self, lane: &str, what: &str) {
        self.observer.endpoint_changed(lane, what);
    }

    fn tried(&self, tried: Tried<'_>) {
        if let Some(calls) = &self.calls {
            calls.note(tried);
        }
        self.observer.tried(tried);
    }

    fn wants_texts(&self) -> bool {
        self.with_texts || self.observer.wants_texts()
    }
}

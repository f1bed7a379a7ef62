//! The metrics of the page as OpenTelemetry has them: the same numbers, read when they are to be sent.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::carrier::Counts;
use watch::{Kind, Metric, Readings};

/// The run whose metrics are sent.
pub(super) type Current = Arc<RwLock<Option<Readings>>>;

pub(super) fn write(current: &Current) -> RwLockWriteGuard<'_, Option<Readings>> {
    current.write().unwrap_or_else(PoisonError::into_inner)
}

/// Has each of these metrics sent, with the values that it has then.
pub(super) fn register(meter: &Meter, metrics: &[Metric], current: &Current) {
    for metric in metrics {
        let (name, unit) = named(metric.name);
        let current = Arc::clone(current);
        let own = metric.name;
        let observe = move |instrument: &dyn AsyncInstrument<f64>| {
            let readings = current.read().unwrap_or_else(PoisonError::into_inner);
            let metrics = readings.as_ref().map(Readings::metrics);
            let metrics = metrics.into_iter().flatten();
            for row in metrics
                .filter(|metric| metric.name == own)
                .flat_map(|metric| metric.rows)
            {
                let labels = row.labels.into_iter();
                let labels: Vec<KeyValue> = labels
                    .map(|(label, value)| KeyValue::new(label, value))
                    .collect();
                instrument.observe(row.value, &labels);
            }
        };
        match metric.kind {
            Kind::Gauge => {
                let gauge = meter.f64_observable_gauge(name);
                let gauge = gauge.with_unit(unit).with_description(metric.help);
                gauge.with_callback(observe).build();
            }
            Kind::Counter => {
                let counter = meter.f64_observable_counter(name);
                let counter = counter.with_unit(unit).with_description(metric.help);
                counter.with_callback(observe).build();
            }
        }
    }
}

/// Name and unit of a metric of Prometheus. Prometheus makes the one of the other again.
fn named(name: &str) -> (String, &'static str) {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (name, unit) = match name {
        name if name.ends_with("_seconds") => (name.trim_end_matches("_seconds"), "s"),
        name if name.ends_with("_bytes") => (name.trim_end_matches("_bytes"), "By"),
        name => (name, ""),
    };
    (format!("batchgen.{name}"), unit)
}

/// Counts metrics that are sent, and those that arrive.
pub(super) struct Counted<E> {
    exporter: E,
    counts: Arc<Counts>,
}

impl<E> Counted<E> {
    pub fn new(exporter: E, counts: Arc<Counts>) -> Counted<E> {
        Counted { exporter, counts }
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.counts.add_metrics();
        self.exporter.export(metrics).await?;
        self.counts.metrics_arrived();
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

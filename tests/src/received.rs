//! What a collector was sent, as spans and metrics.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::collector::Collector;

/// A name with its value, as words.
pub type Attributes = BTreeMap<String, String>;

/// Attributes as words.
pub fn words(attributes: &[KeyValue]) -> Attributes {
    fn said(value: &Value) -> String {
        match value {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => number.to_string(),
            Value::BoolValue(is_so) => is_so.to_string(),
            Value::ArrayValue(list) => {
                let values = list.values.iter().filter_map(|value| value.value.as_ref());
                format!("{:?}", values.map(said).collect::<Vec<String>>())
            }
            other => panic!("{other:?}"),
        }
    }
    let of = |attribute: &KeyValue| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        Some((attribute.key.clone(), said(value)))
    };
    attributes.iter().filter_map(of).collect()
}

/// All spans that a collector was sent, and who sent them.
pub fn spans(collector: &Collector) -> (Vec<Span>, Attributes) {
    let mut spans = Vec::new();
    let mut sender = Attributes::new();
    for sent in collector.sent("/v1/traces") {
        let request = ExportTraceServiceRequest::decode(&sent.body[..]).unwrap();
        for group in request.resource_spans {
            sender = words(&group.resource.unwrap().attributes);
            let scopes = group.scope_spans.into_iter();
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
    }
    (spans, sender)
}

/// The metrics that it was sent last, by their names.
pub fn metrics(collector: &Collector) -> BTreeMap<String, Metric> {
    let sent = collector.sent("/v1/metrics");
    let last = sent.last().expect("metrics");
    let request = ExportMetricsServiceRequest::decode(&last.body[..]).unwrap();
    let groups = request.resource_metrics.into_iter();
    let scopes = groups.flat_map(|group| group.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    metrics
        .map(|metric| (metric.name.clone(), metric))
        .collect()
}

/// The values of a metric whose attributes have this one.
pub fn value(metrics: &BTreeMap<String, Metric>, name: &str, label: (&str, &str)) -> f64 {
    let points = match metrics[name].data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => {
            assert!(sum.is_monotonic, "{name}");
            &sum.data_points
        }
        other => panic!("{other:?}"),
    };
    let has_it = |attributes: &[KeyValue]| {
        let attributes = words(attributes);
        label.0.is_empty()
            || attributes
                .get(label.0)
                .is_some_and(|value| value == label.1)
    };
    let values = points.iter().filter(|point| has_it(&point.attributes));
    values
        .map(|point| match point.value.unwrap() {
            number_data_point::Value::AsDouble(value) => value,
            number_data_point::Value::AsInt(value) => value as f64,
        })
        .sum()
}

/// Sum and number of what a histogram counted.
pub fn histogram(
    metrics: &BTreeMap<String, Metric>,
    name: &str,
    label: (&str, &str),
) -> (f64, u64) {
    let Data::Histogram(histogram) = metrics[name].data.as_ref().unwrap() else {
        panic!("{name} is no histogram");
    };
    let has_it = |attributes: &[KeyValue]| {
        words(attributes)
            .get(label.0)
            .is_some_and(|value| value == label.1)
    };
    let points = histogram.data_points.iter();
    let points = points.filter(|point| has_it(&point.attributes));
    points.fold((0.0, 0), |(sum, count), point| {
        (sum + point.sum.unwrap(), count + point.count)
    })
}

/// The spans of this name, or of a name that begins so and has another word.
pub fn named<'a>(spans: &'a [Span], name: &str) -> Vec<(&'a Span, Attributes)> {
    let is_it = |span: &&Span| {
        let rest = span.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let spans = spans.iter().filter(is_it);
    spans.map(|span| (span, words(&span.attributes))).collect()
}

/// An identity as it is written.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Spans and metrics of a run for a collector, by OTLP over HTTP, where the environment names one.
//!
//! A run never waits for it: spans go into a bounded queue, and what does not fit is dropped and counted. Nothing that the
//! collector does or fails to do reaches the run. Its settings are the `OTEL_*` variables of OpenTelemetry, most of which its
//! SDK reads itself.

mod address;
mod calls;
mod carrier;
mod parent;
mod readings;
mod spans;

use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};
use tokio::runtime::Runtime;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use address::Address;
use calls::Calls;
use carrier::{Carrier, Counts};
use gateway::lane::Observer;
use spans::{Counted, Counting, Session};
use watch::Readings;

/// What was gathered is sent within this time at the end, or not at all.
const FLUSH: Duration = Duration::from_secs(5);
/// Spans that wait to be sent, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise: components that ask nothing end by thousands in
/// a second.
const QUEUE: usize = 16_384;
/// Spans that are sent. Libraries have some, too.
const SPANS: [&str; 6] = ["run", "work", "batch", "task", "execution", "chat"];
/// What its spans and metrics are said to be of.
const SCOPE: &str = "batchgen";

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// An address is none.
    #[error("{variable} is no address: {cause}")]
    Address {
        /// The variable that gives it.
        variable: String,
        cause: String,
    },
    /// Another protocol than the one that is spoken.
    #[error("{variable} asks for the protocol `{protocol}`, and only http/protobuf is spoken")]
    Protocol { variable: String, protocol: String },
    /// The system, or a header, or TLS.
    #[error("{0}")]
    Setup(String),
}

impl From<ExporterBuildError> for TelemetryError {
    fn from(error: ExporterBuildError) -> Self {
        TelemetryError::Setup(error.to_string())
    }
}

/// A variable of the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Who sends.
#[derive(Clone, Debug)]
pub struct Identity {
    pub version: String,
    /// Different for each process.
    pub instance: String,
}

/// Spans and metrics on their way to a collector.
pub struct Telemetry {
    /// What performs exchanges with the collector.
    _runtime: Runtime,
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
    session: Session,
    readings: Arc<RwLock<Option<Readings>>>,
    calls: Option<Calls>,
    counts: Arc<Counts>,
    with_texts: bool,
}

/// What did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Spans that did not arrive, of all.
    pub spans: (u64, u64),
    /// Times that metrics did not arrive.
    pub metrics: u64,
    /// What went wrong first; nothing where there were only more spans than could be sent.
    pub cause: Option<String>,
}

impl Telemetry {
    /// Begins to send, if the environment names a collector.
    ///
    /// # Errors
    /// When it names one in a way that cannot be used.
    pub fn start(
        variables: Variables<'_>,
        identity: &Identity,
    ) -> Result<Option<Telemetry>, TelemetryError> {
        let traces = Address::of("TRACES", variables)?;
        let metrics = Address::of("METRICS", variables)?;
        if is_true(variables, "OTEL_SDK_DISABLED") || (traces.is_none() && metrics.is_none()) {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(|error| TelemetryError::Setup(error.to_string()))?;
        let counts = Arc::new(Counts::default());
        let session = Session::default();
        let carry = |address: &Address| {
            Carrier::new(address, runtime.handle().clone(), Arc::clone(&counts))
        };
        let resource = resource(identity);
        let tracer = match &traces {
            None => None,
            Some(address) => {
                let exporter = SpanExporter::builder()
                    .with_http()
                    .with_http_client(carry(address)?)
                    .with_endpoint(address.url.as_str())
                    .build()?;
                Some(tracer(exporter, &resource, (&counts, &session), variables))
            }
        };
        let meter = match &metrics {
            None => None,
            Some(address) => {
                let exporter = MetricExporter::builder()
                    .with_http()
                    .with_http_client(carry(address)?)
                    .with_endpoint(address.url.as_str())
                    .build()?;
                let exporter = readings::Counted::new(exporter, Arc::clone(&counts));
                let provider = SdkMeterProvider::builder()
                    .with_reader(PeriodicReader::builder(exporter).build())
                    .with_resource(resource);
                Some(provider.build())
            }
        };
        let content = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        Ok(Some(Telemetry {
            calls: meter.as_ref().map(|meter| Calls::new(&meter.meter(SCOPE))),
            with_texts: tracer.is_some() && is_true(variables, content),
            session,
            readings: Arc::default(),
            _runtime: runtime,
            tracer,
            meter,
            counts,
        }))
    }

    /// What takes up spans; nothing where no spans are sent.
    pub fn layer<S>(&self) -> Option<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer: SdkTracer = self.tracer.as_ref()?.tracer(SCOPE);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let is_ours =
            |metadata: &Metadata<'_>| metadata.is_span() && SPANS.contains(&metadata.name());
        let filter = FilterExt::and(filter_fn(is_ours), LevelFilter::DEBUG);
        Some(
            layer
                .with_filter::<Box<dyn Filter<S> + Send + Sync>>(Box::new(filter))
                .boxed(),
        )
    }

    /// A run begins, or a worker's part in one, with this span: the spans that begin from now on are of it. A part belongs to the
    /// run whose `trace` it was given. What workers of this run are to be given; nothing where no spans are sent.
    pub fn begin(&self, span: &Span, trace: Option<&str>) -> Option<String> {
        self.tracer.as_ref()?;
        if let Some(run) = trace.and_then(parent::read) {
            // A span that has begun keeps the trace that it has.
            let _ = span.set_parent(Context::new().with_remote_span_context(run));
        }
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        // The span of the next run of a process is not of the last one.
        *session = None;
        drop(session);
        let context = span.context();
        let own: SpanContext = context.span().span_context().clone();
        let run: Arc<str> = own.trace_id().to_string().into();
        let attribute = spans::of_session(Arc::clone(&run));
        span.set_attribute(attribute.key, attribute.value);
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        *session = Some(run);
        Some(parent::written(&own))
    }

    /// The same observer, with which calls are measured, too.
    pub fn observing(&self, observer: Arc<dyn Observer>) -> Arc<dyn Observer> {
        Arc::new(calls::Measured {
            observer,
            calls: self.calls.clone(),
            with_texts: self.with_texts,
        })
    }

    /// Sends the metrics of this run from now on.
    pub fn measure(&self, run: Readings) {
        let Some(meter) = &self.meter else {
            return;
        };
        let first = run.metrics();
        let is_begun = {
            let mut readings = readings::write(&self.readings);
            readings.replace(run).is_some()
        };
        // One process may perform several runs after each other.
        if !is_begun {
            readings::register(&meter.meter(SCOPE), &first, &self.readings);
        }
    }

    /// Sends what there still is, as far as a short time lets it, and nothing afterwards. Tells what did not arrive.
    pub fn finish(&self) -> Option<Lost> {
        self.counts.close();
        thread::scope(|scope| {
            if let Some(tracer) = &self.tracer {
                scope.spawn(|| self.note(&tracer.shutdown_with_timeout(FLUSH)));
            }
            if let Some(meter) = &self.meter {
                scope.spawn(|| self.note(&meter.shutdown_with_timeout(FLUSH)));
            }
        });
        self.counts.lost()
    }

    fn note(&self, end: &OTelSdkResult) {
        // What was refused has a cause already.
        if end.is_err() {
            let seconds = FLUSH.as_secs();
            self.counts
                .failed(format!("it took longer than {seconds} s to send the rest"));
        }
    }
}

fn tracer(
    exporter: SpanExporter,
    resource: &Resource,
    (counts, session): (&Arc<Counts>, &Session),
    variables: Variables<'_>,
) -> SdkTracerProvider {
    let settings = BatchConfigBuilder::default();
    let settings = match set(variables, "OTEL_BSP_MAX_QUEUE_SIZE") {
        Some(_) => settings,
        None => settings.with_max_queue_size(QUEUE),
    };
    let exporter = Counted::new(exporter, Arc::clone(counts));
    let batches = BatchSpanProcessor::new(exporter, settings.build());
    SdkTracerProvider::builder()
        .with_span_processor(Counting::new(
            batches,
            Arc::clone(counts),
            Arc::clone(session),
        ))
        .with_resource(resource.clone())
        .build()
}

/// Who sends, unless the environment says more.
fn resource(identity: &Identity) -> Resource {
    let told = Resource::builder().build();
    let is_told = |name: &'static str| {
        let value = told.get(&name.into()).map(|value| value.to_string());
        value.is_some_and(|value| !value.starts_with("unknown_service"))
    };
    let own = [
        ("service.name", SCOPE),
        ("service.version", &identity.version),
        ("service.instance.id", &identity.instance),
    ];
    let own = own
        .into_iter()
        .filter(|(name, _)| !is_told(name))
        .map(|(name, value)| KeyValue::new(name, value.to_owned()));
    Resource::builder().with_attributes(own).build()
}

/// A variable that says something.
fn set(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).filter(|value| !value.trim().is_empty())
}

fn is_true(variables: Variables<'_>, name: &str) -> bool {
    set(variables, name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

//! Lines of the log. What they tell comes from outside as often as not, so they pass the filter.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::secrets::hidden;
use types::shown::harmless;

/// How a line is written: time, level, message and fields. A message of several lines is indented, so that no text in it looks
/// like a line of its own.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        let format = Format::default().with_target(false);
        format.format_event(context, Writer::new(&mut text), event)?;
        let lines = harmless(&hidden(text.trim_end())).replace('\n', "\n    ");
        writeln!(writer, "{lines}")
    }
}

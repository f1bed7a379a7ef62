//! Where spans or metrics go, as OpenTelemetry's variables say it.

use std::time::Duration;

use url::Url;

use super::{TelemetryError, Variables, set};

/// How long the collector may take for an answer, unless it is told.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How each of these variables begins.
const BEGIN: &str = "OTEL_EXPORTER_OTLP_";
/// The protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// Where spans or metrics go.
#[derive(Debug)]
pub(super) struct Address {
    pub url: Url,
    /// How long one exchange may take.
    pub timeout: Duration,
}

impl Address {
    /// Where `TRACES` or `METRICS` go, if anywhere.
    pub fn of(signal: &str, variables: Variables<'_>) -> Result<Option<Address>, TelemetryError> {
        let none = set(variables, &format!("OTEL_{signal}_EXPORTER"));
        if none.is_some_and(|exporter| exporter.trim() == "none") {
            return Ok(None);
        }
        // What is said of one of them alone goes first.
        let own = |name: &str| {
            let names = [format!("{BEGIN}{signal}_{name}"), format!("{BEGIN}{name}")];
            let mut names = names.into_iter();
            names.find_map(|name| set(variables, &name).map(|value| (name, value)))
        };
        let Some((variable, value)) = own("ENDPOINT") else {
            return Ok(None);
        };
        let no_address = |cause: String| TelemetryError::Address {
            variable: variable.clone(),
            cause,
        };
        let is_whole = variable != format!("{BEGIN}ENDPOINT");
        let value = value.trim();
        let text = match is_whole {
            true => value.to_owned(),
            false => format!(
                "{}/v1/{}",
                value.trim_end_matches('/'),
                signal.to_ascii_lowercase()
            ),
        };
        let url = Url::parse(&text).map_err(|error| no_address(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
            return Err(no_address("it begins with http:// or https://".to_owned()));
        }
        if let Some((variable, protocol)) = own("PROTOCOL").filter(|(_, said)| said != PROTOCOL) {
            return Err(TelemetryError::Protocol { variable, protocol });
        }
        let milliseconds = own("TIMEOUT").and_then(|(_, value)| value.trim().parse().ok());
        Ok(Some(Address {
            url,
            timeout: milliseconds.map_or(TIMEOUT, Duration::from_millis),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(signal: &str, told: &[(&str, &str)]) -> Result<Option<String>, TelemetryError> {
        let variables = |name: &str| {
            let mut found = told.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        Ok(Address::of(signal, &variables)?.map(|address| address.url.to_string()))
    }

    #[test]
    fn one_address_serves_both_and_one_of_their_own_is_taken_as_it_is() {
        let both = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example/base/");
        let traces = (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://localhost:9/in",
        );
        let of = |signal, told: &[(&str, &str)]| address(signal, told).unwrap();
        let whole = |text: &str| Some(text.to_owned());
        assert_eq!(
            of("TRACES", &[both]),
            whole("https://otel.example/base/v1/traces")
        );
        assert_eq!(
            of("METRICS", &[both]),
            whole("https://otel.example/base/v1/metrics")
        );
        assert_eq!(
            of("TRACES", &[both, traces]),
            whole("http://localhost:9/in")
        );
        assert_eq!(of("METRICS", &[traces]), None);
        assert_eq!(of("TRACES", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(
            of("TRACES", &[both, ("OTEL_TRACES_EXPORTER", "none")]),
            None
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_variable() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "//collector"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ] {
            let told = [(name, value), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")];
            let error = address("TRACES", &told).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}

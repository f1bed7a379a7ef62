//! Secrets of the environment are hidden in every line that the program prints. The crates keep keys out of what they say; a server or a
//! library may still repeat one, and this stands behind all of them.

use std::borrow::Cow;
use std::env;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{environment, registries};
use gateway::providers;

/// Variables that hold a secret, beside the keys of providers.
const NAMES: [&str; 7] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "BATCHGEN_CLUSTER_NKEY",
    "BATCHGEN_CLUSTER_PASSWORD",
    "BATCHGEN_CLUSTER_TOKEN",
    "HF_TOKEN",
    "PGPASSWORD",
];
/// Variables with headers for a collector: `NAME=VALUE`, with commas between.
const HEADERS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
];
/// What is shorter is a placeholder, and occurs in plain words.
const SHORTEST: usize = 8;
/// What stands in its place.
const HIDDEN: &str = "[key]";

static SECRETS: OnceLock<Vec<String>> = OnceLock::new();

/// Looks up the secrets, once the environment is complete.
pub(super) fn look_up() {
    let variable = |name: &&str| env::var(*name).ok();
    let presets = providers::names().filter_map(providers::preset);
    let presets: Vec<&str> = presets
        .flat_map(|preset| preset.keys.iter().copied())
        .collect();
    let mut found: Vec<String> = NAMES.iter().chain(&presets).filter_map(variable).collect();
    found.extend(environment::keys());
    for headers in HEADERS.iter().filter_map(variable) {
        let values = headers
            .split(',')
            .filter_map(|header| header.split_once('='));
        found.extend(values.map(|(_, value)| value.trim().to_owned()));
    }
    let logins = variable(&registries::LOGINS).unwrap_or_default();
    logins_in(
        &serde_json::from_str(&logins).unwrap_or_default(),
        &mut found,
    );
    let _ = SECRETS.set(needles(found));
}

/// The text without a secret of the environment.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    without(text, SECRETS.get().map_or(&[], Vec::as_slice))
}

fn without<'a>(text: &'a str, secrets: &[String]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), HIDDEN));
        }
    }
    text
}

/// Secrets as they may stand in a text, the longest first: one may be a part of another.
fn needles(secrets: Vec<String>) -> Vec<String> {
    let lines = secrets.iter().flat_map(|secret| secret.lines());
    let lines = lines.map(str::trim).filter(|line| line.len() >= SHORTEST);
    let mut needles: Vec<String> = Vec::new();
    for line in lines {
        let in_json = Value::from(line).to_string();
        needles.push(in_json.trim_matches('"').to_owned());
        needles.push(line.to_owned());
    }
    needles.sort_by_key(|needle| (std::cmp::Reverse(needle.len()), needle.clone()));
    needles.dedup();
    needles
}

/// Passwords and tokens in docker's `config.json`, also as they go over the wire.
fn logins_in(value: &Value, found: &mut Vec<String>) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members {
        match value.as_str() {
            Some(secret)
                if ["auth", "password", "identitytoken", "registrytoken"]
                    .contains(&name.as_str()) =>
            {
                let decoded = BASE64_STANDARD.decode(secret).unwrap_or_default();
                let decoded = String::from_utf8(decoded).unwrap_or_default();
                let password = decoded
                    .split_once(':')
                    .map(|(_, password)| password.to_owned());
                found.extend(password.filter(|_| name == "auth"));
                found.push(secret.to_owned());
            }
            _ => logins_in(value, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_as_it_is_and_as_json_has_it() {
        let secrets = needles(vec![
            "a \"secret\" of mine".to_owned(),
            "a \"secret\" of mine, too".to_owned(),
            "short".to_owned(),
            " first line\nsecond line ".to_owned(),
        ]);
        for (text, expected) in [
            ("it is a \"secret\" of mine.", "it is [key]."),
            ("it is a \"secret\" of mine, too.", "it is [key]."),
            (
                r#"{"said": "a \"secret\" of mine"}"#,
                r#"{"said": "[key]"}"#,
            ),
            ("the first line, and second line", "the [key], and [key]"),
            ("short words stay", "short words stay"),
        ] {
            assert_eq!(without(text, &secrets), expected);
        }
    }

    #[test]
    fn logins_are_found_as_docker_keeps_them() {
        let mut found = Vec::new();
        let auth = BASE64_STANDARD.encode("me:my-password");
        let config = serde_json::json!({"auths": {"ghcr.io": {"auth": auth}, "b": {"identitytoken": "my-token"}}});
        logins_in(&config, &mut found);
        found.sort();
        assert_eq!(
            found,
            [auth, "my-password".to_owned(), "my-token".to_owned()]
        );
    }
}

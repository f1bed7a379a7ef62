//! The gate of a component, from the configuration: who judges its files, and what becomes of those that are not good enough.

use serde::{Deserialize, Serialize};

use super::Component;
use crate::{ComponentConfig, Config, ConfigError};
use plan::gate::{Gate, Otherwise};
use plugin::manifest::Manifest;
use quality::{EaseRule, LEAST_SIMILARITY, Language, Rules};
use types::digest::Digest;
use types::suggest::closest;

/// How often a file is asked for anew where nothing is said.
const RETRIES: u32 = 2;
/// The most that may be said: each costs as much as the file and its judgement.
const MOST_RETRIES: u32 = 10;

/// What a file must be that no model has to judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRules {
    required_words: Vec<String>,
    forbidden_words: Vec<String>,
    min_words: Option<u64>,
    max_words: Option<u64>,
    reading_ease: Option<f64>,
    links: bool,
    /// Absent where nothing is asked, so that rules from before it was known keep their hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_similarity: Option<f64>,
    /// Locale that the file is written for.
    locale: String,
}

impl GateRules {
    /// Their hash.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Whether they depend on other files than the one that they are about.
    pub fn look_around(&self) -> bool {
        self.links
    }

    /// The greatest share of its word groups that a file may have in common with another file of its component.
    pub fn max_similarity(&self) -> Option<f64> {
        self.max_similarity
    }

    /// As texts are held against them.
    pub fn as_rules(&self) -> Rules {
        let ease = |least| {
            Language::of_locale(&self.locale).map(|language| EaseRule {
                language,
                at_least: Some(least),
                at_most: None,
            })
        };
        Rules {
            required: self.required_words.clone(),
            forbidden: self.forbidden_words.clone(),
            min_words: self.min_words,
            max_words: self.max_words,
            reading_ease: self.reading_ease.and_then(ease),
            links: self.links,
        }
    }
}

/// The gate that the configuration gives a component, and its rules.
pub(super) fn gate(
    name: &str,
    settings: &ComponentConfig,
    config: &Config,
) -> Result<(Option<Gate>, Option<GateRules>), ConfigError> {
    let Some(gate) = &settings.gate else {
        return Ok((None, None));
    };
    let variant = settings.variant.as_ref();
    let locale = variant.and_then(|variant| variant.locale());
    let rules = GateRules {
        required_words: gate.required_words.clone(),
        forbidden_words: gate.forbidden_words.clone(),
        min_words: gate.min_words,
        max_words: gate.max_words,
        reading_ease: gate.reading_ease,
        links: gate.links,
        max_similarity: gate.max_similarity,
        locale: locale.unwrap_or(&config.site.locale).to_owned(),
    };
    let asks = rules.as_rules() != Rules::default()
        || gate.reading_ease.is_some()
        || gate.max_similarity.is_some();
    let rules = asks.then_some(rules);
    let fault = |key: &str, cause: &str, hint: &str| {
        Err(ConfigError::Value {
            key: format!("component.{name}.gate{key}"),
            cause: cause.to_owned(),
            hint: hint.to_owned(),
        })
    };
    if gate.judge.is_none() && rules.is_none() {
        return fault(
            "",
            "it asks for nothing",
            "name a component that judges, as in `judge = \"quality\"`, or give a rule, as in `min-words = 80`",
        );
    }
    if gate.judge.is_none() && gate.at_least.is_some() {
        return fault(
            ".at-least",
            "nobody gives a score",
            "name a `judge`, or remove it",
        );
    }
    if gate
        .min_words
        .zip(gate.max_words)
        .is_some_and(|(min, max)| min > max)
    {
        return fault(
            ".min-words",
            "it is more than `max-words`",
            "no text has as many words",
        );
    }
    if let Some(rules) = rules.as_ref().filter(|_| gate.reading_ease.is_some())
        && Language::of_locale(&rules.locale).is_none()
    {
        let known: Vec<&str> = Language::codes().collect();
        return fault(
            ".reading-ease",
            &format!("there is no formula for the locale `{}`", rules.locale),
            &format!("the languages are: {}", known.join(", ")),
        );
    }
    let is_measured = |share: &f64| (LEAST_SIMILARITY..1.0).contains(share);
    if gate.max_similarity.is_some_and(|most| !is_measured(&most)) {
        return fault(
            ".max-similarity",
            "it is out of range",
            "write a share from 0.6 to 0.99: files that have less in common are not found for certain",
        );
    }
    if gate.at_least.is_some_and(|least| !least.is_finite()) {
        return fault(".at-least", "it is no number", "write a score, as in 4");
    }
    if gate.retries.is_some() && gate.otherwise != Otherwise::Again {
        return fault(
            ".retries",
            "nothing is asked for anew",
            "write `otherwise = \"again\"`, or remove it",
        );
    }
    let retries = gate.retries.unwrap_or(RETRIES);
    if retries == 0 || retries > MOST_RETRIES {
        return fault(
            ".retries",
            "it is out of range",
            "write a number from 1 to 10, or `otherwise = \"hold\"`",
        );
    }
    let judge = gate.judge.as_ref();
    let judge = judge
        .map(|judge| judge_of(name, judge, config))
        .transpose()?;
    let gate = Gate {
        judge,
        at_least: gate.at_least,
        otherwise: gate.otherwise,
        retries,
        rules: rules.as_ref().map(GateRules::digest),
    };
    Ok((Some(gate), rules))
}

/// The component that is meant: where there is one for each value of something, the one that judges this one.
fn judge_of(name: &str, judge: &str, config: &Config) -> Result<String, ConfigError> {
    let found = config.upstream(name, judge);
    found.map_err(|error| match error {
        ConfigError::Value { cause, hint, .. } => ConfigError::Value {
            key: format!("component.{name}.gate.judge"),
            cause,
            hint,
        },
        error => error,
    })
}

/// The component on whose files a component gives verdicts, if its plugin does that.
pub(super) fn judged(
    name: &str,
    manifest: &Manifest,
    depends_on: &[String],
) -> Result<Option<String>, ConfigError> {
    if !manifest.output.verdict {
        return Ok(None);
    }
    match depends_on {
        [judged] => Ok(Some(judged.clone())),
        _ => Err(ConfigError::Value {
            key: format!("component.{name}.depends-on"),
            cause: format!(
                "it judges the files of one component, and depends on {}",
                depends_on.len()
            ),
            hint: "name the one that it judges, as in `depends-on = [\"text\"]`".to_owned(),
        }),
    }
}

/// Checks that each judge of a gate is there and judges what stands behind the gate.
pub(super) fn check(components: &[Component], config: &Config) -> Result<(), ConfigError> {
    for component in components {
        let judge = component.gate.as_ref().and_then(|gate| gate.judge.as_ref());
        let Some(judge) = judge else { continue };
        let fault = |cause: String, hint: String| {
            Err(ConfigError::Value {
                key: format!("component.{}.gate.judge", component.name),
                cause,
                hint,
            })
        };
        let judges = || {
            let judging = components.iter().filter(|other| other.judges.is_some());
            judging.map(|other| other.name.as_str())
        };
        let Some(found) = components.iter().find(|other| other.name == *judge) else {
            // Its plugin cannot be used, which is told where it is named.
            if config.component.contains_key(judge) {
                continue;
            }
            let hint = match closest(judge, judges()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "write [component.{judge}] with `plugin = \"judge\"` and `depends-on = [\"{}\"]`",
                    component.name
                ),
            };
            return fault(format!("there is no component `{judge}`"), hint);
        };
        match &found.judges {
            Some(judged) if *judged == component.name => {}
            Some(judged) => {
                return fault(
                    format!("`{judge}` judges `{judged}`"),
                    format!("name one that judges `{}`", component.name),
                );
            }
            None => {
                return fault(
                    format!("`{judge}` gives no verdicts"),
                    "name a component whose plugin does, such as `judge`".to_owned(),
                );
            }
        }
    }
    Ok(())
}

//! What a lane is doing, for people and programs: how far its limits are used, what is waited for until when, and
//! whether its provider is up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the next call waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// In words.
    pub reason: String,
    /// What a person can do about it, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How long it will last, where that is known.
    #[serde(with = "seconds", rename = "left_seconds")]
    pub left: Option<Duration>,
}

/// What a lane is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// `provider/model`.
    pub model: String,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Requests that may be under way at once; `u64::MAX` where that is not limited.
    #[serde(with = "unlimited")]
    pub allowed: u64,
    /// Requests that wait for their turn.
    pub waiting: u64,
    /// What the next one waits for.
    pub wait: Option<Wait>,
    /// Requests that failed and are tried again later.
    pub backing_off: u64,
    /// When the first of them is.
    #[serde(with = "seconds", rename = "next_try_seconds")]
    pub next_try: Option<Duration>,
    /// Used amount, limit, and what it is in words, for each limit.
    #[serde(with = "uses")]
    pub limits: Vec<(u64, u64, String)>,
    /// Whether calls pass.
    pub breaker: BreakerView,
    /// Why nothing can be had, if so.
    pub down: Option<String>,
    /// What has held its calls up for the longest time.
    #[serde(default)]
    pub held: Option<Held>,
}

/// What has held calls of a lane up for the longest time in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// In words.
    pub reason: String,
    /// How long in all.
    #[serde(with = "span")]
    pub seconds: Duration,
    /// The key of the configuration that sets it, where a person set it.
    pub setting: Option<String>,
}

/// Whether calls pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerView {
    /// They do.
    #[default]
    Closed,
    /// None does, until one finds out.
    Open,
    /// One is finding out for all.
    HalfOpen,
    /// None will any more: key, quota or model.
    Stopped,
}

impl BreakerView {
    /// The name on screen and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerView::Closed => "closed",
            BreakerView::Open => "open",
            BreakerView::HalfOpen => "half-open",
            BreakerView::Stopped => "stopped",
        }
    }
}

/// How long nothing more starts on the lane that is held up longest.
pub fn longest_wait(lanes: &[LaneView]) -> Duration {
    let waits = lanes
        .iter()
        .filter(|lane| lane.waiting > 0)
        .filter_map(|lane| lane.wait.as_ref()?.left);
    waits.max().unwrap_or_default()
}

impl LaneView {
    /// How far the limit is used that is used most, in percent. Requests at once count where nothing else is limited.
    pub fn used_percent(&self) -> f64 {
        let percent = |used: u64, most: u64| used as f64 * 100.0 / most.max(1) as f64;
        let limits = self.limits.iter();
        let most = limits
            .map(|(used, most, _)| percent(*used, *most))
            .reduce(f64::max);
        match most {
            Some(most) => most,
            None if self.allowed < u64::MAX => percent(self.in_flight, self.allowed),
            None => 0.0,
        }
    }
}

/// A number without a limit is no number in JSON.
mod unlimited {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        (*number < u64::MAX).then_some(*number).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(u64::MAX))
    }
}

/// Spans as seconds.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs_f64()).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds: Option<f64> = Option::deserialize(from)?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
    }
}

/// A span in seconds.
mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        span.as_secs_f64().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }
}

/// Limits as objects with names.
mod uses {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Use {
        limit: String,
        used: u64,
        most: u64,
    }

    pub fn serialize<S: Serializer>(uses: &[(u64, u64, String)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(uses.iter().map(|(used, most, limit)| Use {
            limit: limit.clone(),
            used: *used,
            most: *most,
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(u64, u64, String)>, D::Error> {
        let uses: Vec<Use> = Vec::deserialize(from)?;
        let parts = |used: Use| (used.used, used.most, used.limit);
        Ok(uses.into_iter().map(parts).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_names_what_it_says_and_is_read_back() {
        let lane = LaneView {
            model: "openai/gpt-4o-mini".to_owned(),
            in_flight: 8,
            allowed: u64::MAX,
            waiting: 40,
            wait: Some(Wait {
                reason: "room within 30 requests per minute".to_owned(),
                advice: None,
                left: Some(Duration::from_millis(12_500)),
            }),
            backing_off: 2,
            next_try: Some(Duration::from_secs(1)),
            limits: vec![(30, 60, "requests/minute".to_owned())],
            breaker: BreakerView::HalfOpen,
            down: Some("down: refused".to_owned()),
            held: Some(Held {
                reason: "one of 8 calls at once".to_owned(),
                seconds: Duration::from_millis(1500),
                setting: Some("concurrency".to_owned()),
            }),
        };
        let json = serde_json::to_string(&lane).unwrap();
        insta::assert_snapshot!(json, @r#"{"model":"openai/gpt-4o-mini","in_flight":8,"allowed":null,"waiting":40,"wait":{"reason":"room within 30 requests per minute","left_seconds":12.5},"backing_off":2,"next_try_seconds":1.0,"limits":[{"limit":"requests/minute","used":30,"most":60}],"breaker":"half-open","down":"down: refused","held":{"reason":"one of 8 calls at once","seconds":1.5,"setting":"concurrency"}}"#);
        assert_eq!(serde_json::from_str::<LaneView>(&json).unwrap(), lane);
        assert_eq!(lane.used_percent(), 50.0);
    }
}

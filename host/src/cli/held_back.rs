//! What holds a run back, in one line at its start and one at its end, and which setting would change it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gateway::lane::{Lane, LaneView};
use gateway::providers::offline;
use types::limit::{Amount, Limit};

/// Less than this is not worth a line.
const LEAST: Duration = Duration::from_secs(5);
/// A run that was held up for less than this share of its time was not held back.
const SHARE: f64 = 0.1;

/// A line for each lane to a real model: the limits that it begins with.
pub(super) fn at_start<'a>(lanes: impl Iterator<Item = &'a Arc<Lane>>) -> BTreeSet<String> {
    lanes
        .filter(|lane| lane.name() != offline::NAME)
        .map(|lane| started(lane.name(), lane))
        .collect()
}

fn started(model: &str, lane: &Lane) -> String {
    let (limits, concurrency) = lane.told();
    let mut told: Vec<String> = limits.iter().map(words).collect();
    told.extend(concurrency.map(at_once));
    let recalled = lane.recalled();
    let mut found: Vec<String> = recalled.bounds().iter().map(words).collect();
    found.extend(recalled.most_at_once().map(at_once));
    match (listed(&told), listed(&found)) {
        (Some(told), None) => format!("{model}: at most {told}, as set"),
        (Some(told), Some(found)) => format!(
            "{model}: at most {told}, as set; it begins with what an earlier run found out: {found}"
        ),
        (None, Some(found)) => format!(
            "{model}: no limits are set; it begins with what an earlier run found out: {found}"
        ),
        (None, None) => {
            let allowed = at_once(lane.view().allowed);
            let before = recalled.a_second.map_or_else(String::new, |(calls, _)| {
                format!(
                    " and {} per second, as in an earlier run,",
                    Amount::Requests.counted(calls)
                )
            });
            format!(
                "{model}: no limits are set; it begins with {allowed}{before} and then follows what the provider's headers \
                 and refusals say"
            )
        }
    }
}

fn words(limit: &Limit) -> String {
    format!("{} per {}", limit.amount.counted(limit.most), limit.per())
}

fn at_once(most: u64) -> String {
    format!("{} at once", Amount::Requests.counted(most))
}

/// Several things in one sentence.
fn listed(parts: &[String]) -> Option<String> {
    let (last, others) = parts.split_last()?;
    Some(match others {
        [] => last.clone(),
        _ => format!("{} and {last}", others.join(", ")),
    })
}

/// What held the run back for the longest time, if anything did.
pub(super) fn at_end(lanes: &[LaneView], took: Duration) -> Option<String> {
    let held = lanes
        .iter()
        .filter_map(|lane| Some((&lane.model, lane.held.as_ref()?)));
    let (model, held) = held.max_by_key(|(_, held)| held.seconds)?;
    let least = LEAST.max(took.mul_f64(SHARE));
    (held.seconds >= least).then(|| {
        let (seconds, of) = (held.seconds.as_secs(), took.as_secs());
        let advice = match &held.setting {
            Some(key) => format!("raise {key} if the provider allows more"),
            None => "no setting of yours limits it".to_owned(),
        };
        format!(
            "{model} held the run back for {seconds} s of {of} s: calls waited for {}; {advice}",
            held.reason
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::lane::Held;
    use gateway::lane_view::BreakerView;

    fn lane(seconds: u64, setting: Option<&str>) -> LaneView {
        LaneView {
            model: "openai/small".to_owned(),
            in_flight: 0,
            allowed: 8,
            waiting: 0,
            wait: None,
            backing_off: 0,
            next_try: None,
            limits: Vec::new(),
            breaker: BreakerView::Closed,
            down: None,
            held: Some(Held {
                reason: "one of 8 calls at once".to_owned(),
                seconds: Duration::from_secs(seconds),
                setting: setting.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn what_held_a_run_back_is_told_with_the_setting_that_would_change_it() {
        let took = Duration::from_secs(100);
        let told = |lane| at_end(&[lane], took);
        insta::assert_snapshot!(told(lane(80, Some("concurrency"))).unwrap(), @"openai/small held the run back for 80 s of 100 s: calls waited for one of 8 calls at once; raise concurrency if the provider allows more");
        insta::assert_snapshot!(told(lane(80, None)).unwrap(), @"openai/small held the run back for 80 s of 100 s: calls waited for one of 8 calls at once; no setting of yours limits it");
        assert_eq!(told(lane(9, None)), None);
    }
}

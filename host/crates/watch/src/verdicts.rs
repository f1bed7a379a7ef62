//! What was said about a file, as the page shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use engine::ReviewedFile;
use plan::verdict::Verdict;
use store::KeptVerdict;
use types::digest::Digest;

/// Verdicts of a task that are shown: the newest ones.
const MOST: usize = 40;

/// One verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictNote {
    /// `rules`, `judge` or `person`.
    pub giver: &'static str,
    /// Name of the component or the person that gave it.
    pub name: String,
    pub passes: bool,
    /// The worst of the scores.
    pub score: Option<f64>,
    /// Score of each criterion.
    pub scores: BTreeMap<String, f64>,
    pub reason: String,
    /// When it was given, in UTC.
    pub given_at: String,
    /// Whether it was said of the file as it is now.
    pub is_current: bool,
}

/// How a file stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judged {
    /// Why its gate holds it, if it does.
    pub held: Option<String>,
    /// What a person said of these bytes last: whether they accepted them.
    pub accepted: Option<bool>,
    /// The worst score that a judge gave these bytes last.
    pub score: Option<f64>,
    /// What was said, the newest first.
    pub verdicts: Vec<VerdictNote>,
}

impl Judged {
    /// Of a component's file, whose bytes have the hash `content` and may be reviewed, among the verdicts of its record.
    pub(super) fn new(
        component: &str,
        content: Option<Digest>,
        reviewed: Option<&ReviewedFile>,
        kept: &[KeptVerdict],
    ) -> Judged {
        let own = kept.iter().rev();
        let own = own.filter(|kept| kept.verdict.component == component);
        Judged {
            held: reviewed.and_then(|file| file.held.clone()),
            accepted: reviewed.and_then(|file| file.accepted),
            score: reviewed.and_then(|file| file.score),
            verdicts: own.take(MOST).map(|kept| note(kept, content)).collect(),
        }
    }
}

fn note(kept: &KeptVerdict, content: Option<Digest>) -> VerdictNote {
    let Verdict {
        giver,
        name,
        passes,
        score,
        scores,
        reason,
        ..
    } = kept.verdict.clone();
    VerdictNote {
        giver: giver.as_str(),
        name,
        passes,
        score,
        scores,
        reason,
        given_at: kept.given_at.clone(),
        is_current: content == Some(kept.verdict.content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::verdict::Giver;

    #[test]
    fn the_newest_comes_first_and_says_whether_it_is_of_these_bytes() {
        let kept = |id: i64, component: &str, text: &str| KeptVerdict {
            id,
            record: "oak".to_owned(),
            given_at: format!("2026-01-01T00:00:0{id}.000Z"),
            verdict: Verdict {
                component: component.to_owned(),
                content: Digest::of(text.as_bytes()),
                giver: Giver::Judge,
                name: "quality".to_owned(),
                basis: None,
                passes: true,
                score: Some(4.0),
                scores: BTreeMap::new(),
                reason: text.to_owned(),
                asked_again: None,
            },
        };
        let all = [
            kept(1, "text", "old"),
            kept(2, "tags", "other"),
            kept(3, "text", "new"),
        ];
        let judged = Judged::new("text", Some(Digest::of(b"new")), None, &all);
        let said: Vec<(&str, bool)> = judged
            .verdicts
            .iter()
            .map(|note| (note.reason.as_str(), note.is_current))
            .collect();
        assert_eq!(said, [("new", true), ("old", false)]);
    }
}

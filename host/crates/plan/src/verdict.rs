//! What was said about an artifact: whether it may be published, by whom, and why. A verdict belongs to the bytes that were judged:
//! when they change, it says nothing about the new ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::digest::{Digest, DigestBuilder};

/// Who gave a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Giver {
    /// The rules of a gate, without a model.
    Rules,
    /// A component that judges.
    Judge,
    /// A person.
    Person,
}

impl Giver {
    /// All of them.
    pub const ALL: [Giver; 3] = [Giver::Rules, Giver::Judge, Giver::Person];

    /// Its name in the state and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Giver::Rules => "rules",
            Giver::Judge => "judge",
            Giver::Person => "person",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Giver> {
        Giver::ALL.into_iter().find(|giver| giver.as_str() == name)
    }
}

/// A verdict on one artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Component whose artifact was judged.
    pub component: String,
    /// Hash of the bytes that were judged.
    pub content: Digest,
    pub giver: Giver,
    /// Name of the component or the person that gave it; for rules, that of the component whose gate they are.
    pub name: String,
    /// What it was given by: fingerprint of the judging task, or hash of the rules. A person has none.
    pub basis: Option<Digest>,
    /// Whether the artifact is good enough, as far as whoever gave the verdict knows.
    pub passes: bool,
    /// The worst of the scores.
    pub score: Option<f64>,
    /// Score of each criterion.
    pub scores: BTreeMap<String, f64>,
    /// Why, in words; empty where nobody said it.
    pub reason: String,
    /// Fingerprint of the judged task without any feedback, where the artifact was asked for anew because of this verdict.
    pub asked_again: Option<Digest>,
}

impl Verdict {
    /// Whether both are what the same judge says of the same bytes by the same rules. What a person says is never the same.
    fn is_same_statement(&self, other: &Verdict) -> bool {
        let of = |verdict: &Verdict| (verdict.giver, verdict.content, verdict.basis);
        self.basis.is_some()
            && of(self) == of(other)
            && self.name == other.name
            && self.component == other.component
    }
}

/// Adds a verdict to those of its record as the last one. What was the same before goes, as it does in the state; that something was asked
/// anew for it stays.
pub fn add(verdicts: &mut Vec<Verdict>, mut verdict: Verdict) {
    let mut before = verdicts
        .iter()
        .filter(|known| known.is_same_statement(&verdict));
    let asked_again = before.find_map(|known| known.asked_again);
    verdict.asked_again = verdict.asked_again.or(asked_again);
    verdicts.retain(|known| !known.is_same_statement(&verdict));
    verdicts.push(verdict);
}

/// A verdict as a judging component writes it: the part of a [`Verdict`] that is in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub passes: bool,
    pub score: Option<f64>,
    pub scores: BTreeMap<String, f64>,
    pub reason: String,
}

impl Judgement {
    /// Reads what a judging component wrote: an object with `passes`, and if need be `score`, `scores` and `reason`.
    ///
    /// # Errors
    /// What is missing or of another type, in words.
    pub fn read(artifact: &Value) -> Result<Judgement, String> {
        let field = |name: &str| artifact.get(name).filter(|value| !value.is_null());
        let passes = field("passes").and_then(Value::as_bool);
        let passes = passes.ok_or("a verdict needs `passes`, which is true or false")?;
        let score = match field("score") {
            Some(score) => Some(score.as_f64().ok_or("its `score` is no number")?),
            None => None,
        };
        let mut scores = BTreeMap::new();
        if let Some(all) = field("scores") {
            let all = all.as_object().ok_or("its `scores` are no object")?;
            for (criterion, score) in all {
                let score = score
                    .as_f64()
                    .ok_or_else(|| format!("its score of `{criterion}` is no number"))?;
                scores.insert(criterion.clone(), score);
            }
        }
        let reason = match field("reason") {
            Some(reason) => reason.as_str().ok_or("its `reason` is no text")?.to_owned(),
            None => String::new(),
        };
        let worst = scores.values().copied().reduce(f64::min);
        Ok(Judgement {
            passes,
            score: score.or(worst),
            scores,
            reason,
        })
    }
}

impl Judgement {
    /// The verdict that it is on an artifact of `component` with the hash `content`; `basis` is the fingerprint of the judging task.
    pub fn verdict(
        self,
        component: String,
        content: Digest,
        judge: &str,
        basis: Digest,
    ) -> Verdict {
        Verdict {
            component,
            content,
            giver: Giver::Judge,
            name: judge.to_owned(),
            basis: Some(basis),
            passes: self.passes,
            score: self.score,
            scores: self.scores,
            reason: self.reason,
            asked_again: None,
        }
    }
}

/// Why an artifact is asked for anew: what was said about earlier ones. It goes to the model with each question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// What was said about each version that was refused, in alphabetical order; empty where nobody said why.
    pub reasons: Vec<String>,
}

impl Feedback {
    /// The feedback on a task among the verdicts of its record, which are in the order in which they were given. `made_from` is the fingerprint of
    /// the task without any feedback. What a person said counts until a person says otherwise of the same bytes.
    pub fn of<'a>(
        verdicts: impl IntoIterator<Item = &'a Verdict>,
        component: &str,
        made_from: Digest,
    ) -> Feedback {
        let mut refused: Vec<&Verdict> = Vec::new();
        for verdict in verdicts
            .into_iter()
            .filter(|verdict| verdict.component == component)
        {
            let is_same =
                |known: &&Verdict| known.content == verdict.content && known.giver == Giver::Person;
            if verdict.giver == Giver::Person {
                refused.retain(|known| !is_same(known));
            }
            let counts = match verdict.giver {
                Giver::Person => !verdict.passes,
                Giver::Rules | Giver::Judge => verdict.asked_again == Some(made_from),
            };
            if counts {
                refused.push(verdict);
            }
        }
        let mut reasons: Vec<String> = refused
            .into_iter()
            .map(|verdict| verdict.reason.trim().to_owned())
            .collect();
        // A verdict may be given again, and comes later then: the order means nothing.
        reasons.sort_unstable();
        Feedback { reasons }
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Its hash, which is a part of the fingerprint of a task that has feedback.
    pub fn digest(&self) -> Digest {
        let mut builder = DigestBuilder::new("batchgen feedback 1");
        builder.list(self.reasons.iter(), |builder, reason| {
            builder.text(reason);
        });
        builder.finish()
    }

    /// What a question says of it; `None` where there is none.
    pub fn in_words(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut words = match self.reasons.len() {
            1 => "An editor refused an earlier version.".to_owned(),
            count => format!("An editor refused {count} earlier versions."),
        };
        let said: Vec<&String> = self
            .reasons
            .iter()
            .filter(|reason| !reason.is_empty())
            .collect();
        if !said.is_empty() {
            words.push_str(" What was wrong:\n");
            for reason in said {
                words.push_str("\n- ");
                words.push_str(&reason.replace('\n', "\n  "));
            }
            words.push('\n');
        }
        words.push_str(
            "\nWrite it anew, and do better in this. Do not speak of the earlier version.",
        );
        Some(words)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub fn verdict(giver: Giver, content: &str, passes: bool, reason: &str) -> Verdict {
        Verdict {
            component: "text".to_owned(),
            content: Digest::of(content.as_bytes()),
            giver,
            name: "quality".to_owned(),
            basis: None,
            passes,
            score: None,
            scores: BTreeMap::new(),
            reason: reason.to_owned(),
            asked_again: None,
        }
    }

    fn reasons(verdicts: &[Verdict]) -> Vec<String> {
        Feedback::of(verdicts, "text", Digest::of(b"base")).reasons
    }

    #[test]
    fn a_person_is_heard_until_a_person_says_otherwise_of_the_same_bytes() {
        let no = verdict(Giver::Person, "a", false, "too dry");
        let yes = verdict(Giver::Person, "a", true, "");
        let other = verdict(Giver::Person, "b", true, "");
        assert_eq!(reasons(&[no.clone(), other]), ["too dry"]);
        assert_eq!(reasons(&[no.clone(), yes.clone()]), [""; 0]);
        assert_eq!(reasons(&[yes, no.clone()]), ["too dry"]);
        let again = verdict(Giver::Person, "a", false, "still too dry");
        assert_eq!(reasons(&[no, again]), ["still too dry"]);
    }

    #[test]
    fn a_judge_is_heard_only_of_what_was_made_from_the_same() {
        let mut judged = verdict(Giver::Judge, "a", false, "a number is wrong");
        assert_eq!(reasons(std::slice::from_ref(&judged)), [""; 0]);
        judged.asked_again = Some(Digest::of(b"base"));
        assert_eq!(
            reasons(std::slice::from_ref(&judged)),
            ["a number is wrong"]
        );
        judged.asked_again = Some(Digest::of(b"another prompt"));
        assert_eq!(reasons(&[judged]), [""; 0]);
    }

    #[test]
    fn what_is_said_again_is_there_once_and_last() {
        let basis = |text: &str| Some(Digest::of(text.as_bytes()));
        let by = |rubric: &str, reason: &str| Verdict {
            basis: basis(rubric),
            ..verdict(Giver::Judge, "a", false, reason)
        };
        let mut said = vec![
            Verdict {
                asked_again: basis("base"),
                ..by("old rubric", "dull")
            },
            by("new rubric", "dry"),
        ];
        add(&mut said, by("old rubric", "dull"));
        let reasons_now: Vec<&str> = said.iter().map(|verdict| verdict.reason.as_str()).collect();
        assert_eq!(reasons_now, ["dry", "dull"]);
        assert_eq!(reasons(&said), ["dull"], "it is told to the model once");
        let person = verdict(Giver::Person, "a", false, "no");
        add(&mut said, person.clone());
        add(&mut said, person);
        assert_eq!(said.len(), 4, "all that persons say is kept");
    }

    #[test]
    fn feedback_is_told_and_changes_its_hash() {
        let of = |reasons: &[&str]| Feedback {
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        };
        assert_eq!(of(&[]).in_words(), None);
        let words = of(&["too dry", "", "a\nb"]).in_words().unwrap();
        assert!(words.starts_with(
            "An editor refused 3 earlier versions. What was wrong:\n\n- too dry\n- a\n  b\n"
        ));
        assert_ne!(of(&["a"]).digest(), of(&["a", ""]).digest());
        let [a, b] = ["a", "b"].map(|content| verdict(Giver::Person, content, false, content));
        assert_eq!(
            reasons(&[a.clone(), b.clone()]),
            reasons(&[b, a]),
            "in any order"
        );
        let silent = of(&[""]).in_words().unwrap();
        assert!(!silent.contains("wrong"), "{silent}");
    }

    #[test]
    fn a_judgement_is_read_and_its_worst_score_counts() {
        let read = |value| Judgement::read(&value);
        let full = read(json!({
            "passes": false,
            "scores": {"tone": 5, "faithfulness": 2},
            "reason": "It says 3 g/cm³.",
        }))
        .unwrap();
        assert_eq!((full.passes, full.score), (false, Some(2.0)));
        assert_eq!(read(json!({"passes": true})).unwrap().score, None);
        for (value, said) in [
            (json!({}), "needs `passes`"),
            (json!({"passes": "yes"}), "needs `passes`"),
            (
                json!({"passes": true, "score": "4"}),
                "`score` is no number",
            ),
            (
                json!({"passes": true, "scores": {"tone": "good"}}),
                "score of `tone`",
            ),
            (json!({"passes": true, "reason": 1}), "`reason` is no text"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}

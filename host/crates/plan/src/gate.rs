//! Gates: what an artifact must be before its dependents and the reader get it.

use serde::{Deserialize, Serialize};

use crate::verdict::{Giver, Verdict};
use types::digest::Digest;

/// What becomes of an artifact that is not good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// It is asked for anew, with what was said about it. If that is in vain, it is held.
    Again,
    /// Its dependents are not made and it is not exported until a person accepts it.
    #[default]
    Hold,
    /// It is told, and nothing else.
    Warn,
}

/// What an artifact must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The component that judges it.
    pub judge: Option<String>,
    /// Least score that the judge must give; its own word counts where absent.
    pub at_least: Option<f64>,
    pub otherwise: Otherwise,
    /// How often it is asked for anew.
    pub retries: u32,
    /// Hash of its rules, if it has some.
    pub rules: Option<Digest>,
}

/// What stands in the way of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Somebody refused it.
    Refused {
        giver: Giver,
        /// Who, as far as that has a name.
        name: String,
        /// Why, in one line.
        reason: String,
    },
    /// Its judge has not said anything.
    Unjudged { judge: String },
}

impl Shut {
    /// In a line, for a person.
    pub fn in_words(&self) -> String {
        match self {
            Shut::Refused {
                giver: Giver::Rules,
                reason,
                ..
            } => format!("a rule refuses it: {reason}"),
            Shut::Refused { name, reason, .. } if reason.is_empty() => {
                format!("{name} refuses it")
            }
            Shut::Refused { name, reason, .. } => format!("{name} refuses it: {reason}"),
            Shut::Unjudged { judge } => format!("{judge} has not judged it"),
        }
    }
}

impl Gate {
    /// What stands in the way of an artifact, by the verdicts of its record, which are in the order in which they were given: the last word of
    /// each giver counts, and that of a person counts most.
    pub fn shut(&self, verdicts: &[Verdict], component: &str, content: Digest) -> Option<Shut> {
        let last = |giver: Giver, name: Option<&str>| {
            verdicts.iter().rev().find(|verdict| {
                verdict.component == component
                    && verdict.content == content
                    && verdict.giver == giver
                    && name.is_none_or(|name| verdict.name == name)
            })
        };
        let refused = |verdict: &Verdict| Shut::Refused {
            giver: verdict.giver,
            name: verdict.name.clone(),
            reason: first_line(&verdict.reason),
        };
        if let Some(person) = last(Giver::Person, None) {
            return (!person.passes).then(|| refused(person));
        }
        // What older rules said counts no more, even if it was said last.
        let by_rules = verdicts.iter().rev().find(|verdict| {
            verdict.giver == Giver::Rules
                && verdict.component == component
                && verdict.content == content
                && self.rules.is_some()
                && verdict.basis == self.rules
        });
        if let Some(verdict) = by_rules.filter(|verdict| !verdict.passes) {
            return Some(refused(verdict));
        }
        let judge = self.judge.as_deref()?;
        match last(Giver::Judge, Some(judge)) {
            None => Some(Shut::Unjudged {
                judge: judge.to_owned(),
            }),
            Some(verdict) if self.passes(verdict) => None,
            Some(verdict) => Some(Shut::Refused {
                giver: Giver::Judge,
                name: match verdict.score {
                    Some(score) => format!("{judge} ({score})"),
                    None => judge.to_owned(),
                },
                reason: first_line(&verdict.reason),
            }),
        }
    }

    /// What holds an artifact back from dependents and readers: nothing, where the gate only warns.
    pub fn holds(&self, verdicts: &[Verdict], component: &str, content: Digest) -> Option<Shut> {
        match self.otherwise {
            Otherwise::Warn => None,
            Otherwise::Again | Otherwise::Hold => self.shut(verdicts, component, content),
        }
    }

    /// Whether a judge's verdict is good enough.
    pub fn passes(&self, verdict: &Verdict) -> bool {
        match (self.at_least, verdict.score) {
            (Some(least), Some(score)) => score >= least,
            _ => verdict.passes,
        }
    }
}

fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::verdict;

    fn gate() -> Gate {
        Gate {
            judge: Some("quality".to_owned()),
            at_least: Some(4.0),
            otherwise: Otherwise::Hold,
            retries: 2,
            rules: Some(Digest::of(b"rules")),
        }
    }

    fn shut(verdicts: &[Verdict]) -> Option<String> {
        let shut = gate().shut(verdicts, "text", Digest::of(b"a"));
        shut.map(|shut| shut.in_words())
    }

    fn judged(score: f64) -> Verdict {
        Verdict {
            score: Some(score),
            ..verdict(Giver::Judge, "a", score > 4.5, "It is dull.\nMore.")
        }
    }

    fn ruled(passes: bool) -> Verdict {
        Verdict {
            basis: gate().rules,
            ..verdict(Giver::Rules, "a", passes, "`great` is forbidden")
        }
    }

    #[test]
    fn a_gate_opens_for_the_score_that_it_asks_for() {
        assert_eq!(shut(&[judged(4.0)]), None);
        assert_eq!(
            shut(&[judged(3.5)]).as_deref(),
            Some("quality (3.5) refuses it: It is dull.")
        );
        assert_eq!(
            shut(&[judged(5.0), judged(3.0), judged(4.0)]),
            None,
            "the last word counts"
        );
        let without = Gate {
            at_least: None,
            ..gate()
        };
        let content = Digest::of(b"a");
        assert!(without.shut(&[judged(4.0)], "text", content).is_some());
        assert_eq!(without.shut(&[judged(5.0)], "text", content), None);
    }

    #[test]
    fn a_gate_that_warns_holds_nothing() {
        let content = Digest::of(b"a");
        let warns = Gate {
            otherwise: Otherwise::Warn,
            ..gate()
        };
        assert!(gate().holds(&[judged(1.0)], "text", content).is_some());
        assert!(warns.shut(&[judged(1.0)], "text", content).is_some());
        assert_eq!(warns.holds(&[judged(1.0)], "text", content), None);
    }

    #[test]
    fn what_nobody_judged_does_not_pass() {
        assert_eq!(shut(&[]).as_deref(), Some("quality has not judged it"));
        let of_other_bytes = verdict(Giver::Judge, "b", true, "");
        assert!(shut(&[of_other_bytes]).is_some());
    }

    #[test]
    fn a_rule_refuses_whatever_the_judge_says_and_only_by_the_rules_of_now() {
        assert_eq!(
            shut(&[ruled(false), judged(5.0)]).as_deref(),
            Some("a rule refuses it: `great` is forbidden")
        );
        assert_eq!(shut(&[ruled(true), judged(5.0)]), None);
        let of_old_rules = Verdict {
            basis: Some(Digest::of(b"old")),
            ..ruled(false)
        };
        assert_eq!(shut(&[of_old_rules.clone(), judged(5.0)]), None);
        let passed_old_rules = Verdict {
            passes: true,
            ..of_old_rules
        };
        let said = shut(&[ruled(false), passed_old_rules, judged(5.0)]);
        assert!(
            said.is_some(),
            "the rules of now were said before, and hold again"
        );
    }

    #[test]
    fn a_person_has_the_last_word() {
        let yes = verdict(Giver::Person, "a", true, "");
        let no = verdict(Giver::Person, "a", false, "");
        assert_eq!(shut(&[yes.clone(), ruled(false), judged(1.0)]), None);
        assert!(shut(&[yes.clone(), no.clone(), judged(5.0)]).is_some());
        assert_eq!(shut(&[no, yes]), None);
    }
}

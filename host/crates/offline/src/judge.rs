//! Verdicts on a text: what can be told of it without understanding it. A question for a verdict has the `text` and the `facts` beside each
//! other, and its schema is titled `verdict`. A question which of two texts is better has `first`, `second` and the `facts`, and the title
//! `comparison`.
//!
//! Numbers that the facts do not have are doubted. Sentences that come twice, long sentences and exclamation marks lower a score.
//! A criterion of a name that is not known gets a good score: nothing is known against it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// Most sentences that are quoted, where the schema leaves it open.
const MOST_DOUBTS: usize = 5;
/// How much more the faults of a text weigh, so that the other one is better. A sentence that is a bit long decides nothing.
const NOTICED: usize = 2;
/// Words of a sentence from which on it is long.
const LONG: usize = 35;

/// Judges, if the question is one for a verdict.
pub fn verdict(schema: &Value, facts: &Map<String, Value>) -> Option<Value> {
    if schema.get("title").and_then(Value::as_str) != Some("verdict") {
        return None;
    }
    let text = facts.get("text").and_then(Value::as_str)?;
    let known = facts.get("facts")?;
    let criteria = schema
        .pointer("/properties/scores/properties")
        .and_then(Value::as_object)?;
    let Faults {
        doubts,
        repeated,
        long,
        loud,
    } = Faults::of(text, known);
    let mut reasons = Vec::new();
    for (faults, reason) in [
        (doubts.len(), "Say only numbers that the facts have."),
        (repeated, "Say nothing twice."),
        (long, "Write shorter sentences."),
        (loud, "Write without exclamation marks."),
    ] {
        if faults > 0 {
            reasons.push(reason);
        }
    }
    let scores: Map<String, Value> = criteria
        .iter()
        .map(|(name, rule)| {
            let about = |words: &[&str]| words.iter().any(|word| name.contains(word));
            let lost = if about(&["faith", "fact", "accura", "correct", "true"]) {
                2 * doubts.len()
            } else if about(&["repe", "redundan"]) {
                repeated
            } else if about(&["read", "clear", "clarity"]) {
                long
            } else if about(&["tone", "style"]) {
                loud
            } else {
                0
            };
            (name.clone(), score(rule, lost))
        })
        .collect();
    let most = schema
        .pointer("/properties/doubts/maxItems")
        .and_then(Value::as_u64);
    let most = most.map_or(MOST_DOUBTS, |most| {
        usize::try_from(most).unwrap_or(MOST_DOUBTS)
    });
    let doubts: Vec<Value> = doubts
        .into_iter()
        .take(most)
        .map(|(quote, why)| json!({"quote": quote, "why": why}))
        .collect();
    let reason = if reasons.is_empty() {
        "Nothing has to change.".to_owned()
    } else {
        reasons.join(" ")
    };
    Some(json!({"doubts": doubts, "reason": reason, "scores": scores}))
}

/// Says which of two texts is better, if that is the question: the one whose faults weigh clearly less.
pub fn comparison(schema: &Value, facts: &Map<String, Value>) -> Option<Value> {
    if schema.get("title").and_then(Value::as_str) != Some("comparison") {
        return None;
    }
    let known = facts.get("facts")?;
    let faults = |name: &str| {
        let text = facts.get(name).and_then(Value::as_str)?;
        Some(Faults::of(text, known).weight())
    };
    let (first, second) = (faults("first")?, faults("second")?);
    let better = match first.abs_diff(second) {
        0..NOTICED => "neither",
        _ if first < second => "first",
        _ => "second",
    };
    let reason = format!("The first text has faults that weigh {first}, the second {second}.");
    Some(json!({"reason": reason, "better": better}))
}

/// What can be told against a text.
struct Faults<'a> {
    /// Sentences, and why they are doubted.
    doubts: Vec<(&'a str, String)>,
    repeated: usize,
    long: usize,
    loud: usize,
}

impl<'a> Faults<'a> {
    fn of(text: &'a str, known: &Value) -> Faults<'a> {
        let sentences = sentences(text);
        let is_long = |sentence: &&&str| sentence.split_whitespace().count() > LONG;
        Faults {
            doubts: doubts(&sentences, known),
            repeated: repeated(&sentences),
            long: sentences.iter().filter(is_long).count(),
            loud: text.matches('!').count(),
        }
    }

    /// A wrong number is worse than the rest.
    fn weight(&self) -> usize {
        4 * self.doubts.len() + self.repeated + self.long + self.loud
    }
}

/// The best score, less what was lost, within the bounds of the schema.
fn score(rule: &Value, lost: usize) -> Value {
    let bound = |keyword: &str, otherwise: i64| {
        let bound = rule.get(keyword).and_then(Value::as_i64);
        bound.unwrap_or(otherwise)
    };
    let (lowest, highest) = (bound("minimum", 1), bound("maximum", 5));
    let lost = i64::try_from(lost).unwrap_or(i64::MAX);
    json!(highest.saturating_sub(lost).max(lowest))
}

/// Sentences with a number that the facts do not have, and why they are doubted.
fn doubts<'a>(sentences: &[&'a str], known: &Value) -> Vec<(&'a str, String)> {
    let known: HashSet<String> = numbers(&known.to_string())
        .map(|number| value(&number).to_owned())
        .collect();
    let doubt = |sentence: &&'a str| {
        let strange = numbers(sentence).find(|number| !known.contains(value(number)))?;
        Some((
            *sentence,
            format!("The facts do not have the number {strange}."),
        ))
    };
    sentences.iter().filter_map(doubt).collect()
}

/// Numbers of a text, as they are written, without signs.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ',');
    text.split(move |letter: char| !is_part(letter))
        .map(|piece| piece.trim_matches(['.', ',']).replace(',', ""))
        .filter(|piece| piece.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A number without zeros that say nothing of its value: `0.50` is 0.5, and `7.0` is 7.
fn value(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// How many sentences stand somewhere else in the text, too.
fn repeated(sentences: &[&str]) -> usize {
    let mut seen = HashSet::new();
    let is_long = |sentence: &&&str| sentence.split_whitespace().count() > 3;
    sentences
        .iter()
        .filter(is_long)
        .filter(|sentence| !seen.insert(sentence.to_lowercase()))
        .count()
}

/// The sentences of a text, line by line. A line without an end is one, too.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim().trim_start_matches(['#', '-', '*', '>', ' ']);
        while !rest.is_empty() {
            let ends = [". ", "! ", "? "].iter();
            let end = ends.filter_map(|end| rest.find(end)).min();
            let (sentence, behind) = match end {
                Some(end) => rest.split_at(end + 1),
                None => (rest, ""),
            };
            found.push(sentence.trim());
            rest = behind.trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Value {
        let scale = json!({"type": "integer", "minimum": 1, "maximum": 5});
        let schema = json!({
            "title": "verdict",
            "properties": {
                "doubts": {"maxItems": 2},
                "scores": {"properties": {"faithfulness": scale, "repetition": scale, "tone": scale, "depth": scale}},
            },
        });
        let facts = json!({"text": text, "facts": {"density": "2.7 g/cm³", "melting": 660}});
        verdict(&schema, facts.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_number_that_the_facts_do_not_have_is_doubted_with_its_sentence() {
        let said = judged("It melts at 660 °C. Its density is 3.1 g/cm³. It is light.");
        assert_eq!(said["doubts"][0]["quote"], "Its density is 3.1 g/cm³.");
        assert_eq!(said["scores"]["faithfulness"], 3);
        assert_eq!(said["scores"]["depth"], 5);
        assert_eq!(said["reason"], "Say only numbers that the facts have.");
    }

    #[test]
    fn what_is_said_twice_or_loudly_loses_scores_and_no_more_than_there_are() {
        let said = judged("It is a very light metal! It is a very light metal! Buy it!!! Now!");
        assert_eq!(said["scores"]["repetition"], 4);
        assert_eq!(said["scores"]["tone"], 1);
        assert_eq!(said["scores"]["faithfulness"], 5);
    }

    #[test]
    fn a_number_is_known_by_its_value_whatever_its_digits() {
        let known = json!({"price": 0.5, "weight": "7.0 kg", "count": 30});
        let sentences = [
            "It costs 0.50.",
            "It weighs 7 kg.",
            "There are 30.0.",
            "There are 3.",
        ];
        let found = doubts(&sentences, &known);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "There are 3.");
    }

    #[test]
    fn of_two_texts_the_one_with_a_wrong_number_is_worse_and_equals_are_equal() {
        let schema = json!({"title": "comparison"});
        let facts = |first: &str, second: &str| json!({"first": first, "second": second, "facts": {"melting": 660}});
        let said = |first: &str, second: &str| {
            let facts = facts(first, second);
            comparison(&schema, facts.as_object().unwrap()).unwrap()["better"].clone()
        };
        let (right, wrong) = ("It melts at 660 °C.", "It melts at 670 °C.");
        assert_eq!(said(right, wrong), "first");
        assert_eq!(said(wrong, right), "second");
        assert_eq!(said(right, "At 660 °C it melts!"), "neither");
        let other = json!({"title": "verdict"});
        let facts = facts(right, wrong);
        assert_eq!(comparison(&other, facts.as_object().unwrap()), None);
    }

    #[test]
    fn a_good_text_gets_the_best_scores_and_another_question_no_verdict() {
        let said = judged("Its density is 2.7 g/cm³.\n\n## Heat\nIt melts at 660 °C.");
        assert!(
            said["scores"]
                .as_object()
                .unwrap()
                .values()
                .all(|score| *score == 5)
        );
        assert_eq!(said["reason"], "Nothing has to change.");
        let facts = json!({"text": "a", "facts": {}});
        let other = json!({"title": "page", "properties": {}});
        assert_eq!(verdict(&other, facts.as_object().unwrap()), None);
    }
}

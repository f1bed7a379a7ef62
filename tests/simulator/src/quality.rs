//! How good a model is, where that is known: how often it writes what the facts do not say, and how often it errs as a judge.

use std::collections::BTreeMap;
use std::str::FromStr;

use offline::Chance;
use serde_json::{Value, json};
use types::request::ResponseFormat;

/// How good models are. By default none ever errs.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    /// By model: how many of its texts have a number that the facts do not have, 0 to 1.
    pub wrong: BTreeMap<String, f64>,
    /// How many verdicts and comparisons are drawn by lot, 0 to 1.
    pub judged_by_lot: f64,
}

/// A model and how many percent of its texts are wrong, as `MODEL=PERCENT`.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// As it is asked for.
    pub model: String,
    /// 0 to 1.
    pub share: f64,
}

impl FromStr for Wrong {
    type Err = String;

    fn from_str(text: &str) -> Result<Wrong, String> {
        let (model, percent) = text.rsplit_once('=').ok_or("write MODEL=PERCENT")?;
        let percent: f64 = percent
            .trim_end_matches('%')
            .parse()
            .map_err(|_| format!("`{percent}` is no number"))?;
        Ok(Wrong {
            model: model.to_owned(),
            share: percent / 100.0,
        })
    }
}

impl Quality {
    /// What becomes of a good answer.
    pub fn spoil(
        &self,
        answer: String,
        model: &str,
        format: &ResponseFormat,
        chance: &mut Chance,
    ) -> String {
        let schema = match format {
            ResponseFormat::JsonSchema(schema) => schema.value(),
            _ => Value::Null,
        };
        match schema.get("title").and_then(Value::as_str) {
            Some("verdict") if chance.happens(self.judged_by_lot) => {
                by_lot(&answer, &schema, chance)
            }
            Some("comparison") if chance.happens(self.judged_by_lot) => {
                let lots = ["first", "second", "neither"];
                let better = lots.get(chance.below(lots.len()));
                json!({"reason": "It seems so.", "better": better}).to_string()
            }
            Some("verdict" | "comparison") => answer,
            _ => {
                let share = self.wrong.get(model).copied().unwrap_or_default();
                if *format == ResponseFormat::Text && chance.happens(share) {
                    format!(
                        "{} It was measured 9{}7 times.",
                        answer.trim_end(),
                        chance.below(1000)
                    )
                } else {
                    answer
                }
            }
        }
    }
}

/// The verdict with other scores.
fn by_lot(verdict: &str, schema: &Value, chance: &mut Chance) -> String {
    let Ok(mut verdict) = serde_json::from_str::<Value>(verdict) else {
        return verdict.to_owned();
    };
    let rules = schema.pointer("/properties/scores/properties");
    let scores = verdict.get_mut("scores").and_then(Value::as_object_mut);
    for (name, score) in scores.into_iter().flatten() {
        let bound = |keyword: &str| rules?.get(name)?.get(keyword)?.as_u64();
        let (least, most) = (bound("minimum").unwrap_or(1), bound("maximum").unwrap_or(5));
        let span = usize::try_from(most.saturating_sub(least)).unwrap_or(0) + 1;
        *score = json!(least + chance.below(span) as u64);
    }
    verdict.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(wrong: f64, judged_by_lot: f64) -> Quality {
        Quality {
            wrong: BTreeMap::from([("bad".to_owned(), wrong)]),
            judged_by_lot,
        }
    }

    #[test]
    fn so_many_texts_are_wrong_and_those_of_others_are_not() {
        let quality = quality(0.2, 0.0);
        let spoilt = |model| {
            let seeds = 0..1000;
            let spoilt = seeds.filter(|seed| {
                let mut chance = Chance::new(*seed);
                let text = "It is hard.".to_owned();
                quality.spoil(text, model, &ResponseFormat::Text, &mut chance) != "It is hard."
            });
            spoilt.count()
        };
        assert!((150..250).contains(&spoilt("bad")), "{}", spoilt("bad"));
        assert_eq!(spoilt("good"), 0);
    }

    #[test]
    fn a_verdict_by_lot_keeps_to_the_scale() {
        let schema = json!({
            "title": "verdict",
            "properties": {"scores": {"properties": {"tone": {"minimum": 2, "maximum": 4}}}},
        });
        let format = ResponseFormat::JsonSchema(schema.into());
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let answer = json!({"scores": {"tone": 4}}).to_string();
            let mut chance = Chance::new(seed);
            let said = quality(0.0, 1.0).spoil(answer, "bad", &format, &mut chance);
            let said: Value = serde_json::from_str(&said).unwrap();
            seen.insert(said["scores"]["tone"].as_u64().unwrap());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
    }
}

//! Members of enumerations, and numbers.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::Value;

use super::Writer;
use super::place::Place;
use crate::facts::{self, FactValue};
use crate::schema::bound;
use crate::voice::{overlap, stems};

impl Writer<'_, '_, '_> {
    /// The member that the facts speak of most, null and taken ones last.
    pub(super) fn member(
        &mut self,
        members: &[Value],
        place: &Place<'_>,
        taken: &HashSet<String>,
    ) -> Value {
        let focus = place.focus.filter(|_| !place.item);
        let focus = focus.map(|focus| stems(&focus.term)).unwrap_or_default();
        let facts = self.voice.facts.facts.iter();
        let known = facts.filter_map(|fact| match &fact.value {
            FactValue::Items(texts) | FactValue::Sentences(texts) => Some(texts),
            FactValue::Text(_) => None,
        });
        let known: Vec<String> = known.flatten().map(|text| text.to_lowercase()).collect();
        let turn = self.chance.below(members.len());
        let score = |at: usize, member: &Value| {
            let free = !taken.contains(&member.to_string());
            let text = member
                .as_str()
                .unwrap_or_default()
                .replace('-', " ")
                .to_lowercase();
            let occurs = !text.is_empty() && known.iter().any(|known| known.contains(&text));
            let about = stems(&text);
            let (focused, fits) = (overlap(&about, &focus), overlap(&about, &place.about));
            let order = (at + members.len() - turn) % members.len();
            (
                free,
                !member.is_null(),
                focused,
                occurs,
                fits,
                Reverse(order),
            )
        };
        let best = members
            .iter()
            .enumerate()
            .max_by_key(|(at, member)| score(*at, member));
        best.map_or(Value::Null, |(_, member)| member.clone())
    }

    /// A number of the facts that is within the limits, else the limit itself.
    pub(super) fn number(
        &mut self,
        schema: &Value,
        place: &Place<'_>,
        whole: bool,
        taken: &HashSet<String>,
    ) -> Value {
        let min = bound(schema, "minimum");
        let max = bound(schema, "maximum");
        let suits = |number: f64| {
            min.is_none_or(|min| number >= min)
                && max.is_none_or(|max| number <= max)
                && (!whole || number.fract() == 0.0)
                && !taken.contains(&written(number).to_string())
        };
        let own = place.fact.and_then(facts::text);
        let mut known: Vec<(usize, &String)> = Vec::new();
        for fact in &self.voice.facts.facts {
            if let FactValue::Text(text) = &fact.value {
                known.push((overlap(&place.about, &stems(&fact.label)), text));
            }
        }
        known.sort_by_key(|(score, _)| Reverse(*score));
        let texts = own.iter().chain(known.into_iter().map(|(_, text)| text));
        let mut numbers = texts.filter_map(|text| first_number(text));
        if let Some(number) = numbers.find(|number| suits(*number)) {
            return written(number);
        }
        let least = match (min, max) {
            (Some(min), _) => min,
            (None, Some(max)) => max.min(0.0),
            (None, None) => 0.0,
        };
        let least = if whole { least.ceil() } else { least };
        // Steps that stay within the limits: ones, or fractions of the span.
        let span = max.map_or(f64::MAX, |max| max - least);
        let step = if whole || span > 1000.0 {
            1.0
        } else {
            span / 1024.0
        };
        let up = (0..2048_u16).map(|count| least + f64::from(count) * step);
        let down = (1..2048_u16).map(|count| least - f64::from(count) * step);
        written(
            up.chain(down)
                .find(|number| suits(*number))
                .unwrap_or(least),
        )
    }
}

/// Whole numbers are written as such: 3, not 3.0.
fn written(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

fn first_number(text: &str) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = text.get(start..)?;
    let end = digits
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(digits.len());
    let number: f64 = digits.get(..end)?.trim_end_matches('.').parse().ok()?;
    let negative = text
        .get(..start)
        .is_some_and(|before| before.ends_with(['-', '−']));
    Some(if negative { -number } else { number })
}

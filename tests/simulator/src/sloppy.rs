//! What models do to good answers: fences, chatter, wrong lengths, invented numbers, lost headings.

use offline::Chance;
use serde_json::Value;
use types::request::{Message, ResponseFormat, Role};

/// How often an answer has each flaw. Flaws are independent of each other.
#[derive(Clone, Copy, Debug)]
struct Rates {
    fence: f64,
    chatter: f64,
    length: f64,
    number: f64,
    heading: f64,
}

const USUAL: Rates = Rates {
    fence: 0.25,
    chatter: 0.25,
    length: 0.12,
    number: 0.08,
    heading: 0.06,
};

/// How often an answer to a repair turn is without a flaw.
const REPAIRED: f64 = 0.85;

const BEFORE: [&str; 4] = [
    "Certainly! Here is what you asked for:\n\n",
    "Of course. Here is the revised version:\n\n",
    "Sure, here you go:\n\n",
    "Here is the result:\n\n",
];
const AFTER: [&str; 3] = [
    "\n\nLet me know if you would like any changes!",
    "\n\nI hope this helps. Feel free to ask for adjustments.",
    "\n\nNote: I kept strictly to the information provided.",
];
const NUMBERS: [&str; 3] = [
    "Studies report savings of about 73.4 percent.",
    "In 9317 trials this was confirmed.",
    "It is used in roughly 8641 plants worldwide.",
];

/// The answer with the flaws that chance gives it.
pub fn spoil(
    answer: String,
    messages: &[Message],
    format: &ResponseFormat,
    chance: &mut Chance,
) -> String {
    let repair = messages.windows(2).any(|pair| {
        matches!(pair, [answer, complaint] if answer.role == Role::Assistant && complaint.role == Role::User)
    });
    if repair && chance.happens(REPAIRED) {
        return answer;
    }
    let mut text = match format {
        ResponseFormat::Text => spoil_text(answer, chance),
        ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_) => spoil_json(answer, chance),
    };
    if chance.happens(USUAL.fence) {
        let language = if *format == ResponseFormat::Text {
            "markdown"
        } else {
            "json"
        };
        text = format!("```{language}\n{text}\n```");
    }
    if chance.happens(USUAL.chatter) {
        let before = BEFORE
            .get(chance.below(BEFORE.len()))
            .copied()
            .unwrap_or_default();
        let after = AFTER
            .get(chance.below(AFTER.len()))
            .copied()
            .unwrap_or_default();
        text = match chance.below(3) {
            0 => format!("{before}{text}"),
            1 => format!("{text}{after}"),
            _ => format!("{before}{text}{after}"),
        };
    }
    text
}

fn spoil_text(mut text: String, chance: &mut Chance) -> String {
    if chance.happens(USUAL.length) {
        text = if chance.happens(0.5) {
            let half = text.split_whitespace().count() / 2;
            first_words(&text, half)
        } else {
            format!("{text}\n\n{text}")
        };
    }
    if chance.happens(USUAL.number) {
        text.push(' ');
        text.push_str(
            NUMBERS
                .get(chance.below(NUMBERS.len()))
                .copied()
                .unwrap_or_default(),
        );
    }
    if chance.happens(USUAL.heading) {
        let headings = text.lines().filter(|line| line.starts_with("## ")).count();
        let lost = chance.below(headings);
        let mut seen = 0;
        let kept = text.lines().filter(|line| {
            let heading = line.starts_with("## ");
            seen += usize::from(heading);
            !heading || seen != lost + 1
        });
        text = kept.collect::<Vec<_>>().join("\n");
    }
    text
}

/// The text up to the end of its first words, line breaks kept.
fn first_words(text: &str, words: usize) -> String {
    let mut seen = 0;
    let mut in_word = false;
    let end = text.char_indices().find_map(|(at, c)| {
        if c.is_whitespace() && in_word {
            seen += 1;
        }
        in_word = !c.is_whitespace();
        (seen >= words.max(1)).then_some(at)
    });
    end.and_then(|end| text.get(..end))
        .unwrap_or(text)
        .to_owned()
}

fn spoil_json(text: String, chance: &mut Chance) -> String {
    let length = chance.happens(USUAL.length);
    let number = chance.happens(USUAL.number);
    if !length && !number {
        return text;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
        return text;
    };
    if length {
        // The shape of the schema is kept: only sizes are wrong.
        let short = chance.happens(0.5);
        change(&mut value, chance, |text| {
            if short {
                first_words(text, 2)
            } else {
                format!("{text} {text} {text}")
            }
        });
    }
    if number {
        let sentence = NUMBERS
            .get(chance.below(NUMBERS.len()))
            .copied()
            .unwrap_or_default();
        change(&mut value, chance, |text| format!("{text} {sentence}"));
    }
    value.to_string()
}

/// Changes one of the longer texts of a value, whichever chance picks.
fn change(value: &mut Value, chance: &mut Chance, change: impl Fn(&str) -> String) {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    // Members of an enumeration and keywords are short; changing those breaks the shape.
    texts.retain(|text| text.len() > 40);
    let chosen = chance.below(texts.len());
    if let Some(text) = texts.get_mut(chosen) {
        **text = change(text);
    }
}

fn collect<'v>(value: &'v mut Value, texts: &mut Vec<&'v mut String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter_mut().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values_mut().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "## One\n\nThe density of the metal is known.\n\n## Two\n\nIt is easy to clean with care.";

    fn turn(role: Role) -> Message {
        Message {
            role,
            content: "text".to_owned(),
        }
    }

    fn share(
        messages: &[Message],
        format: &ResponseFormat,
        answer: &str,
        flaw: impl Fn(&str) -> bool,
    ) -> f64 {
        let flawed = (0..4000)
            .filter(|seed| {
                flaw(&spoil(
                    answer.to_owned(),
                    messages,
                    format,
                    &mut Chance::new(*seed),
                ))
            })
            .count();
        flawed as f64 / 4000.0
    }

    #[test]
    fn flaws_are_as_frequent_as_they_should_be() {
        let asked = [turn(Role::User)];
        let share = |flaw: fn(&str) -> bool| share(&asked, &ResponseFormat::Text, TEXT, flaw);
        let near = |share: f64, rate: f64| (share - rate).abs() < 0.03;
        assert!(near(share(|text| text.contains("```")), USUAL.fence));
        assert!(near(
            share(|text| NUMBERS.iter().any(|number| text.contains(number))),
            USUAL.number
        ));
        assert!(near(
            share(|text| BEFORE
                .iter()
                .chain(&AFTER)
                .any(|chatter| text.contains(chatter.trim()))),
            USUAL.chatter
        ));
        assert!(near(
            share(|text| text == TEXT),
            0.75 * 0.75 * 0.88 * 0.92 * 0.94
        ));
    }

    #[test]
    fn repairs_mostly_succeed() {
        let repaired = [turn(Role::User), turn(Role::Assistant), turn(Role::User)];
        let good = share(&repaired, &ResponseFormat::Text, TEXT, |text| text == TEXT);
        assert!(good > 0.85 && good < 0.97, "{good}");
    }

    #[test]
    fn json_stays_json_inside_its_wrapping() {
        let answer = r#"{"tag":"steel","description":"The density of the metal is known, and that is quite enough."}"#;
        let mut changed = 0;
        for seed in 0..1000 {
            let text = spoil(
                answer.to_owned(),
                &[],
                &ResponseFormat::JsonObject,
                &mut Chance::new(seed),
            );
            let (from, to) = (text.find('{').unwrap(), text.rfind('}').unwrap());
            let value: Value = serde_json::from_str(&text[from..=to]).unwrap();
            assert_eq!(value["tag"], "steel");
            changed += usize::from(!text.contains(answer));
        }
        assert!((130..260).contains(&changed), "{changed}");
    }
}

//! An answer as a component receives it.
//!
//! It removes what a model or its server adds around an answer, and repairs small faults of JSON where JSON was asked for. It
//! never changes what an answer says: where more than one reading is possible, the answer stays as it is. The journal keeps the
//! answer as it came, so this is repeated, in some microseconds, each time that a component receives it.
//!
//! It knows only the answer and its question.

mod code;
mod json;
mod thoughts;
mod tokens;

use types::json::Json;
use types::request::ResponseFormat;

/// How often marks are looked for among what others were taken from.
const MOST_ROUNDS: usize = 3;
/// Ends of the marks that stand in brackets, of which few others end so.
const IN_BRACKETS: [&str; 6] = ["THINK]", "think]", "INST]", "[EOS]", "[BOS]", "[gMASK]"];

/// The answer to a question of this format, as the component is told it.
pub fn answer(text: String, format: &ResponseFormat) -> String {
    match format {
        ResponseFormat::Text => {
            let text = without_marks(text, thoughts::Place::Anywhere);
            without_control_characters(text)
        }
        ResponseFormat::JsonObject => of_json(text, None),
        ResponseFormat::JsonSchema(schema) => of_json(text, Some(schema)),
    }
}

fn of_json(text: String, schema: Option<&Json>) -> String {
    let text = match json::valid(&text, schema) {
        Some(json::Valid::AsItIs) => return text,
        Some(json::Valid::Changed(json)) => return json,
        None => without_marks(text, thoughts::Place::Ahead),
    };
    json::mended(&text, schema).unwrap_or(text)
}

/// The text without thoughts and without the tokens that separate turns.
fn without_marks(text: String, place: thoughts::Place) -> String {
    if !text.contains(['<', '◁'])
        && !IN_BRACKETS.iter().any(|mark| text.contains(mark))
        && !text.starts_with(tokens::CHANNEL_WITHOUT_TOKENS)
        && !text.starts_with(tokens::ROLE)
    {
        return text;
    }
    let mut rest = text;
    for _ in 0..MOST_ROUNDS {
        let said = tokens::final_channel(&rest);
        let said = tokens::removed(&thoughts::removed(said, place));
        // What was taken away may have stood between the parts of another mark.
        if said.len() >= rest.len() {
            return said;
        }
        rest = said;
    }
    rest
}

/// Whether a character is one that no file for people should hold.
pub fn is_control(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\t' | '\r')
}

fn without_control_characters(mut text: String) -> String {
    if text.contains(is_control) {
        text.retain(|letter| !is_control(letter));
    }
    text
}

#[cfg(test)]
mod tests;

//! The tokens by which chat models and servers separate turns, where they were left in an answer: `<|im_end|>`, `</s>`,
//! `<|eot_id|>`, and the channels of the harmony format.

use super::code::Code;

/// How an answer in the harmony format begins whose tokens were dropped and whose words were left.
pub(super) const CHANNEL_WITHOUT_TOKENS: &str = "analysis";
/// What its final channel begins with then.
const FINAL_WITHOUT_TOKENS: &str = "assistantfinal";
/// Longest name of a token.
const LONGEST: usize = 40;

/// What a token means for the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The turn is over: what follows is no part of the answer.
    End,
    /// A turn begins: a role may follow.
    Turn,
    Mark,
}

/// Tokens without bars, and `[INST]`, which is how a question begins.
const PLAIN: [(&str, Meaning); 14] = [
    ("<end_of_turn>", Meaning::End),
    ("<turn|>", Meaning::End),
    ("<eos>", Meaning::End),
    ("<eot>", Meaning::End),
    ("<start_of_turn>", Meaning::Turn),
    ("<|turn>", Meaning::Turn),
    ("[INST]", Meaning::Turn),
    ("[/INST]", Meaning::Mark),
    ("<bos>", Meaning::Mark),
    ("<pad>", Meaning::Mark),
    ("<unk>", Meaning::Mark),
    ("[EOS]", Meaning::End),
    ("[BOS]", Meaning::Mark),
    ("[gMASK]<sop>", Meaning::Mark),
];

/// What servers leave of the token that begins an answer.
pub(super) const ROLE: &str = "assistant";
/// Roles whose name may stand behind the token that begins a turn.
const ROLES: [&str; 3] = [ROLE, "model", "ai"];

/// The final channel of an answer in the harmony format, or the text as it is. An answer that never came to its final channel
/// is empty.
pub(super) fn final_channel(text: &str) -> &str {
    const CHANNEL: &str = "<|channel|>";
    const MESSAGE: &str = "<|message|>";
    if text.starts_with(CHANNEL_WITHOUT_TOKENS)
        && let Some((_, said)) = text.rsplit_once(FINAL_WITHOUT_TOKENS)
    {
        return said;
    }
    let code = Code::of(text);
    let mut channels = text
        .match_indices(CHANNEL)
        .filter(|(at, _)| !code.has(*at))
        .filter_map(|(at, mark)| text.get(at + mark.len()..)?.split_once(MESSAGE))
        .filter(|(head, _)| head.len() <= LONGEST && !head.contains('\n'))
        .peekable();
    if channels.peek().is_none() {
        return text;
    }
    let said = channels.filter(|(head, _)| head.trim_start().starts_with("final"));
    said.last().map_or("", |(_, said)| said)
}

/// A token and its place in the text.
struct Token {
    start: usize,
    end: usize,
    meaning: Meaning,
}

/// The text without tokens, up to the end of the answer's turn.
pub(super) fn removed(text: &str) -> String {
    let text = without_ends(without_heads(text));
    let code = Code::of(text);
    let mut said = String::new();
    let mut copied = 0;
    for token in tokens(text).filter(|token| !code.has(token.start)) {
        said.push_str(text.get(copied..token.start).unwrap_or_default());
        copied = token.end;
        if token.meaning != Meaning::Mark && !said.trim().is_empty() {
            return said.trim_end().to_owned();
        }
    }
    said.push_str(text.get(copied..).unwrap_or_default());
    said
}

/// The text without the tokens and the role that it begins with.
fn without_heads(text: &str) -> &str {
    let mut rest = text;
    let mut turn = false;
    loop {
        let begun = rest.trim_start();
        if let Some(token) = token_at(begun, 0) {
            // `<s>` is HTML as well, for text that is struck through.
            turn |= token.meaning == Meaning::Turn;
            rest = begun.get(token.end..).unwrap_or_default();
        } else if let Some(behind) = begun.strip_prefix("<s>")
            && (!behind.contains("</s>") || behind.trim_end().ends_with("</s>"))
            && behind.matches("</s>").count() <= 1
        {
            rest = behind;
        } else if let Some(behind) = role(begun, turn) {
            turn = false;
            rest = behind;
        } else {
            return rest;
        }
    }
}

/// What stands behind the name of a role. Without a token before it, it must have a line of its own.
fn role(text: &str, turn: bool) -> Option<&str> {
    let behind = ROLES.iter().find_map(|role| text.strip_prefix(role))?;
    let line_ends = behind
        .trim_start_matches([' ', '\t', '\r'])
        .starts_with('\n');
    let fits = line_ends || (turn && !behind.starts_with(char::is_alphanumeric));
    // A word such as "model" may be a title; servers that drop the tokens leave "assistant".
    (fits && (turn || text.starts_with("assistant"))).then_some(behind)
}

/// The text without the tokens that it ends with, a half one included.
fn without_ends(text: &str) -> &str {
    let mut rest = text;
    let struck = text.matches("<s>").count();
    let mut closed = text.matches("</s>").count();
    loop {
        let ended = rest.trim_end();
        let start = ended.rfind(['<', '[']).unwrap_or(ended.len());
        let mark = ended.get(start..).unwrap_or_default();
        let whole = token_at(ended, start).is_some_and(|token| token.end == ended.len());
        let sentence = mark == "</s>" && closed > struck;
        if whole || sentence || is_half(mark) {
            closed -= usize::from(sentence);
            rest = ended.get(..start).unwrap_or_default();
        } else if rest.len() == text.len() {
            return text;
        } else {
            return ended;
        }
    }
}

/// `<|im_end`, where the answer ends within the token.
fn is_half(mark: &str) -> bool {
    let name = mark
        .strip_prefix("<|")
        .map(|name| name.strip_suffix('|').unwrap_or(name));
    name.is_some_and(|name| name.len() >= 2 && name.chars().all(is_of_name))
}

fn tokens(text: &str) -> impl Iterator<Item = Token> {
    let mut struck = 0;
    text.match_indices(['<', '['])
        .filter_map(move |(start, _)| {
            let rest = text.get(start..)?;
            if rest.starts_with("<s>") {
                struck += 1;
            } else if rest.starts_with("</s>") {
                if struck == 0 {
                    let (end, meaning) = (start + "</s>".len(), Meaning::End);
                    return Some(Token {
                        start,
                        end,
                        meaning,
                    });
                }
                struck -= 1;
            }
            token_at(text, start)
        })
}

fn token_at(text: &str, start: usize) -> Option<Token> {
    let rest = text.get(start..)?;
    if let Some((token, meaning)) = PLAIN.iter().find(|(token, _)| rest.starts_with(token)) {
        let (end, meaning) = (start + token.len(), *meaning);
        return Some(Token {
            start,
            end,
            meaning,
        });
    }
    let inside = rest
        .strip_prefix("<|")
        .or_else(|| rest.strip_prefix("<｜"))?;
    let length = inside.find(|letter| !is_of_name(letter))?;
    let name = inside
        .get(..length)
        .filter(|name| !name.is_empty() && length <= LONGEST)?;
    let after = inside.get(length..)?;
    let after = after
        .strip_prefix("|>")
        .or_else(|| after.strip_prefix("｜>"))?;
    Some(Token {
        start,
        end: text.len() - after.len(),
        meaning: meaning(name),
    })
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '▁' | '-' | '.' | '/')
}

fn meaning(name: &str) -> Meaning {
    let name = name.to_ascii_lowercase().replace('▁', "_");
    match name.as_str() {
        "im_end" | "eot_id" | "eom_id" | "end" | "return" | "call" | "endoftext" | "eot"
        | "eos" | "end_of_text" | "end_of_turn" | "end_of_turn_token" | "end_of_sentence"
        | "end_of_message" | "end_response" | "end_text" | "end_of_document" | "user"
        | "system" | "tool" | "observation" => Meaning::End,
        "im_start"
        | "start_header_id"
        | "start_of_role"
        | "start_of_turn_token"
        | "start"
        | "assistant" => Meaning::Turn,
        _ => Meaning::Mark,
    }
}

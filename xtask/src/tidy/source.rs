//! Rust source as the rules see it: the paths that code names, without comments and literals.
//!
//! Not a parser: it finds `a::b::c` wherever it stands, takes `use a::{b, c::d}` apart, and gives macros as `name!`. It
//! does not resolve names, so code that renames an import can hide from a rule.

/// A path that code names, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// Counted from 1.
    pub line: usize,
    /// `["std", "fs", "read"]`; a macro's last segment ends with `!`.
    pub segments: Vec<String>,
}

impl NamedPath {
    /// Whether `wanted`, such as `std::fs`, stands in this path as whole segments.
    pub fn contains(&self, wanted: &str) -> bool {
        let wanted: Vec<_> = wanted.split("::").collect();
        self.segments
            .windows(wanted.len())
            .any(|window| window == wanted)
    }
}

/// Every path of two segments or more, every macro, and every path that a `use` brings in.
pub fn named_paths(source: &str) -> Vec<NamedPath> {
    let tokens = tokens(&code_only(source));
    let mut paths = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        if token.text == "use" {
            rest = use_tree(after, &[], &mut paths);
        } else if token.is_name() {
            let mut segments = vec![token.text.clone()];
            while let [colons, name, after @ ..] = rest
                && colons.text == "::"
                && name.is_name()
            {
                segments.push(name.text.clone());
                rest = after;
            }
            if let [bang, open, ..] = rest
                && bang.text == "!"
                && ["(", "[", "{"].contains(&open.text.as_str())
                && let Some(last) = segments.last_mut()
            {
                last.push('!');
                paths.push(NamedPath {
                    line: token.line,
                    segments,
                });
            } else if segments.len() > 1 {
                paths.push(NamedPath {
                    line: token.line,
                    segments,
                });
            }
        }
    }
    paths
}

/// Adds the paths of the tree that `tokens` begin with, and gives what stands after it.
fn use_tree<'a>(
    mut tokens: &'a [Token],
    prefix: &[String],
    paths: &mut Vec<NamedPath>,
) -> &'a [Token] {
    let mut segments = prefix.to_vec();
    let mut line = None;
    while let Some((token, after)) = tokens.split_first() {
        match token.text.as_str() {
            "::" => {}
            "as" => {
                push(paths, line, segments);
                return after.get(1..).unwrap_or_default();
            }
            "{" => {
                tokens = after;
                loop {
                    tokens = use_tree(tokens, &segments, paths);
                    match tokens.split_first() {
                        Some((comma, after)) if comma.text == "," => tokens = after,
                        Some((_, after)) => return after,
                        None => return tokens,
                    }
                }
            }
            "," | ";" | "}" => break,
            _ => {
                line = line.or(Some(token.line));
                segments.push(token.text.clone());
            }
        }
        tokens = after;
    }
    push(paths, line, segments);
    tokens
}

fn push(paths: &mut Vec<NamedPath>, line: Option<usize>, segments: Vec<String>) {
    if let Some(line) = line {
        paths.push(NamedPath { line, segments });
    }
}

struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text
            .starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
    }
}

/// Names and numbers, `::`, and every other visible character by itself.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut line = 1;
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut text = String::from(letter);
        if letter.is_alphanumeric() || letter == '_' {
            while let Some(more) = letters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                text.push(more);
            }
        } else if letter == ':' && letters.next_if_eq(&':').is_some() {
            text.push(':');
        }
        if letter == '\n' {
            line += 1;
        } else if !letter.is_whitespace() {
            tokens.push(Token { line, text });
        }
    }
    tokens
}

/// `source` with comments and the contents of literals blanked. Lines stay where they are.
pub fn code_only(source: &str) -> String {
    let letters: Vec<char> = source.chars().collect();
    let at = |place: usize| letters.get(place).copied().unwrap_or('\0');
    let mut code = String::with_capacity(source.len());
    let mut place = 0;
    while place < letters.len() {
        let end = match (at(place), at(place + 1)) {
            ('/', '/') => line_comment_end(&letters, place),
            ('/', '*') => block_comment_end(&letters, place),
            ('"', _) => string_end(&letters, place),
            ('r', '"' | '#') if !continues_name(&letters, place) => raw_string_end(&letters, place),
            // 'a' and '\n' are literals, 'a is a lifetime.
            ('\'', '\\') => character_end(&letters, place),
            ('\'', _) if at(place + 2) == '\'' => place + 3,
            _ => place,
        };
        if end == place {
            code.push(at(place));
            place += 1;
        }
        while place < end.min(letters.len()) {
            code.push(if at(place) == '\n' { '\n' } else { ' ' });
            place += 1;
        }
    }
    code
}

fn line_comment_end(letters: &[char], start: usize) -> usize {
    let length = letters
        .iter()
        .skip(start)
        .position(|letter| *letter == '\n');
    length.map_or(letters.len(), |length| start + length)
}

fn block_comment_end(letters: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut place = start;
    while place < letters.len() {
        match (letters.get(place), letters.get(place + 1)) {
            (Some('/'), Some('*')) => depth += 1,
            (Some('*'), Some('/')) => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            break;
        }
    }
    place
}

fn string_end(letters: &[char], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(letter) = letters.get(place) {
        place += if *letter == '\\' { 2 } else { 1 };
        if *letter == '"' {
            break;
        }
    }
    place
}

fn character_end(letters: &[char], start: usize) -> usize {
    // The character after the backslash may itself be a quote.
    let closing = letters
        .iter()
        .skip(start + 3)
        .position(|letter| *letter == '\'');
    closing.map_or(letters.len(), |length| start + 3 + length + 1)
}

/// End of a raw string, or `start` where `r` begins something else, such as `r#type`.
fn raw_string_end(letters: &[char], start: usize) -> usize {
    let hashes = letters
        .iter()
        .skip(start + 1)
        .take_while(|letter| **letter == '#')
        .count();
    let open = start + 1 + hashes;
    if letters.get(open) != Some(&'"') {
        return start;
    }
    let mut place = open + 1;
    while place < letters.len() {
        let closed = letters.get(place) == Some(&'"')
            && letters
                .iter()
                .skip(place + 1)
                .take(hashes)
                .filter(|letter| **letter == '#')
                .count()
                == hashes;
        place += 1;
        if closed {
            return place + hashes;
        }
    }
    place
}

fn continues_name(letters: &[char], place: usize) -> bool {
    // `br"…"` and `cr"…"` are literals too.
    let before = |back: usize| {
        place
            .checked_sub(back)
            .and_then(|place| letters.get(place))
            .copied()
    };
    let in_name = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let literal = matches!(before(1), Some('b' | 'c')) && !in_name(before(2));
    in_name(before(1)) && !literal
}

#[cfg(test)]
mod tests;

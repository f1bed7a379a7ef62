//! Fills a template that does nothing but put values in, as most do: the template language takes longer to set up than that.

use sdk::Value;

use crate::values::{ROOTS, Values};

/// The filled template. `None` is for all others: for one with a statement, comment or filter, and for one that puts in what
/// is absent or is neither a text nor a whole number.
pub fn fill(template: &str, values: &Values) -> Option<String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tag)) = rest.split_once('{') {
        filled.push_str(before);
        if let Some(tag) = tag.strip_prefix('{') {
            let (expression, behind) = tag.split_once("}}")?;
            match values.value(&path(expression.trim_ascii())?)? {
                Value::String(text) => filled.push_str(text),
                Value::Number(number) if !number.is_f64() => filled.push_str(&number.to_string()),
                _ => return None,
            }
            rest = behind;
        } else if tag.starts_with(['%', '#']) {
            return None;
        } else {
            filled.push('{');
            rest = tag;
        }
    }
    filled.push_str(rest);
    Some(filled)
}

/// The path that an expression is, if it is nothing else.
fn path(expression: &str) -> Option<Vec<&str>> {
    let root = ROOTS.iter().find(|root| expression.starts_with(**root))?;
    let mut path = vec![*root];
    let mut rest = expression.strip_prefix(root)?;
    while !rest.is_empty() {
        let (name, length) = key(rest)?;
        let quoted = rest.starts_with("[\"") || rest.starts_with("['");
        let is_plain = match quoted {
            true => !name.contains('\\'),
            false => rest.starts_with('.') && is_word(name),
        };
        if !is_plain {
            return None;
        }
        path.push(name);
        rest = rest.get(length..)?;
    }
    Some(path)
}

fn is_word(name: &str) -> bool {
    let mut letters = name.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// The key that an expression goes on with, and the length of what says so: `.name`, `["name"]`, `[0]`.
pub fn key(text: &str) -> Option<(&str, usize)> {
    if let Some(name) = text.strip_prefix('.') {
        let length = name
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .unwrap_or(name.len());
        return (length > 0).then(|| Some((name.get(..length)?, length + 1)))?;
    }
    let inside = text.strip_prefix('[')?;
    let (key, _) = inside.split_once(']')?;
    let name = key.trim();
    let quoted = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    let name = quoted('"')
        .or_else(|| quoted('\''))
        .or_else(|| name.parse::<usize>().is_ok().then_some(name))?;
    Some((name, key.len() + 2))
}

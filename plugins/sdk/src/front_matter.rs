//! What a text that begins with a line `---` is to those who publish Markdown: that line and the next `---` enclose front
//! matter, which the host publishes only if it is a mapping in YAML. A model means a rule there, or writes YAML that is none.
//!
//! This is no parser of YAML: what it accepts is YAML everywhere. What it does not know goes back to the model, which can say
//! the same in a plainer form.

use std::collections::HashSet;

/// How deep values may nest.
const DEPTH: usize = 16;

/// The text without a rule that it begins with, where that rule cannot be meant as the beginning of front matter.
pub(crate) fn without_rule(text: &str) -> &str {
    match text.strip_prefix("---\n") {
        Some(rest) if !begins(rest) => rest.trim_start_matches('\n'),
        _ => text,
    }
}

/// What is wrong with the front matter that a text begins with, as a message for the model; nothing if it has none.
pub(crate) fn violation(text: &str) -> Option<String> {
    let rest = text.strip_prefix("---\n").filter(|rest| begins(rest))?;
    let lines: Vec<&str> = rest.lines().collect();
    let Some(end) = lines.iter().position(|line| line.trim_end() == "---") else {
        return Some("the text begins with `---`, which begins front matter, and no second `---` ends it; leave it out".to_owned());
    };
    let lines: Vec<Line<'_>> = lines
        .iter()
        .take(end)
        .filter_map(|line| Line::read(line))
        .collect();
    let mut reader = Reader {
        lines: &lines,
        next: 0,
    };
    let is_list = lines.first().is_some_and(|line| line.item().is_some());
    let whole = !is_list && reader.block(0, 0).is_some() && reader.next == lines.len();
    if whole {
        return None;
    }
    let line = lines
        .get(reader.next)
        .or(lines.last())
        .map_or("", |line| line.text);
    Some(format!(
        "the text begins with `---` and so with front matter, which is no mapping in valid YAML, see the line `{line}`; write \
         `key: value` lines there with values in double quotes, or do not begin with `---`"
    ))
}

/// Whether lines behind `---` are meant as front matter: they begin with a key or the item of a list.
fn begins(lines: &str) -> bool {
    let first = lines.lines().next().unwrap_or_default();
    first.starts_with("- ") || key(first).is_some()
}

/// A line that is not blank and no comment.
#[derive(Clone, Copy)]
struct Line<'a> {
    indent: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_end();
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        (!text.is_empty() && !text.starts_with('#')).then_some(Line { indent, text })
    }

    /// What stands behind the dash of a list's item.
    fn item(self) -> Option<&'a str> {
        if self.text == "-" {
            return Some("");
        }
        self.text.strip_prefix("- ").map(str::trim_start)
    }
}

struct Reader<'a> {
    lines: &'a [Line<'a>],
    next: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Line<'a>> {
        self.lines.get(self.next).copied()
    }

    /// Reads a mapping or a list whose lines stand at this indent.
    fn block(&mut self, indent: usize, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        let is_list = self.peek()?.item().is_some();
        let mut keys = HashSet::new();
        while let Some(line) = self.peek().filter(|line| line.indent >= indent) {
            if line.indent > indent || line.item().is_some() != is_list {
                return None;
            }
            match line.item() {
                Some(inside) => self.item(inside, line, depth)?,
                None => {
                    let name = self.pair(line.text, indent, depth)?;
                    if !keys.insert(name) {
                        return None;
                    }
                }
            }
        }
        Some(())
    }

    fn item(&mut self, inside: &'a str, line: Line<'a>, depth: usize) -> Option<()> {
        let indent = line.indent + line.text.len() - inside.len();
        if inside.is_empty() {
            self.next += 1;
            return self.nested(line.indent, false, depth);
        }
        if key(inside).is_none() {
            is_scalar(inside).then_some(())?;
            self.next += 1;
            return Some(());
        }
        let mut keys = HashSet::from([self.pair(inside, indent, depth)?]);
        while let Some(line) = self.peek().filter(|line| line.indent == indent) {
            let name = self.pair(line.text, indent, depth)?;
            keys.insert(name).then_some(())?;
        }
        Some(())
    }

    /// Reads a key and its value, and gives the key.
    fn pair(&mut self, text: &'a str, indent: usize, depth: usize) -> Option<&'a str> {
        let (name, value) = key(text)?;
        let is_block = matches!(value, "|" | ">" | "|-" | ">-" | "|+" | ">+");
        if !(is_block || value.is_empty() || is_scalar(value)) {
            return None;
        }
        self.next += 1;
        if is_block {
            while self.peek().is_some_and(|line| line.indent > indent) {
                self.next += 1;
            }
        } else if value.is_empty() {
            self.nested(indent, true, depth)?;
        }
        Some(name)
    }

    /// Reads what is nested in a line at this indent, if there is something.
    fn nested(&mut self, indent: usize, list_at_indent: bool, depth: usize) -> Option<()> {
        match self.peek() {
            Some(line) if line.indent > indent => self.block(line.indent, depth + 1),
            Some(line) if list_at_indent && line.indent == indent && line.item().is_some() => {
                self.list_at(indent, depth + 1)
            }
            _ => Some(()),
        }
    }

    /// A list whose dashes stand under the key that it belongs to.
    fn list_at(&mut self, indent: usize, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        while let Some(line) = self.peek().filter(|line| line.indent == indent) {
            let Some(inside) = line.item() else { break };
            self.item(inside, line, depth)?;
        }
        Some(())
    }
}

/// The key that a line begins with, and the value behind it.
fn key(text: &str) -> Option<(&str, &str)> {
    let (name, value) = match text.split_once(": ") {
        Some((name, value)) => (name, value.trim()),
        None => (text.strip_suffix(':')?, ""),
    };
    let plain = |name: &str| {
        let allowed = |letter: char| {
            letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ' ' | '/')
        };
        name.starts_with(char::is_alphabetic) && name.chars().all(allowed)
    };
    const OTHERS: [&str; 8] = ["null", "true", "false", "yes", "no", "on", "off", "y"];
    let other = OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other));
    let name = name.trim_end();
    ((plain(name) && !other) || is_quoted(name)).then_some((name, value))
}

/// Whether a value on one line is surely one scalar, or a list of some.
fn is_scalar(value: &str) -> bool {
    if is_quoted(value) || value == "{}" {
        return true;
    }
    if let Some(items) = value
        .strip_prefix('[')
        .and_then(|items| items.strip_suffix(']'))
    {
        let plain = |item: &str| {
            item.is_empty()
                || (is_plain(item) && !item.contains(['[', ']', '{', '}', '"', '\'', ':', '#']))
        };
        return split_items(items)
            .is_some_and(|items| items.iter().all(|item| is_quoted(item) || plain(item)));
    }
    is_plain(value)
}

/// The items of a list on one line, which commas part outside of quotes.
fn split_items(text: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    let (mut start, mut quote) = (0, None);
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), _) if letter == open && !escaped => quote = None,
            (None, '"' | '\'') if text.get(start..at)?.trim().is_empty() => quote = Some(letter),
            (None, ',') => {
                items.push(text.get(start..at)?.trim());
                start = at + 1;
            }
            _ => {}
        }
        escaped = false;
    }
    items.push(text.get(start..)?.trim());
    quote.is_none().then_some(items)
}

fn is_quoted(value: &str) -> bool {
    if let Some(inside) = value.strip_prefix('\'') {
        let closed = inside.strip_suffix('\'');
        return closed.is_some_and(|inside| !inside.replace("''", "").contains('\''));
    }
    // The strings of JSON are strings of YAML.
    value.starts_with('"') && serde_json::from_str::<String>(value).is_ok()
}

fn is_plain(value: &str) -> bool {
    const MARKS: [char; 18] = [
        '&', '*', '!', '|', '>', '%', '@', '`', '{', '}', '[', ']', ',', '#', '?', '"', '\'', ':',
    ];
    let lists = value == "-" || value.starts_with("- ") || value.starts_with("---");
    !value.starts_with(MARKS)
        && !lists
        && !value.contains(": ")
        && !value.contains('\t')
        && !value.ends_with(':')
}

#[cfg(test)]
mod tests;

//! Markdown that is well formed whatever its cells hold.

use std::fmt::Write;

/// A table whose rows all have as many cells as its head.
#[derive(Clone, Debug)]
pub struct Table<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub fn new(head: [&'static str; COLUMNS]) -> Self {
        Table {
            head,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table in Markdown: head, separator and rows, a line each, the last one ended too.
    pub fn render(&self) -> String {
        let mut out = String::new();
        line(&mut out, self.head.iter().copied());
        line(&mut out, self.head.iter().map(|_| "---"));
        for row in &self.rows {
            line(&mut out, row.iter().map(String::as_str));
        }
        out
    }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for cell in cells {
        let _ = write!(out, "| {} ", escape(cell));
    }
    out.push_str("|\n");
}

/// A text that stays within its cell: bars escaped, line breaks turned into spaces.
pub fn escape(cell: &str) -> String {
    let words: Vec<&str> = cell.split_whitespace().collect();
    words.join(" ").replace('\\', "\\\\").replace('|', "\\|")
}

/// The text with its first letter in upper case: the beginning of a cell or sentence.
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Lower-case words joined with hyphens, without punctuation: `Stainless Steel (316L)` is
/// `stainless-steel-316l`.
pub fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests;

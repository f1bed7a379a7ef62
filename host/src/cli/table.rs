//! Tables of text that fit the terminal: heads take several lines where they must, and where even that does not suffice, a
//! row becomes a paragraph.

use console::measure_text_width;
use textwrap::Options;

/// Between columns.
const GAP: usize = 2;

/// A table in the making.
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    wraps_last: bool,
}

impl Table {
    /// With these heads and no row.
    pub fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            wraps_last: false,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves out columns in which nothing stands but `0` or nothing at all; the first stays.
    pub fn without_empty_columns(mut self, may_go: &[&str]) -> Table {
        let is_empty = |cell: &String| cell.is_empty() || cell == "0";
        for column in (1..self.head.len()).rev() {
            let may_go = self
                .head
                .get(column)
                .is_some_and(|head| may_go.contains(&head.as_str()));
            if may_go && self.cells(column).all(is_empty) {
                self.head.remove(column);
                for row in &mut self.rows {
                    row.remove(column);
                }
            }
        }
        self
    }

    /// Lets cells of the last column take several lines before rows become paragraphs.
    pub fn wrapping_last(mut self) -> Table {
        self.wraps_last = true;
        self
    }

    /// The lines, none of them wider than this as far as that can be had.
    pub fn render(&self, width: usize) -> String {
        let whole: Vec<Vec<&str>> = self.head.iter().map(|head| vec![head.as_str()]).collect();
        let broken: Vec<Vec<&str>> = self
            .head
            .iter()
            .map(|head| head.split(' ').collect())
            .collect();
        for heads in [&whole, &broken] {
            let widths = self.widths(heads);
            if total(&widths) <= width {
                return self.columns(heads, &widths);
            }
        }
        if let Some(wrapped) = self.wrapped(&broken, width) {
            return wrapped.columns(&broken, &wrapped.widths(&broken));
        }
        self.paragraphs()
    }

    /// With the last cell of a row on as many lines as it takes, where it may and can be so.
    fn wrapped(&self, heads: &[Vec<&str>], width: usize) -> Option<Table> {
        let widths = self.widths(heads);
        let others = total(&widths) - widths.last()?;
        let room = width.checked_sub(others).filter(|_| self.wraps_last)?;
        let mut rows = Vec::new();
        for row in &self.rows {
            let (cell, before) = row.split_last()?;
            let mut before = before.to_vec();
            for line in textwrap::wrap(cell, Options::new(room).break_words(false)) {
                let rest = vec![String::new(); before.len()];
                let mut line_of_row = std::mem::replace(&mut before, rest);
                line_of_row.push(line.into_owned());
                rows.push(line_of_row);
            }
        }
        let wrapped = Table {
            head: self.head.clone(),
            rows,
            wraps_last: false,
        };
        (total(&wrapped.widths(heads)) <= width).then_some(wrapped)
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &String> {
        self.rows.iter().filter_map(move |row| row.get(column))
    }

    fn widths(&self, heads: &[Vec<&str>]) -> Vec<usize> {
        let widest = |column: usize, head: &Vec<&str>| {
            let cells = self.cells(column).map(String::as_str);
            let all = cells.chain(head.iter().copied());
            all.map(measure_text_width).max().unwrap_or(0)
        };
        heads
            .iter()
            .enumerate()
            .map(|(column, head)| widest(column, head))
            .collect()
    }

    fn columns(&self, heads: &[Vec<&str>], widths: &[usize]) -> String {
        let height = heads.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = String::new();
        for line in 0..height {
            // Heads stand on the line of the cells.
            let cells = heads.iter().map(|head| {
                let above = height - head.len();
                line.checked_sub(above)
                    .and_then(|place| head.get(place).copied())
                    .unwrap_or("")
            });
            self.line(cells, widths, &mut text);
        }
        for row in &self.rows {
            self.line(row.iter().map(String::as_str), widths, &mut text);
        }
        text
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize], text: &mut String) {
        let mut line = String::new();
        for (column, (cell, width)) in cells.zip(widths).enumerate() {
            if column > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let space = " ".repeat(width.saturating_sub(measure_text_width(cell)));
            if self.is_of_numbers(column) {
                line.push_str(&space);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&space);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    /// Numbers stand to the right.
    fn is_of_numbers(&self, column: usize) -> bool {
        let is_number = |cell: &String| {
            let begins =
                cell.starts_with(|letter: char| letter.is_ascii_digit() || "~$".contains(letter));
            begins || cell.is_empty() || cell == "unknown"
        };
        column > 0 && self.cells(column).all(is_number)
    }

    fn paragraphs(&self) -> String {
        let mut text = String::new();
        let names = self
            .head
            .iter()
            .skip(1)
            .map(|head| measure_text_width(head));
        let width = names.max().unwrap_or(0);
        for row in &self.rows {
            for (column, (head, cell)) in self.head.iter().zip(row).enumerate() {
                if column == 0 {
                    text.push_str(&format!("{cell}\n"));
                } else if !cell.is_empty() {
                    let space = " ".repeat(width.saturating_sub(measure_text_width(head)));
                    text.push_str(&format!("  {head}{space}  {cell}\n"));
                }
            }
        }
        text
    }
}

/// Of all columns with what is between them.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["component", "to make", "depends on upstream", "known from"]);
        table.row(["text", "12", "3", "40 tasks before"]);
        table.row(["description", "~1200", "", "cap on answers"]);
        table
    }

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        assert_eq!(
            table().render(80),
            "component    to make  depends on upstream  known from\n\
             text              12                    3  40 tasks before\n\
             description    ~1200                       cap on answers\n"
        );
    }

    #[test]
    fn heads_are_broken_before_rows_are() {
        let lines = [
            "                     depends",
            "                to        on  known",
            "component     make  upstream  from",
            "text            12         3  40 tasks before",
            "description  ~1200            cap on answers",
            "",
        ];
        assert_eq!(table().render(48), lines.join("\n"));
        assert_eq!(
            table().render(30).lines().take(4).collect::<Vec<_>>(),
            [
                "text",
                "  to make              12",
                "  depends on upstream  3",
                "  known from           40 tasks before"
            ]
        );
    }

    #[test]
    fn the_last_column_may_take_several_lines() {
        let mut table = Table::new(["plugin", "size", "needs"]);
        table.row(["page", "103 kB", "frontmatter, metatags, text"]);
        table.row(["text", "9 kB", ""]);
        let table = table.wrapping_last();
        let lines = [
            "plugin    size  needs",
            "page    103 kB  frontmatter,",
            "                metatags, text",
            "text      9 kB",
            "",
        ];
        assert_eq!(table.render(30), lines.join("\n"));
        assert!(table.render(20).starts_with("page\n"));
        assert!(table.render(80).lines().count() == 3);
    }

    #[test]
    fn columns_without_anything_may_go() {
        let mut table = Table::new(["component", "made", "failed", "blocked"]);
        table.row(["text", "0", "0", "2"]);
        let text = table
            .without_empty_columns(&["failed", "blocked"])
            .render(80);
        assert_eq!(text, "component  made  blocked\ntext          0        2\n");
    }
}

use proptest::prelude::*;

use super::*;

/// Cells of a rendered line, by the rule that a backslash takes the next character as it is.
fn cells(line: &str) -> usize {
    let mut escaped = false;
    let mut bars = 0;
    for c in line.chars() {
        bars += usize::from(c == '|' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    bars - 1
}

#[test]
fn a_table_has_head_separator_and_rows() {
    let mut table = Table::new(["Key", "Value"]);
    assert!(table.is_empty());
    table.row(["a|b".to_owned(), "1\n2".to_owned()]);
    assert_eq!(
        table.render(),
        "| Key | Value |\n| --- | --- |\n| a\\|b | 1 2 |\n"
    );
}

#[test]
fn slugs_are_hyphenated_words() {
    assert_eq!(slug("Stainless Steel (316L)"), "stainless-steel-316l");
    assert_eq!(slug("Oil & Gas / Energy "), "oil-gas-energy");
    assert_eq!(slug("–"), "");
}

#[test]
fn a_line_says_only_itself() {
    assert_eq!(
        inline("a *b*\n[c](d) <e> `f` g_h \\"),
        "a \\*b\\* \\[c\\](d) \\<e> \\`f\\` g\\_h \\\\"
    );
    assert_eq!(inline("0.5–3 J/cm², 50%"), "0.5–3 J/cm², 50%");
}

#[test]
fn lists_read_as_people_write_them() {
    assert_eq!(listed::<&str>(&[]), "");
    assert_eq!(listed(&["a"]), "a");
    assert_eq!(listed(&["a", "b"]), "a and b");
    assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
}

proptest! {
    #[test]
    fn every_line_has_as_many_cells_as_the_head(first in any::<String>(), second in any::<String>()) {
        let mut table = Table::new(["a", "b"]);
        table.row([first, second]);
        let text = table.render();
        prop_assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            prop_assert_eq!(cells(line), 2, "{}", line);
        }
    }
}

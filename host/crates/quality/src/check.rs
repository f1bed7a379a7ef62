//! Rules that a text keeps or breaks, which no model has to judge.

use std::fmt;

use super::language::Language;
use super::links::missing;
use super::prose::{Form, Prose};
use super::readability::{hardest, reading_ease};
use super::words::{fold, sentences, words};

/// What is asked of a text. What is empty or `None` is not asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Words, or several in a row, that must be there: whole words, in any case.
    pub required: Vec<String>,
    /// Words, or several in a row, that must not be there.
    pub forbidden: Vec<String>,
    /// The least number of words, those of headings, tables and code included.
    pub min_words: Option<u64>,
    /// The greatest number of words.
    pub max_words: Option<u64>,
    /// How easy its sentences must be to read.
    pub reading_ease: Option<EaseRule>,
    /// Whether relative links must lead to a file.
    pub links: bool,
}

/// How easy a text must be to read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EaseRule {
    /// The language of the text, which decides the formula.
    pub language: Language,
    /// The least score.
    pub at_least: Option<f64>,
    /// The greatest score.
    pub at_most: Option<f64>,
}

/// A text that is held against rules.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The whole file. Its front matter is not held against the rules.
    pub text: &'a str,
    /// Its format.
    pub form: Form,
    /// Where it lies, from the folder that links may lead to, divided by `/`.
    pub path: &'a str,
}

/// A rule that a text breaks, and how: a sentence that names the word, the number, the sentence or the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the rule: `required`, `forbidden`, `words`, `reading-ease` or `links`.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Letters of a sentence that are quoted.
const QUOTED: usize = 160;

/// Holds a text against rules; nothing is wrong where the list is empty. `is_there` tells of a path whether a file or folder is
/// there, and is asked for links alone.
pub fn check(
    rules: &Rules,
    document: &Document<'_>,
    is_there: &dyn Fn(&str) -> bool,
) -> Vec<Violation> {
    let prose = Prose::of(document.text, document.form);
    let mut found = Vec::new();
    let mut add = |rule, message| found.push(Violation { rule, message });
    let is_named = |word: &&String| !word.trim().is_empty();
    for wanted in rules.required.iter().filter(is_named) {
        if Sought::new(wanted).find(&prose).is_none() {
            add("required", format!("{} is missing", named(wanted)));
        }
    }
    for unwanted in rules.forbidden.iter().filter(is_named) {
        if let Some((times, sentence)) = Sought::new(unwanted).find(&prose) {
            let times = if times > 1 {
                format!(" {times} times, first")
            } else {
                String::new()
            };
            let sentence = quoted(sentence);
            add(
                "forbidden",
                format!(
                    "{} must not stand there, and does{times} in {sentence}",
                    named(unwanted)
                ),
            );
        }
    }
    if let Some(message) = wrong_length(rules, &prose) {
        add("words", message);
    }
    if let Some(message) = rules.reading_ease.and_then(|rule| wrong_ease(rule, &prose)) {
        add("reading-ease", message);
    }
    if rules.links {
        for link in missing(&prose, document.path, is_there) {
            let block = prose.blocks().nth(link.block).map(|(_, text)| text);
            let place = block.and_then(|block| sentences(block).next());
            let place = place.map_or_else(String::new, |text| format!(", in {}", quoted(text)));
            add(
                "links",
                format!("the link `{}` leads to no file{place}", link.target),
            );
        }
    }
    found
}

fn wrong_length(rules: &Rules, prose: &Prose) -> Option<String> {
    let count = words(prose.text()).count() as u64;
    let has = match count {
        1 => "it has 1 word".to_owned(),
        count => format!("it has {count} words"),
    };
    let few = rules.min_words.filter(|least| count < *least);
    let many = rules.max_words.filter(|most| count > *most);
    few.map(|least| format!("{has}, and must have {least} or more"))
        .or_else(|| many.map(|most| format!("{has}, and must have {most} or fewer")))
}

fn wrong_ease(rule: EaseRule, prose: &Prose) -> Option<String> {
    let ease = reading_ease(prose, rule.language)?;
    let is = format!(
        "its reading ease is {:.0} ({:.0} words a sentence, {:.2} syllables a word)",
        ease.score, ease.words, ease.syllables
    );
    if let Some(least) = rule.at_least.filter(|least| ease.score < *least) {
        let hardest = hardest(prose, rule.language).map(quoted);
        return Some(format!(
            "{is}, and must be {least} or more; the hardest sentence is {}",
            hardest.unwrap_or_default()
        ));
    }
    let most = rule.at_most.filter(|most| ease.score > *most)?;
    Some(format!("{is}, and must be {most} or less"))
}

/// A word, several in a row, or a mark that is no word.
struct Sought<'a> {
    written: &'a str,
    folded: Vec<String>,
}

impl Sought<'_> {
    fn new(written: &str) -> Sought<'_> {
        Sought {
            written: written.trim(),
            folded: folded(written),
        }
    }

    /// How often it is there, and the first sentence that has it.
    fn find<'a>(&self, prose: &'a Prose) -> Option<(usize, &'a str)> {
        let (mut times, mut first) = (0, None);
        for (_, block) in prose.blocks() {
            for sentence in sentences(block) {
                let here = self.times(sentence);
                times += here;
                first = first.or((here > 0).then_some(sentence));
            }
        }
        Some((times, first?))
    }

    fn times(&self, sentence: &str) -> usize {
        if self.folded.is_empty() {
            sentence.matches(self.written).count()
        } else {
            let words = folded(sentence);
            let rows = words.windows(self.folded.len());
            rows.filter(|row| *row == self.folded).count()
        }
    }
}

fn folded(text: &str) -> Vec<String> {
    let fold = |word| {
        let mut folded = String::new();
        fold(word, &mut folded);
        folded
    };
    words(text).map(fold).collect()
}

fn named(written: &str) -> String {
    let what = match words(written).nth(1) {
        Some(_) => "the phrase",
        None if words(written).next().is_some() => "the word",
        None => "the mark",
    };
    format!("{what} `{}`", written.trim())
}

/// A sentence in quotation marks, cut off where it is long.
fn quoted(sentence: &str) -> String {
    let line: Vec<&str> = sentence.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("“{}…”", line.get(..end).unwrap_or_default()),
        None => format!("“{line}”"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn messages(rules: &Rules, text: &str) -> Vec<String> {
        let document = Document {
            text,
            form: Form::Markdown,
            path: "text/oak.md",
        };
        let found = check(rules, &document, &|path| path == "text/elm.md");
        found.iter().map(ToString::to_string).collect()
    }

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    const TEXT: &str = "---\ntitle: Delve\n---\n# Oak\n\nIt is hard. Let us *Delve* into **it** — today’s topic.\n\n\
                        - [Elm](elm.md)\n- See [ash](ash.md#top) and [home](/).\n";

    #[test]
    fn words_that_must_be_there_are_looked_for_as_whole_words_in_any_case() {
        let rules = Rules {
            required: list(&["oak", "Delve into it", "today's topic", "delv", "hard let"]),
            ..Rules::default()
        };
        assert_eq!(
            messages(&rules, TEXT),
            [
                "the word `delv` is missing",
                "the phrase `hard let` is missing"
            ]
        );
    }

    #[test]
    fn a_word_that_must_not_be_there_is_told_with_its_sentence() {
        let rules = Rules {
            forbidden: list(&["DELVE", "it", "—", "title", "", "elms", "delve under it"]),
            ..Rules::default()
        };
        assert_eq!(
            messages(&rules, TEXT),
            [
                "the word `DELVE` must not stand there, and does in “Let us Delve into it — today’s topic.”",
                "the word `it` must not stand there, and does 2 times, first in “It is hard.”",
                "the mark `—` must not stand there, and does in “Let us Delve into it — today’s topic.”",
            ]
        );
    }

    #[test]
    fn the_number_of_words_is_told() {
        let bounds = |min_words, max_words| Rules {
            min_words,
            max_words,
            ..Rules::default()
        };
        assert_eq!(
            messages(&bounds(Some(20), None), TEXT),
            ["it has 16 words, and must have 20 or more"]
        );
        assert_eq!(
            messages(&bounds(None, Some(15)), TEXT),
            ["it has 16 words, and must have 15 or fewer"]
        );
        assert!(messages(&bounds(Some(16), Some(16)), TEXT).is_empty());
    }

    #[test]
    fn a_text_that_is_hard_to_read_is_told_with_its_hardest_sentence() {
        let text = "# Considerations\n\nOak is hard. Notwithstanding considerable meteorological variability, dendrological \
                    characterization necessitates interdisciplinary methodologies. It is old.\n";
        let rule = |at_least, at_most| Rules {
            reading_ease: Some(EaseRule {
                language: Language::English,
                at_least,
                at_most,
            }),
            ..Rules::default()
        };
        let found = messages(&rule(Some(60.0), None), text).join("\n");
        assert!(
            found.starts_with("its reading ease is ") && found.contains(" must be 60 or more;"),
            "{found}"
        );
        assert!(found.contains("“Notwithstanding considerable"), "{found}");
        let found = messages(&rule(None, Some(50.0)), "Oak is hard. It is old.");
        assert_eq!(
            found,
            [
                "its reading ease is 119 (3 words a sentence, 1.00 syllables a word), and must be 50 or less"
            ]
        );
        assert!(messages(&rule(Some(60.0), None), "# Heading alone\n").is_empty());
    }

    #[test]
    fn a_link_to_no_file_is_told_with_its_sentence() {
        let rules = Rules {
            links: true,
            ..Rules::default()
        };
        assert_eq!(
            messages(&rules, TEXT),
            ["the link `ash.md#top` leads to no file, in “See ash and home.”"]
        );
    }

    #[test]
    fn a_long_sentence_is_cut_off() {
        let sentence = "wörd ".repeat(60);
        let quoted = quoted(&sentence);
        assert_eq!(quoted.chars().count(), QUOTED + 3);
        assert!(quoted.ends_with("…”"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check(text in "\\PC{0,200}|[#*_`>|\\[\\]()<a-c/ \n!&;-]{0,120}") {
            for form in [Form::Markdown, Form::Html, Form::Plain] {
                let rules = Rules {
                    required: list(&["a"]),
                    forbidden: list(&["b c", "*"]),
                    min_words: Some(3),
                    max_words: Some(5),
                    reading_ease: Some(EaseRule {
                        language: Language::French,
                        at_least: Some(50.0),
                        at_most: Some(60.0),
                    }),
                    links: true,
                };
                let document = Document { text: &text, form, path: "a/b.md" };
                check(&rules, &document, &|_| false);
            }
        }

        #[test]
        fn a_word_of_the_text_is_found_in_any_case(before in "[a-z ]{0,20}", word in "[a-zäöé]{1,8}", after in "[a-z ]{0,20}") {
            let text = format!("{before} {} {after}", word.to_uppercase());
            let rules = |words: Vec<String>| Rules { required: words.clone(), ..Rules::default() };
            prop_assert!(messages(&rules(vec![word]), &text).is_empty());
        }
    }
}

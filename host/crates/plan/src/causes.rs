//! What failed alike. Causes of one component that differ only in what is of their own record, which is its id, numbers, and
//! what is quoted where nearly every record has another quotation, are one cause: "67 times: the field Vendor is empty".

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Causes that are told apart; those beyond are counted together.
const MOST: usize = 100;
/// Records that are named for each.
const RECORDS: usize = 3;
/// Characters of a cause that are looked at.
const LONGEST: usize = 400;
/// Broken rules of one answer that are told.
const RULES: usize = 3;
/// So many causes that differ in a quotation only are told apart if they are rare; more are one cause.
const QUOTATIONS: usize = 5;
/// A cause that fewer tasks have is rare.
const RARE: u64 = 3;
/// Stands for what differs.
const DIFFERS: &str = "…";

/// Causes of the failures of one class and component.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    kinds: Vec<Kind>,
    places: HashMap<String, usize>,
    others: u64,
}

/// Tasks that failed alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Where it was found first among the causes of its component. It never changes.
    pub id: usize,
    /// What all of them have in common.
    pub text: String,
    pub tasks: u64,
    /// Ids of the first records.
    pub records: Vec<String>,
    /// Ids of causes that are part of this one, because they differ in a quotation only.
    pub parts: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Kind {
    pieces: Vec<Piece>,
    tasks: u64,
    records: Vec<String>,
}

/// Part of a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    what: What,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Part of the sentence.
    Fixed,
    Quoted,
    /// A number, or the id of the record.
    Own,
}

impl Causes {
    /// A task of this record failed. Tells the number of its cause; those beyond the bound have the number of the bound.
    pub fn add(&mut self, record: &str, cause: &str) -> usize {
        let pieces = pieces(&sentence(cause), record);
        let key = key(&pieces, false);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.kinds.len() == MOST => {
                self.others += 1;
                return MOST;
            }
            None => {
                self.places.insert(key, self.kinds.len());
                self.kinds.push(Kind {
                    pieces,
                    tasks: 1,
                    records: vec![record.to_owned()],
                });
                return self.kinds.len() - 1;
            }
        };
        if let Some(kind) = self.kinds.get_mut(place) {
            kind.tasks += 1;
            kind.meet(&pieces);
            if kind.records.len() < RECORDS && !kind.records.iter().any(|known| known == record) {
                kind.records.push(record.to_owned());
            }
        }
        place
    }

    /// How many there are that differ in more than numbers and ids.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// All of them, the most frequent first.
    pub fn list(&self) -> Vec<Cause> {
        let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, kind) in self.kinds.iter().enumerate() {
            alike
                .entry(key(&kind.pieces, true))
                .or_default()
                .push(place);
        }
        let mut causes: Vec<Cause> = alike
            .values()
            .flat_map(|places| self.told(places))
            .collect();
        if self.others > 0 {
            causes.push(Cause {
                id: MOST,
                text: "other causes".to_owned(),
                tasks: self.others,
                records: Vec::new(),
                parts: Vec::new(),
            });
        }
        causes.sort_by(|one, other| other.tasks.cmp(&one.tasks).then(one.id.cmp(&other.id)));
        causes
    }

    /// Kinds that differ in quotations at most: one by one where they are few or frequent, and else as one.
    fn told(&self, places: &[usize]) -> Vec<Cause> {
        let kinds: Vec<(usize, &Kind)> = places
            .iter()
            .filter_map(|place| Some((*place, self.kinds.get(*place)?)))
            .collect();
        let tasks: u64 = kinds.iter().map(|(_, kind)| kind.tasks).sum();
        let are_rare = tasks < RARE * kinds.len() as u64;
        let mut rest = kinds.iter();
        let Some((id, first)) = rest.next().filter(|_| kinds.len() > QUOTATIONS && are_rare) else {
            let cause = |(id, kind): &(usize, &Kind)| kind.cause(*id);
            return kinds.iter().map(cause).collect();
        };
        let mut all = (*first).clone();
        for (_, kind) in rest {
            all.meet(&kind.pieces);
        }
        all.tasks = tasks;
        all.records = kinds
            .iter()
            .flat_map(|(_, kind)| kind.records.first().cloned())
            .take(RECORDS)
            .collect();
        let parts = kinds.iter().skip(1).map(|(id, _)| *id).collect();
        vec![Cause {
            parts,
            ..all.cause(*id)
        }]
    }
}

impl Kind {
    /// What differs from the pieces of another with the same key is left open.
    fn meet(&mut self, other: &[Piece]) {
        for (piece, other) in self.pieces.iter_mut().zip(other) {
            if piece.text != other.text {
                piece.text = match piece.what {
                    What::Quoted => format!("\"{DIFFERS}\""),
                    What::Fixed | What::Own => DIFFERS.to_owned(),
                };
            }
        }
    }

    fn cause(&self, id: usize) -> Cause {
        Cause {
            id,
            text: self
                .pieces
                .iter()
                .map(|piece| piece.text.as_str())
                .collect(),
            tasks: self.tasks,
            records: self.records.clone(),
            parts: Vec::new(),
        }
    }
}

/// What is common to causes that are one.
fn key(pieces: &[Piece], without_quotations: bool) -> String {
    let mut key = String::new();
    for piece in pieces {
        match piece.what {
            What::Own => key.push('\u{1}'),
            What::Quoted if without_quotations => key.push('\u{2}'),
            What::Fixed | What::Quoted => key.push_str(&piece.text),
        }
    }
    key
}

/// The one sentence of a cause: the rules that an answer broke, where it tells any, and else its first line.
pub fn sentence(cause: &str) -> Cow<'_, str> {
    let mut lines = cause.lines();
    let first = lines.next().unwrap_or_default();
    let rules: Vec<&str> = lines
        .filter_map(|line| line.trim_start().strip_prefix("- "))
        .collect();
    let more = rules.len().saturating_sub(RULES);
    let told = rules
        .iter()
        .take(RULES)
        .copied()
        .collect::<Vec<_>>()
        .join("; ");
    match (rules.is_empty(), more) {
        (true, _) => Cow::Borrowed(first),
        (false, 0) => Cow::Owned(told),
        (false, _) => Cow::Owned(format!("{told}; and {more} more")),
    }
}

/// A sentence, cut at its numbers, quotations and the record's id. Numbers that end it as a list are one piece.
fn pieces(sentence: &str, record: &str) -> Vec<Piece> {
    let end = sentence
        .char_indices()
        .nth(LONGEST)
        .map_or(sentence.len(), |(end, _)| end);
    let sentence = sentence.get(..end).unwrap_or(sentence);
    let (sentence, list) = match sentence.rsplit_once(": ") {
        Some((before, list)) if is_list_of_numbers(list) => (before, Some(list)),
        _ => (sentence, None),
    };
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some(letter) = rest.chars().next() {
        let after_word = pieces.last().is_some_and(ends_in_word);
        let (what, length) = if letter == '"' {
            (What::Quoted, quotation(rest))
        } else if !after_word && begins_with_id(rest, record) {
            (What::Own, record.len())
        } else if letter.is_ascii_digit() {
            (What::Own, number(rest))
        } else {
            (What::Fixed, letter.len_utf8())
        };
        let (text, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match pieces.last_mut() {
            Some(Piece {
                what: What::Fixed,
                text: before,
            }) if what == What::Fixed => before.push_str(text),
            _ => pieces.push(Piece {
                what,
                text: text.to_owned(),
            }),
        }
        rest = behind;
    }
    if let Some(list) = list {
        pieces.push(Piece {
            what: What::Fixed,
            text: ": ".to_owned(),
        });
        pieces.push(Piece {
            what: What::Own,
            text: list.to_owned(),
        });
    }
    pieces
}

fn ends_in_word(piece: &Piece) -> bool {
    piece
        .text
        .chars()
        .next_back()
        .is_some_and(char::is_alphanumeric)
}

fn is_list_of_numbers(list: &str) -> bool {
    list.split(", ")
        .all(|item| item.contains(|letter: char| letter.is_ascii_digit()) && !item.contains('"'))
}

/// Bytes of a quotation, its marks included; a mark without another is itself.
fn quotation(text: &str) -> usize {
    let behind = text.get(1..).and_then(|rest| rest.find('"'));
    behind.map_or(1, |end| end + 2)
}

/// Whether a text begins with the id, as a word of its own. An id of one or two letters may be any word.
fn begins_with_id(text: &str, record: &str) -> bool {
    let is_telling = record.len() > 2 || record.contains(|letter: char| letter.is_ascii_digit());
    let rest = is_telling.then(|| text.strip_prefix(record)).flatten();
    rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Bytes of a number: digits, with points and commas between them.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let is_mark = |place: usize| bytes.get(place).is_some_and(|byte| b".,".contains(byte));
    let mut end = 0;
    while is_digit(end) || (is_mark(end) && is_digit(end + 1)) {
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(causes: &[(&str, &str)]) -> Vec<(u64, String)> {
        let mut all = Causes::default();
        for (record, cause) in causes {
            all.add(record, cause);
        }
        all.list()
            .into_iter()
            .map(|cause| (cause.tasks, cause.text))
            .collect()
    }

    #[test]
    fn what_is_of_the_record_alone_does_not_part_causes() {
        let causes = [
            ("sku-1", "the fields of sku-1 have no price"),
            ("sku-22", "the fields of sku-22 have no price"),
            ("oak", "the fields of oak have no price"),
        ];
        assert_eq!(
            told(&causes),
            [(3, "the fields of … have no price".to_owned())]
        );
        assert_eq!(told(&causes[..1]), [(1, causes[0].1.to_owned())]);
    }

    #[test]
    fn fields_are_told_apart() {
        let causes = [
            ("a", "the field \"Vendor\" is empty"),
            ("b", "the field \"Price\" is empty"),
            ("c", "the field \"Vendor\" is empty"),
        ];
        let told = told(&causes);
        assert_eq!(told[0], (2, "the field \"Vendor\" is empty".to_owned()));
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn quotations_that_nearly_every_record_has_another_of_are_one_cause() {
        let rows: Vec<(String, String)> = (0..40)
            .map(|number| {
                (
                    format!("r{number}"),
                    format!("the text must use \"Table {}\"", "x".repeat(number)),
                )
            })
            .collect();
        let causes: Vec<(&str, &str)> = rows
            .iter()
            .map(|(record, cause)| (record.as_str(), cause.as_str()))
            .collect();
        assert_eq!(told(&causes), [(40, "the text must use \"…\"".to_owned())]);
        let mut all = Causes::default();
        causes.iter().for_each(|(record, cause)| {
            all.add(record, cause);
        });
        assert_eq!(all.list()[0].parts.len(), 39);
    }

    #[test]
    fn the_broken_rule_is_the_cause_and_numbers_that_are_the_same_stay() {
        let cause = |words| {
            format!(
                "no acceptable answer: two repairs failed\n  - the text has {words} words, must have at most 40"
            )
        };
        let (one, other) = (cause(52), cause(61));
        assert_eq!(
            told(&[("a", &one), ("b", &other)]),
            [(2, "the text has … words, must have at most 40".to_owned())]
        );
    }

    #[test]
    fn a_list_of_numbers_is_one_piece() {
        let causes = [
            (
                "a",
                "the text has numbers that are not in the facts: 1,299.00",
            ),
            (
                "b",
                "the text has numbers that are not in the facts: 12, 0.5 kg",
            ),
        ];
        assert_eq!(
            told(&causes),
            [(
                2,
                "the text has numbers that are not in the facts: …".to_owned()
            )]
        );
    }

    #[test]
    fn an_id_within_a_word_is_no_id() {
        let causes = [("a", "a table has a rat"), ("b", "a table has a rat")];
        assert_eq!(told(&causes)[0].0, 2);
        let causes = [("oak", "oaken oak"), ("ash", "oaken ash")];
        assert_eq!(told(&causes), [(2, "oaken …".to_owned())]);
    }

    proptest! {
        #[test]
        fn causes_are_bounded_and_no_task_is_lost(causes in prop::collection::vec(("[a-z0-9]{0,3}", "\\PC{0,40}"), 0..600)) {
            let mut all = Causes::default();
            for (record, cause) in &causes {
                all.add(record, cause);
            }
            let listed = all.list();
            prop_assert!(listed.len() <= MOST + 1);
            prop_assert_eq!(listed.iter().map(|cause| cause.tasks).sum::<u64>(), causes.len() as u64);
        }

        #[test]
        fn pieces_are_the_whole_sentence(cause in "\\PC{0,80}", record in "[a-z0-9]{0,4}") {
            let whole: String = pieces(&cause, &record).iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(whole, cause);
        }
    }
}

//! Which facts the filled template quotes. They would be paid for twice if they were told as facts, too.

use sdk::ask::Path;
use sdk::{Map, Value};

/// A text of fewer bytes is told again: it costs little, and as a fact it has a name.
const SHORTEST: usize = 200;
/// Bytes that a quotation is looked for by.
const BEGINNING: usize = 32;
/// Most places with the beginning of a text that are looked at.
const PLACES: usize = 64;

/// The paths of the texts in objects that stand in the filled template word for word.
pub fn texts(facts: &Map<String, Value>, filled: &str) -> Vec<Path> {
    let mut found = Vec::new();
    if filled.len() >= SHORTEST {
        collect(facts, filled, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(facts: &Map<String, Value>, filled: &str, path: &mut Path, found: &mut Vec<Path>) {
    for (key, value) in facts {
        match value {
            Value::String(text) if is_in(filled, text) => {
                found.push(path.iter().chain([key]).cloned().collect());
            }
            Value::Object(inside) => {
                path.push(key.clone());
                collect(inside, filled, path, found);
                path.pop();
            }
            _ => {}
        }
    }
}

/// Whether a text is long and is quoted, but for white space around it.
pub fn is_in(filled: &str, text: &str) -> bool {
    let text = text.trim();
    if text.len() < SHORTEST || text.len() > filled.len() {
        return false;
    }
    let beginning = text.get(..text.floor_char_boundary(BEGINNING));
    beginning.is_some_and(|beginning| {
        let places = filled.match_indices(beginning).take(PLACES);
        places
            .filter_map(|(place, _)| filled.get(place..))
            .any(|rest| begins_with(rest.as_bytes(), text.as_bytes()))
    })
}

/// Whether bytes begin with others. Eight are compared at once: `starts_with` compares one after the other in a guest, and texts
/// may be long.
fn begins_with(bytes: &[u8], beginning: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..beginning.len()) else {
        return false;
    };
    let ((eights, rest), (others, other_rest)) =
        (bytes.as_chunks::<8>(), beginning.as_chunks::<8>());
    let mut pairs = eights.iter().zip(others);
    pairs.all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && rest == other_rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_where_beginnings_are_compared() {
        let text: Vec<u8> = (0..27).collect();
        for length in 0..=text.len() {
            let beginning = text.get(..length).unwrap();
            assert!(begins_with(&text, beginning));
            assert!(length == text.len() || !begins_with(beginning, &text));
            for place in 0..length {
                let mut other = beginning.to_vec();
                other[place] = 99;
                assert!(!begins_with(&text, &other), "{place} of {length}");
            }
        }
    }

    #[test]
    fn a_long_text_is_quoted_where_all_of_it_stands() {
        let text = format!("  {}end\n", "Größe ".repeat(40));
        let place = |filled: &str| is_in(filled, &text);
        assert!(place(&format!("Write on this: {} Now.", text.trim())));
        assert!(place(&format!("Größe Größe {text}")));
        assert!(!place(&text.replace("end", "End")));
        assert!(!place(&text.trim().replace("end", "en")));
        assert!(!is_in("All of tin is soft.", "tin is soft."));
    }
}

//! Which ids are safe as file names everywhere, and how to make one.

use types::digest::Digest;

const LONGEST: usize = 128;

/// Whether `id` is 1 to 128 ASCII lower-case letters, digits, `-`, `_` or `.`, and starts with neither
/// `.` nor `-`. Such an id cannot leave its folder, hide, look like an option, or meet another one on a
/// file system that ignores case.
pub fn is_safe_id(id: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && !id.starts_with(['.', '-']) && id.bytes().all(allowed)
}

/// The safe id that is nearest to `text`: lower case, letters of other scripts as Latin ones, runs of other characters as
/// one `-`. What is too long, or says nothing in Latin letters, ends in a hash of the whole, so that two of them differ.
pub fn safe_id(text: &str) -> String {
    let mut id = String::new();
    for character in text.trim().chars() {
        let mut plain = [0; 4];
        let latin = match character {
            '\u{e4}' | '\u{c4}' => "ae",
            '\u{f6}' | '\u{d6}' => "oe",
            '\u{fc}' | '\u{dc}' => "ue",
            character if character.is_ascii() => character.encode_utf8(&mut plain),
            character => deunicode::deunicode_char(character).unwrap_or(" "),
        };
        for letter in latin.chars().map(|letter| letter.to_ascii_lowercase()) {
            if letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter) {
                id.push(letter);
            } else if !id.ends_with('-') {
                id.push('-');
            }
        }
        // The syllables of scripts without spaces are words of their own.
        if latin.len() > 1 && latin.ends_with(' ') && !id.ends_with('-') {
            id.push('-');
        }
    }
    let id = id
        .trim_start_matches(['.', '-'])
        .trim_end_matches(['.', '-']);
    if id.is_empty() {
        format!("record-{}", short_hash(text))
    } else if id.len() > LONGEST {
        let hash = short_hash(text);
        let kept = id.get(..LONGEST - hash.len() - 1).unwrap_or(id);
        format!("{}-{hash}", kept.trim_end_matches(['.', '-']))
    } else {
        id.into()
    }
}

fn short_hash(text: &str) -> String {
    Digest::of(text.as_bytes())
        .to_string()
        .chars()
        .take(8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_leave_the_folder_or_hide_is_unsafe() {
        for id in [
            "",
            ".",
            "..",
            "../etc/passwd",
            "a/b",
            "a\\b",
            ".hidden",
            "-rf",
            "Steel",
            "a b",
            "a\0b",
            "caf\u{e9}",
            "a\n",
        ] {
            assert!(!is_safe_id(id), "{id:?}");
        }
        assert!(!is_safe_id(&"a".repeat(129)));
        for id in ["a", "7", "aluminum", "ti-6al-4v", "_x", "a..b", "en-1.4301"] {
            assert!(is_safe_id(id), "{id:?}");
        }
        assert!(is_safe_id(&"a".repeat(128)));
    }

    #[test]
    fn the_remedy_reads_like_the_original() {
        assert_eq!(safe_id("Stainless Steel (304)"), "stainless-steel-304");
        assert_eq!(safe_id("../../etc/passwd"), "etc-passwd");
        for (text, id) in [
            ("Größe", "groesse"),
            ("ÜBER ÄÖÜ", "ueber-aeoeue"),
            ("łódź", "lodz"),
            ("Crème brûlée", "creme-brulee"),
            ("стол", "stol"),
            ("стул", "stul"),
            ("Ελλάδα", "ellada"),
            ("日本", "ri-ben"),
            ("中国", "zhong-guo"),
            ("  padded  ", "padded"),
        ] {
            assert_eq!(safe_id(text), id, "{text}");
        }
    }

    #[test]
    fn different_texts_that_say_nothing_or_too_much_stay_different() {
        let long = "x".repeat(200);
        for (one, other) in [
            ("\u{200d}", "\u{2060}"),
            ("!!!", "???"),
            (&format!("{long}a"), &format!("{long}b")),
        ] {
            assert_ne!(safe_id(one), safe_id(other), "{one} {other}");
            assert!(is_safe_id(&safe_id(one)));
        }
    }

    proptest! {
        #[test]
        fn a_made_id_is_safe(text in any::<String>()) {
            prop_assert!(is_safe_id(&safe_id(&text)), "{:?}", safe_id(&text));
        }

        #[test]
        fn a_safe_id_that_ends_in_a_letter_is_left_alone(id in "[a-z0-9_][a-z0-9_.-]{0,126}[a-z]") {
            prop_assume!(!id.contains("--"));
            prop_assert!(is_safe_id(&id));
            prop_assert_eq!(safe_id(&id), id);
        }
    }
}

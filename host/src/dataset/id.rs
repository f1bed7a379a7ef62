//! Which ids are safe as file names everywhere, and how to make one.

const LONGEST: usize = 128;

/// Whether `id` is 1 to 128 ASCII lower-case letters, digits, `-`, `_` or `.`, and starts with neither
/// `.` nor `-`. Such an id cannot leave its folder, hide, look like an option, or meet another one on a
/// file system that ignores case.
pub fn is_safe_id(id: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && !id.starts_with(['.', '-']) && id.bytes().all(allowed)
}

/// The safe id that is nearest to `text`: lower case, runs of other characters as one `-`. A text with
/// no letter or digit gives `record`.
pub fn safe_id(text: &str) -> String {
    let mut id = String::new();
    for character in text.chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_lowercase() || character.is_ascii_digit() || "_.".contains(character)
        {
            id.push(character);
        } else if !id.ends_with('-') {
            id.push('-');
        }
        if id.len() >= LONGEST {
            break;
        }
    }
    let id = id
        .trim_start_matches(['.', '-'])
        .trim_end_matches(['.', '-']);
    if id.is_empty() {
        "record".into()
    } else {
        id.into()
    }
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
        assert_eq!(safe_id("\u{65e5}\u{672c}"), "record");
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

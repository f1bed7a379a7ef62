//! Upper and lower case of the letters that names of things are written in: Latin with accents, Greek and Cyrillic. The
//! standard library knows all scripts, by tables that are a tenth of a plugin; letters of others stay as they are here.

/// The text in lower case.
pub fn lowercase(text: &str) -> String {
    text.chars().map(lower).collect()
}

/// The letter in lower case.
fn lower(letter: char) -> char {
    match letter {
        'A'..='Z' => letter.to_ascii_lowercase(),
        'À'..='Ö' | 'Ø'..='Þ' | 'Α'..='Ρ' | 'Σ'..='Ϋ' | 'А'..='Я' => moved(letter, 32),
        'Ѐ'..='Џ' => moved(letter, 80),
        'Ÿ' => 'ÿ',
        'Ā'..='Į' | 'Ĳ'..='Ķ' | 'Ŋ'..='Ŷ' | 'Ѡ'..='Ҁ' | 'Ҋ'..='Ҿ' | 'Ӑ'..='Ӿ' => {
            moved(letter, 1 - (letter as i32) % 2)
        }
        'Ĺ'..='Ň' | 'Ź'..='Ž' => moved(letter, (letter as i32) % 2),
        _ => letter,
    }
}

/// The letter in upper case.
pub fn upper(letter: char) -> char {
    match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        'à'..='ö' | 'ø'..='þ' | 'α'..='ρ' | 'σ'..='ϋ' | 'а'..='я' => moved(letter, -32),
        'ѐ'..='џ' => moved(letter, -80),
        'ÿ' => 'Ÿ',
        'ā'..='į' | 'ĳ'..='ķ' | 'ŋ'..='ŷ' | 'ѡ'..='ҁ' | 'ҋ'..='ҿ' | 'ӑ'..='ӿ' => {
            moved(letter, -((letter as i32) % 2))
        }
        'ĺ'..='ň' | 'ź'..='ž' => moved(letter, (letter as i32) % 2 - 1),
        _ => letter,
    }
}

/// The letter that stands so far behind it in Unicode.
fn moved(letter: char, by: i32) -> char {
    let code = (letter as u32).checked_add_signed(by);
    code.and_then(char::from_u32).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where they know a letter, they agree with the standard library; and they know these scripts.
    #[test]
    fn case_is_as_the_standard_library_has_it() {
        for letter in '\u{0}'..='\u{ffff}' {
            let mut standard = letter.to_lowercase();
            if lower(letter) != letter {
                assert_eq!(Some(lower(letter)), standard.next(), "{letter}");
                assert_eq!(standard.next(), None, "{letter}");
            }
            let mut standard = letter.to_uppercase();
            if upper(letter) != letter {
                assert_eq!(Some(upper(letter)), standard.next(), "{letter}");
                assert_eq!(standard.next(), None, "{letter}");
            }
        }
        // But for what becomes two letters, or another script's.
        for script in ['A'..='ſ', 'Α'..='ϋ', 'Ѐ'..='ѿ', 'Ӑ'..='ӿ'] {
            for letter in script {
                let mut standard = letter.to_lowercase();
                if let (Some(one), None) = (standard.next(), standard.next()) {
                    assert_eq!(lower(letter), one, "{letter}");
                }
            }
        }
        assert_eq!(
            lowercase("ÉTUDE of Ångström ΩΣ Жук 316L"),
            "étude of ångström ωσ жук 316l"
        );
    }
}

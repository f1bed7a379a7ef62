//! The languages that have a formula of readability.

/// A language that reading ease is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Language {
    Dutch,
    English,
    French,
    German,
    Italian,
    Portuguese,
    Spanish,
}

/// Each with the code of ISO 639-1.
const ALL: [(Language, &str); 7] = [
    (Language::Dutch, "nl"),
    (Language::English, "en"),
    (Language::French, "fr"),
    (Language::German, "de"),
    (Language::Italian, "it"),
    (Language::Portuguese, "pt"),
    (Language::Spanish, "es"),
];

impl Language {
    /// The language of a locale, as in `de`, `de-AT` or `de_AT`; `None` where no formula is known for it.
    pub fn of_locale(locale: &str) -> Option<Language> {
        let code = locale.split(['-', '_']).next().unwrap_or_default();
        let known = ALL
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(code));
        known.map(|(language, _)| *language)
    }

    /// The codes that [`Self::of_locale`] knows.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_its_language() {
        for locale in ["de", "de-AT", "DE_ch"] {
            assert_eq!(Language::of_locale(locale), Some(Language::German));
        }
        for locale in ["", "deu", "xx-DE"] {
            assert_eq!(Language::of_locale(locale), None);
        }
    }
}

//! Suggests the name that was meant where one is not known.

/// The candidate that a misspelt name was probably meant to be.
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let known = ["requests-per-minute", "model", "text"];
        assert_eq!(
            closest("requests-per-minuet", known.into_iter()),
            Some("requests-per-minute")
        );
        assert_eq!(closest("modle", known.into_iter()), Some("model"));
        assert_eq!(closest("frontmatter", known.into_iter()), None);
    }
}

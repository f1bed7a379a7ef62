//! Words and sentences, as Unicode divides a text into them (Unicode Standard Annex 29).

use unicode_segmentation::UnicodeSegmentation;

/// The words of a text. Marks and white space are no words; numbers are.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    // A word never goes on behind white space. Piece by piece, what is ASCII goes the fast way even if other letters stand
    // elsewhere in the text.
    text.split_ascii_whitespace()
        .flat_map(UnicodeSegmentation::unicode_words)
}

/// The sentences of a text that have a word. A line feed ends a sentence.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let sentences = text.split_sentence_bounds().map(str::trim);
    sentences.filter(|sentence| words(sentence).next().is_some())
}

/// A word in lower case and with straight apostrophes, written over what `folded` held.
pub(super) fn fold(word: &str, folded: &mut String) {
    folded.clear();
    if word.is_ascii() {
        folded.push_str(word);
        folded.make_ascii_lowercase();
    } else {
        let straight = |letter| if letter == '’' { '\'' } else { letter };
        folded.extend(word.chars().map(straight).flat_map(char::to_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_those_of_unicode() {
        let found: Vec<&str> =
            words("Don’t cut 3.5 mm — it can't \"hold\".\n\nÜber-Maß; 木材").collect();
        assert_eq!(
            found,
            [
                "Don’t", "cut", "3.5", "mm", "it", "can't", "hold", "Über", "Maß", "木", "材"
            ]
        );
    }

    #[test]
    fn sentences_end_with_their_marks_and_lines() {
        let found: Vec<&str> =
            sentences("It is hard. Is it? Yes!\nHeading\n … \n3.5 mm are cut.").collect();
        assert_eq!(
            found,
            [
                "It is hard.",
                "Is it?",
                "Yes!",
                "Heading",
                "3.5 mm are cut."
            ]
        );
    }

    #[test]
    fn case_does_not_matter() {
        let mut folded = "left over".to_owned();
        fold("ÖL", &mut folded);
        assert_eq!(folded, "öl");
        fold("Today’s", &mut folded);
        assert_eq!(folded, "today's");
    }

    proptest! {
        #[test]
        fn the_way_piece_by_piece_finds_the_same_words(text in "[a-zA-Z'’.,0-9 \t\n\u{301}\u{200d}äß木カЖ😀-]{0,40}|\\PC{0,40}") {
            // A mark that stands alone belongs to the space before it, and a narrow space to the word before it.
            let pieces: Vec<&str> = words(&text).map(str::trim).collect();
            let whole: Vec<&str> = text.unicode_words().map(str::trim).collect();
            prop_assert_eq!(pieces, whole);
        }
    }
}

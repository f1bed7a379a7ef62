//! What fields are called, and what that says of them.

/// Names of fields that hold an id, the likeliest first; likewise below.
pub(super) const IDS: &[&str] = &[
    "id",
    "sku",
    "slug",
    "key",
    "uuid",
    "guid",
    "identifier",
    "handle",
    "code",
    "isbn",
    "ean",
    "gtin",
    "asin",
    "ref",
    "reference",
    "number",
    "no",
    "nr",
];
pub(super) const NAMES: &[&str] = &[
    "name", "title", "label", "heading", "headline", "caption", "product", "item", "subject",
];
pub(super) const CATEGORIES: &[&str] = &[
    "category",
    "department",
    "type",
    "kind",
    "group",
    "class",
    "section",
    "family",
    "genre",
    "topic",
    "collection",
    "segment",
    "series",
    "brand",
    "species",
    "region",
    "country",
];
/// Names of fields that hold what is made of a record, or long texts: no ids, even where they are different.
pub(super) const DERIVED: &[&str] = &[
    "output",
    "response",
    "answer",
    "completion",
    "description",
    "text",
    "body",
    "content",
    "summary",
    "comment",
    "notes",
    "note",
];
/// Names of fields that tell one record from another where none holds an id or a name.
pub(super) const QUESTIONS: &[&str] =
    &["instruction", "question", "prompt", "query", "term", "word"];
/// Fields that a text is not written from.
const DULL: &[&str] = &[
    "url",
    "uri",
    "link",
    "href",
    "image",
    "img",
    "photo",
    "picture",
    "thumbnail",
    "created",
    "updated",
    "modified",
    "timestamp",
    "hash",
    "checksum",
];

/// How well a name fits a list: more for words that stand earlier, and for a name that is nothing but the word.
pub(super) fn fit(name: &str, list: &[&str]) -> u64 {
    let words = words(name);
    let best = list.iter().enumerate().filter_map(|(index, wanted)| {
        let rank = 100 - index as u64;
        match words.as_slice() {
            [only] if only == wanted => Some(2 * rank + 100),
            [.., last] if last == wanted => Some(rank + 50),
            words if words.iter().any(|word| word == wanted) => Some(rank),
            _ => None,
        }
    });
    best.max().unwrap_or(0)
}

/// How well a name fits a list, where the word counts for more than what stands beside it.
pub(super) fn rank(name: &str, list: &[&str]) -> u64 {
    let words = words(name);
    let best = list.iter().enumerate().filter_map(|(index, wanted)| {
        let rank = 10 * (100 - index as u64);
        match words.as_slice() {
            [only] if only == wanted => Some(rank + 9),
            [.., last] if last == wanted => Some(rank + 5),
            words if words.iter().any(|word| word == wanted) => Some(rank),
            _ => None,
        }
    });
    best.max().unwrap_or(0)
}

/// The words of a field's name: `productId`, `product_id` and `Product ID` have the same.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let begins = character.is_uppercase() && before.is_lowercase();
        if (!character.is_alphanumeric() || begins)
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a text may be written from a field of this name.
pub(in crate::cli) fn is_fact(field: &str) -> bool {
    fit(field, DULL) == 0 && fit(field, IDS) == 0
}

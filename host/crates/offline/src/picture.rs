//! What the stand-in says of pictures, which it does not look at: what their files are.

use types::image::{Image, ImageType};
use types::request::CompletionRequest;

/// Most pictures that it speaks of.
const MOST: usize = 4;

/// A sentence about each picture. Where only numbers of the facts are allowed, it has none.
pub fn sentences(request: &CompletionRequest) -> Vec<String> {
    let only_facts = request
        .rules
        .as_ref()
        .is_some_and(|rules| rules.numbers_from_facts);
    let images = request.images.iter().take(MOST);
    images.map(|image| sentence(image, only_facts)).collect()
}

fn sentence(image: &Image, only_facts: bool) -> String {
    let name = image.name();
    let is_plain = !name.is_empty() && !name.chars().any(char::is_whitespace);
    let has_number = name.chars().any(char::is_numeric);
    let kind = match image.media_type {
        ImageType::Png => "PNG",
        ImageType::Jpeg => "JPEG",
        ImageType::WebP => "WebP",
        ImageType::Gif => "GIF",
    };
    let called = match is_plain && !(only_facts && has_number) {
        true => format!(" {name}"),
        false => String::new(),
    };
    if only_facts {
        let shape = match image.width.cmp(&image.height) {
            std::cmp::Ordering::Greater => "is wider than it is tall",
            std::cmp::Ordering::Equal => "is as wide as it is tall",
            std::cmp::Ordering::Less => "is taller than it is wide",
        };
        return format!("The {kind} picture{called} {shape}.");
    }
    format!(
        "The {kind} picture{called} has {} by {} pixels.",
        image.width, image.height
    )
}

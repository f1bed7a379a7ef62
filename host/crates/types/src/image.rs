//! A picture of a record, as a question shows it: what is known of it beside its bytes. Who sends the question loads those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::class::FailureClass;
use super::digest::Digest;

/// Longer edge of a picture in pixels, beyond which models look at a smaller one.
const EDGE: u64 = 1568;
/// Pixels of a picture that make a token.
const PIXELS_OF_TOKEN: u64 = 750;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageType {
    /// PNG.
    #[serde(rename = "image/png")]
    Png,
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// WebP.
    #[serde(rename = "image/webp")]
    WebP,
    /// GIF.
    #[serde(rename = "image/gif")]
    Gif,
}

impl ImageType {
    /// Its media type.
    pub fn as_str(self) -> &'static str {
        match self {
            ImageType::Png => "image/png",
            ImageType::Jpeg => "image/jpeg",
            ImageType::WebP => "image/webp",
            ImageType::Gif => "image/gif",
        }
    }
}

/// A picture without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Where it is: a path from the folder of the dataset, or an address.
    pub source: String,
    /// Hash of its bytes.
    pub digest: Digest,
    /// How it is written.
    pub media_type: ImageType,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes of it.
    pub bytes: u64,
}

impl Image {
    /// Name of its file.
    pub fn name(&self) -> &str {
        let path = self.source.split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// What is known of it, in a line. What may be secret in an address is left out.
    pub fn in_words(&self) -> String {
        let place = match self.source.split_once("://") {
            Some((scheme, rest)) => {
                let place = rest.split(['?', '#']).next().unwrap_or_default();
                let (server, file) = place.split_once('/').unwrap_or((place, ""));
                let server = server.rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{server}/{file}")
            }
            None => self.source.clone(),
        };
        format!(
            "{place}: {}, {} by {} pixels, {} bytes, SHA-256 {}",
            self.media_type.as_str(),
            self.width,
            self.height,
            self.bytes,
            self.digest
        )
    }

    /// About how many tokens a model takes for it: a token for 750 pixels, once its longer edge is no more than 1568. That is
    /// Anthropic's rule, and counts no fewer than those of other providers do for most models.
    /// <https://docs.claude.com/en/docs/build-with-claude/vision#calculate-image-costs>
    pub fn tokens(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let longer = width.max(height).max(EDGE);
        let shown = |edge: u64| edge.saturating_mul(EDGE) / longer;
        (shown(width).saturating_mul(shown(height)))
            .div_ceil(PIXELS_OF_TOKEN)
            .max(1)
    }
}

/// Why the pictures of a field cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unshowable {
    /// What kind of failure that is for a task.
    pub class: FailureClass,
    /// In words.
    pub cause: String,
}

/// The pictures of a record, by the name of their field.
pub type Pictures = BTreeMap<String, Result<Vec<Image>, Unshowable>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn image(source: &str, width: u32, height: u32) -> Image {
        Image {
            source: source.to_owned(),
            digest: Digest::of(b"picture"),
            media_type: ImageType::Png,
            width,
            height,
            bytes: 7,
        }
    }

    #[test]
    fn tokens_follow_from_the_size() {
        for (width, height, tokens) in [
            (200, 200, 54),
            (1000, 1000, 1334),
            (1092, 1092, 1590),
            (3136, 1568, 1640),
            (1, 1, 1),
            (u32::MAX, 1, 1),
        ] {
            assert_eq!(image("a.png", width, height).tokens(), tokens);
        }
    }

    #[test]
    fn words_have_no_secret_of_an_address() {
        let words = image("https://me:secret@example.org/a.png?token=secret", 3, 2).in_words();
        assert!(
            words.starts_with("https://example.org/a.png: image/png, 3 by 2 pixels, 7 bytes"),
            "{words}"
        );
        assert!(image("a?b.png", 3, 2).in_words().starts_with("a?b.png: "));
    }

    #[test]
    fn a_name_is_the_end_of_a_path_or_an_address() {
        for (source, name) in [
            ("a.png", "a.png"),
            ("photos/a b.png", "a b.png"),
            ("https://example.org/p/a.png?size=1#x", "a.png"),
            ("https://example.org/", "example.org"),
        ] {
            assert_eq!(image(source, 1, 1).name(), name);
        }
    }
}

//! Pictures in questions: whether they are what their parts say, and which they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A model with this in its name takes no pictures.
const BLIND: &str = "text-only";
/// Bytes of a picture that are taken.
const MOST: usize = 20 << 20;
/// What pictures of a type begin with, and at which byte.
const BEGINNINGS: [(&str, usize, &[u8]); 4] = [
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 8, b"WEBP"),
];

/// The SHA-256 of a picture that came as text, in hexadecimal.
///
/// # Errors
/// It is no picture of its type, or the model takes none.
pub fn seen(model: &str, media_type: &str, data: &str) -> Result<String, String> {
    if model.contains(BLIND) {
        return Err(
            "Invalid content type. image_url is only supported by certain models.".to_owned(),
        );
    }
    let bytes = STANDARD
        .decode(data)
        .map_err(|error| format!("Invalid base64 image data: {error}"))?;
    if bytes.len() > MOST {
        return Err("The image is too large.".to_owned());
    }
    let known = BEGINNINGS.iter().find(|(name, ..)| *name == media_type);
    let (_, at, beginning) =
        known.ok_or_else(|| format!("Unsupported image media type: {media_type}"))?;
    let found = bytes.get(*at..).unwrap_or_default();
    if !found.starts_with(beginning) {
        return Err(format!(
            "The image was specified as {media_type}, but does not appear to be one."
        ));
    }
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The pictures in the parts of a message of the chat completions API.
///
/// # Errors
/// One is not what it should be.
pub fn of_chat(model: &str, content: &Value) -> Result<Vec<String>, String> {
    parts(content, "image_url", |part| {
        let url = part.pointer("/image_url/url")?.as_str()?;
        let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
        Some(seen(model, media_type, data))
    })
}

/// The pictures in the blocks of a message of the messages API.
///
/// # Errors
/// One is not what it should be.
pub fn of_messages(model: &str, content: &Value) -> Result<Vec<String>, String> {
    parts(content, "image", |block| {
        let source = block.get("source")?;
        let text = |key: &str| source.get(key)?.as_str();
        let is_told = text("type")? == "base64";
        is_told.then_some(seen(model, text("media_type")?, text("data")?))
    })
}

fn parts(
    content: &Value,
    kind: &str,
    read: impl Fn(&Value) -> Option<Result<String, String>>,
) -> Result<Vec<String>, String> {
    let parts = content.as_array().into_iter().flatten();
    let of_kind = parts.filter(|part| part.get("type").and_then(Value::as_str) == Some(kind));
    of_kind
        .map(|part| read(part).unwrap_or_else(|| Err(format!("A part `{kind}` is malformed."))))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_picture_is_held_against_its_type() {
        let png = STANDARD.encode(b"\x89PNG\r\n\x1a\nrest");
        assert_eq!(seen("m", "image/png", &png).unwrap().len(), 64);
        assert!(seen("m", "image/jpeg", &png).is_err());
        assert!(seen("m", "image/tiff", &png).is_err());
        assert!(seen("m", "image/png", "%").is_err());
        assert!(seen("text-only", "image/png", &png).is_err());
        let content = json!([{"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{png}")}}]);
        assert_eq!(of_chat("m", &content).unwrap().len(), 1);
        let content = json!([{"type": "image_url", "image_url": "https://example.org/a.png"}]);
        assert!(of_chat("m", &content).is_err());
        let content = json!([{"type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": png}}]);
        assert_eq!(of_messages("m", &content).unwrap().len(), 1);
        assert!(of_messages("m", &json!("What?")).unwrap().is_empty());
    }
}

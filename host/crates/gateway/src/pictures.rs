//! Pictures on their way: their bytes are loaded when their question is about to be sent, no more than so many at once, and are gone
//! with its answer.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;

use crate::error::CallError;
use types::class::FailureClass;
use types::image::{Image, ImageType};

/// KiB of pictures that may be on their way at once. A question with more goes alone.
const ROOM: u32 = 64 * 1024;
/// Words that a server uses where the pictures are what it does not take.
const WORDS: [&str; 6] = [
    "image",
    "vision",
    "multimodal",
    "multi-modal",
    "content must be a string",
    "picture",
];

/// Somebody who has the bytes of pictures.
pub trait PictureSource: Send + Sync {
    /// The bytes of a picture, which are those of its hash.
    ///
    /// # Errors
    /// When they cannot be had any more.
    fn load(&self, image: &Image) -> Result<Vec<u8>, String>;
}

/// A picture as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// How it is written.
    pub media_type: ImageType,
    /// Its bytes as text.
    pub base64: String,
}

impl Picture {
    /// A picture of these bytes.
    pub fn new(media_type: ImageType, bytes: &[u8]) -> Picture {
        let base64 = STANDARD.encode(bytes);
        Picture { media_type, base64 }
    }

    /// An address that is the picture itself (RFC 2397).
    pub(crate) fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type.as_str(), self.base64)
    }
}

/// Loads pictures for all lanes of a run.
#[derive(Clone)]
pub struct PictureLoader {
    source: Arc<dyn PictureSource>,
    room: Arc<Semaphore>,
}

/// The pictures of one question. Dropping them makes room for others.
#[derive(Default)]
pub(crate) struct Loaded {
    pub pictures: Vec<Picture>,
    _room: Option<OwnedSemaphorePermit>,
}

impl PictureLoader {
    /// Loads from this source.
    pub fn new(source: Arc<dyn PictureSource>) -> PictureLoader {
        PictureLoader {
            source,
            room: Arc::new(Semaphore::new(ROOM as usize)),
        }
    }

    /// The pictures of a question, once there is room for them.
    pub(crate) async fn load(&self, images: &[Image]) -> Result<Loaded, CallError> {
        let bytes: u64 = images.iter().map(|image| image.bytes).sum();
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM);
        let room = Arc::clone(&self.room);
        // It is never closed.
        let room = room.acquire_many_owned(wanted.min(ROOM)).await.ok();
        let (source, images) = (Arc::clone(&self.source), images.to_vec());
        let loading = task::spawn_blocking(move || {
            images
                .iter()
                .map(|image| Ok(Picture::new(image.media_type, &source.load(image)?)))
                .collect::<Result<Vec<_>, String>>()
        });
        let loaded = loading.await.unwrap_or_else(|error| Err(error.to_string()));
        let pictures = loaded.map_err(|cause| CallError::new(FailureClass::Record, cause))?;
        Ok(Loaded {
            pictures,
            _room: room,
        })
    }
}

/// The error of a server that takes no pictures, as what it is: asking again would not help, and other questions are answered.
pub(crate) fn judged(error: CallError, images: usize, model: &str) -> CallError {
    let is_refusal = matches!(
        error.class,
        FailureClass::BadRequest | FailureClass::NotFound
    );
    let said = error.message.to_lowercase();
    if images == 0 || !is_refusal || !WORDS.iter().any(|word| said.contains(word)) {
        return error;
    }
    CallError {
        class: FailureClass::BadRequest,
        message: format!(
            "{model} refuses a question with pictures: {}; if it looks at none, name a model that does in the configuration of the component",
            error.message
        ),
        refused: None,
        ..error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use types::digest::Digest;

    struct Files(Mutex<u32>);

    impl PictureSource for Files {
        fn load(&self, image: &Image) -> Result<Vec<u8>, String> {
            *self.0.lock().unwrap() += 1;
            match image.source.as_str() {
                "gone" => Err("it is gone".to_owned()),
                _ => Ok(b"bytes".to_vec()),
            }
        }
    }

    fn image(source: &str, mebibytes: u64) -> Image {
        Image {
            source: source.to_owned(),
            digest: Digest::of(b"bytes"),
            media_type: ImageType::Png,
            width: 1,
            height: 1,
            bytes: mebibytes << 20,
        }
    }

    #[tokio::test]
    async fn no_more_is_on_its_way_than_there_is_room_for() {
        let files = Arc::new(Files(Mutex::new(0)));
        let loader = PictureLoader::new(Arc::clone(&files) as Arc<_>);
        let whole = loader.load(&[image("a", 900)]).await.unwrap();
        assert_eq!(
            whole.pictures[0].data_url(),
            "data:image/png;base64,Ynl0ZXM="
        );
        let next = [image("b", 1)];
        let second = loader.load(&next);
        tokio::pin!(second);
        let waits = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(waits.is_err(), "the room is taken");
        assert_eq!(*files.0.lock().unwrap(), 1);
        drop(whole);
        assert_eq!(second.await.unwrap().pictures.len(), 1);
        let error = loader.load(&[image("gone", 1)]).await.err().unwrap();
        assert_eq!(error.to_string(), "record: it is gone");
    }

    #[test]
    fn a_model_that_takes_no_pictures_is_named() {
        let error = |class, message: &str| CallError::new(class, message);
        let no = error(
            FailureClass::NotFound,
            "No endpoints found that support image input",
        );
        let told = judged(no.clone(), 1, "openrouter/m");
        assert_eq!(told.class, FailureClass::BadRequest);
        assert!(told.message.starts_with("openrouter/m refuses"), "{told}");
        assert_eq!(judged(no, 0, "m").class, FailureClass::NotFound);
        let other = error(FailureClass::NotFound, "no such model");
        assert_eq!(judged(other, 1, "m").class, FailureClass::NotFound);
    }
}

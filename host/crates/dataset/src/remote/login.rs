//! Who one is at Hugging Face, where many datasets are for some readers only. Its own tools have the same variables.

use reqwest::Url;

/// The token of a reader.
const TOKEN: &str = "HF_TOKEN";
/// Another server in the place of the public one.
const ENDPOINT: &str = "HF_ENDPOINT";
const PUBLIC: &str = "https://huggingface.co";

/// What is said of a file there that a reader may not have.
pub(super) const REMEDY: &str = "set HF_TOKEN to a token of a reader who may have it, and see whether the page of the dataset asks you to agree to something";

/// Who asks for a file.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    /// Whether the file lies there.
    pub is_at_hugging_face: bool,
    /// The token to send, which nobody else is sent.
    pub token: Option<&'a str>,
}

impl<'a> Login<'a> {
    /// Nobody in particular.
    pub const NOBODY: Login<'static> = Login {
        is_at_hugging_face: false,
        token: None,
    };

    /// Who asks for the file at this address, by variables of the environment.
    pub fn of(address: &str, variables: &'a [(String, String)]) -> Login<'a> {
        let value = |name: &str| {
            let mut named = variables.iter().filter(|(known, _)| known == name);
            let value = named.next().map(|(_, value)| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        let servers = [Some(PUBLIC), value(ENDPOINT)];
        let asked = origin(address);
        let is_at_hugging_face = servers
            .into_iter()
            .flatten()
            .filter_map(origin)
            .any(|server| asked.as_ref() == Some(&server));
        Login {
            is_at_hugging_face,
            token: value(TOKEN).filter(|_| is_at_hugging_face),
        }
    }
}

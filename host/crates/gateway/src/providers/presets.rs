//! What is known of providers by their names: where they are, which variable holds the key, and how their
//! API differs. It reads no environment and opens no connection; the configuration is laid over it.

use super::headers::RateLimitHeaders;
use crate::batch::protocol::BatchLimits;
use crate::settings::{Api, JsonSupport, ProviderConfig};

/// How servers that speak OpenAI's chat completions are told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By a word in `reasoning_effort`.
    Effort,
    /// By the same word in `reasoning`, as OpenRouter has it.
    Object,
    /// By a switch in `thinking`, and the word beside it, as DeepSeek has it.
    Switch,
    /// By a switch in `reasoning`, where no words are known of the model, as Together has it.
    Enabled,
    /// By the word, and by what the templates of many open models look for.
    EffortAndTemplate,
    /// By what the templates of open models look for.
    Template,
}

/// One provider, or one kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name, as it stands before the slash of a model's.
    pub name: &'static str,
    /// What it speaks.
    pub api: Api,
    /// Its address; `None` where only the user knows it.
    pub base_url: Option<&'static str>,
    /// How that address is written, for the one who must configure it.
    pub example_url: &'static str,
    /// Environment variables that may hold the key, the first that is set; none for a server without keys.
    pub keys: &'static [&'static str],
    /// The header that carries the key; `authorization` carries it as a bearer token.
    pub key_header: &'static str,
    /// How its headers describe its limits.
    pub limits: RateLimitHeaders,
    /// How it is asked for JSON.
    pub json: JsonSupport,
    /// Whether `stream_options` may ask it for the usage of a stream.
    pub stream_usage: bool,
    /// Name of the parameter for the output cap.
    pub max_tokens: &'static str,
    /// How batches are handed in, where it takes any.
    pub batch: Option<BatchPreset>,
    /// How it is told how much a model thinks.
    pub reasoning: Manner,
    /// Whether it has a tier `flex`, which is cheaper and has not always room.
    pub flex: bool,
    /// Fewest tokens of a beginning that its prompt cache keeps by itself, where it is known to have one.
    pub caches_from: Option<u32>,
    /// Whether questions that begin alike may bear a key by which they reach the same cache.
    pub cache_key: bool,
}

/// The batch APIs that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchApi {
    /// Files and batches of OpenAI.
    OpenAi,
    /// Message Batches of Anthropic.
    Anthropic,
    /// Files and batches of Gemini.
    Gemini,
    /// Files of OpenAI's kind and jobs of Mistral.
    Mistral,
    /// Batches of OpenAI's kind with an upload of their own.
    Together,
    /// Files of OpenAI's kind and batches that count.
    Xai,
}

/// How batches are handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPreset {
    /// What it speaks.
    pub api: BatchApi,
    /// How large a batch may be.
    pub limits: BatchLimits,
    /// Whether an uploaded file can be given a day on which it is deleted.
    pub files_expire: bool,
    /// For how many days answers are kept, where that is told.
    pub kept_days: Option<u64>,
}

/// OpenAI's own limits: <https://platform.openai.com/docs/guides/batch>.
pub(super) const OPENAI_BATCHES: BatchPreset = BatchPreset {
    api: BatchApi::OpenAi,
    limits: BatchLimits {
        lines: 50_000,
        bytes: 200_000_000,
    },
    files_expire: true,
    kept_days: Some(30),
};

/// A server of which nothing is known but that it speaks the chat completions API. It is asked for any JSON
/// object, with the schema in the prompt: a server that knows no `response_format` would ignore a schema.
const UNKNOWN: Preset = Preset {
    name: "",
    api: Api::Chat,
    base_url: None,
    example_url: "https://api.example.com/v1",
    keys: &[],
    key_header: "authorization",
    limits: RateLimitHeaders::Generic,
    json: JsonSupport::Object,
    stream_usage: true,
    max_tokens: "max_tokens",
    batch: None,
    flex: false,
    reasoning: Manner::Effort,
    caches_from: None,
    cache_key: false,
};

/// A server on this machine that holds answers to a schema by its grammar.
const LOCAL: Preset = Preset {
    limits: RateLimitHeaders::None,
    json: JsonSupport::Schema,
    ..UNKNOWN
};

const PRESETS: [Preset; 14] = [
    Preset {
        name: "openai",
        batch: Some(OPENAI_BATCHES),
        base_url: Some("https://api.openai.com/v1"),
        keys: &["OPENAI_API_KEY"],
        limits: RateLimitHeaders::OpenAi,
        json: JsonSupport::Schema,
        max_tokens: "max_completion_tokens",
        flex: true,
        caches_from: Some(1024),
        cache_key: true,
        ..UNKNOWN
    },
    Preset {
        name: "azure",
        batch: Some(OPENAI_BATCHES),
        example_url: "https://<resource>.openai.azure.com/openai/v1",
        keys: &["AZURE_OPENAI_API_KEY"],
        key_header: "api-key",
        limits: RateLimitHeaders::OpenAi,
        json: JsonSupport::Schema,
        max_tokens: "max_completion_tokens",
        flex: true,
        caches_from: Some(1024),
        ..UNKNOWN
    },
    Preset {
        name: "anthropic",
        api: Api::Messages,
        // https://docs.claude.com/en/docs/build-with-claude/batch-processing
        batch: Some(BatchPreset {
            api: BatchApi::Anthropic,
            limits: BatchLimits {
                lines: 100_000,
                bytes: 256_000_000,
            },
            files_expire: false,
            kept_days: Some(29),
        }),
        base_url: Some("https://api.anthropic.com/v1"),
        keys: &["ANTHROPIC_API_KEY"],
        key_header: "x-api-key",
        limits: RateLimitHeaders::Anthropic,
        // Only newer models hold answers to a schema; the table of models says which.
        json: JsonSupport::Prompt,
        ..UNKNOWN
    },
    Preset {
        name: "deepseek",
        base_url: Some("https://api.deepseek.com/v1"),
        keys: &["DEEPSEEK_API_KEY"],
        limits: RateLimitHeaders::None,
        reasoning: Manner::Switch,
        caches_from: Some(1024),
        ..UNKNOWN
    },
    Preset {
        name: "groq",
        // https://console.groq.com/docs/batch
        batch: Some(BatchPreset {
            files_expire: false,
            ..OPENAI_BATCHES
        }),
        base_url: Some("https://api.groq.com/openai/v1"),
        keys: &["GROQ_API_KEY"],
        limits: RateLimitHeaders::Groq,
        max_tokens: "max_completion_tokens",
        caches_from: Some(1024),
        ..UNKNOWN
    },
    Preset {
        name: "together",
        // https://docs.together.ai/docs/inference/batch/overview
        batch: Some(BatchPreset {
            api: BatchApi::Together,
            limits: BatchLimits {
                lines: 50_000,
                bytes: 100_000_000,
            },
            files_expire: false,
            kept_days: None,
        }),
        base_url: Some("https://api.together.xyz/v1"),
        keys: &["TOGETHER_API_KEY"],
        limits: RateLimitHeaders::Together,
        reasoning: Manner::Enabled,
        ..UNKNOWN
    },
    Preset {
        name: "openrouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        keys: &["OPENROUTER_API_KEY"],
        reasoning: Manner::Object,
        ..UNKNOWN
    },
    Preset {
        name: "mistral",
        // It would take more lines. <https://docs.mistral.ai/capabilities/batch/>
        batch: Some(BatchPreset {
            api: BatchApi::Mistral,
            files_expire: false,
            kept_days: None,
            ..OPENAI_BATCHES
        }),
        base_url: Some("https://api.mistral.ai/v1"),
        keys: &["MISTRAL_API_KEY"],
        json: JsonSupport::Schema,
        // It refuses fields that it does not know, and sends the usage unasked.
        stream_usage: false,
        ..UNKNOWN
    },
    Preset {
        name: "xai",
        // It would take more. <https://docs.x.ai/developers/advanced-api-usage/batch-api>
        batch: Some(BatchPreset {
            api: BatchApi::Xai,
            files_expire: false,
            kept_days: None,
            ..OPENAI_BATCHES
        }),
        base_url: Some("https://api.x.ai/v1"),
        keys: &["XAI_API_KEY"],
        limits: RateLimitHeaders::OpenAi,
        json: JsonSupport::Schema,
        max_tokens: "max_completion_tokens",
        caches_from: Some(1024),
        ..UNKNOWN
    },
    Preset {
        name: "gemini",
        // A file may be ten times as large. How many lines it may have is not documented.
        // <https://ai.google.dev/gemini-api/docs/batch-api>
        batch: Some(BatchPreset {
            api: BatchApi::Gemini,
            files_expire: false,
            kept_days: Some(2),
            ..OPENAI_BATCHES
        }),
        base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        limits: RateLimitHeaders::None,
        json: JsonSupport::Schema,
        flex: true,
        caches_from: Some(1024),
        ..UNKNOWN
    },
    Preset {
        name: "litellm",
        base_url: Some("http://127.0.0.1:4000/v1"),
        ..UNKNOWN
    },
    Preset {
        name: "vllm",
        base_url: Some("http://127.0.0.1:8000/v1"),
        reasoning: Manner::EffortAndTemplate,
        ..LOCAL
    },
    Preset {
        name: "llamacpp",
        base_url: Some("http://127.0.0.1:8080/v1"),
        reasoning: Manner::Template,
        ..LOCAL
    },
    Preset {
        name: "ollama",
        base_url: Some("http://127.0.0.1:11434/v1"),
        ..LOCAL
    },
];

impl Preset {
    /// How a model is asked for JSON, of which this is known about schemas.
    pub(super) fn json_of(&self, takes_schema: Option<bool>) -> JsonSupport {
        match (takes_schema, self.json, self.api) {
            (Some(true), _, _) => JsonSupport::Schema,
            (Some(false), JsonSupport::Schema, Api::Chat) => JsonSupport::Object,
            (Some(false), JsonSupport::Schema, Api::Messages) => JsonSupport::Prompt,
            (_, json, _) => json,
        }
    }
}

/// What is known by `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// All that are known.
pub(super) fn all() -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter()
}

/// The names that are known.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// The name that OpenTelemetry has for a provider of this name, or the name itself where it has none.
pub fn otel_name(name: &str) -> &str {
    match name {
        "azure" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        own => own,
    }
}

/// There is no such preset.
#[derive(Debug, thiserror::Error)]
#[error("there is no preset `{name}`\nhint: {meant}the presets are: {}", names().collect::<Vec<_>>().join(", "))]
pub struct UnknownPreset {
    /// What was asked for.
    pub name: String,
    meant: String,
}

/// The preset of a configured provider: the one it names, or the one of its own name. A provider of another
/// name that names none is a server of which nothing is known.
///
/// # Errors
/// When it names one that does not exist.
pub fn preset_of(name: &str, configured: &ProviderConfig) -> Result<Preset, UnknownPreset> {
    match &configured.preset {
        Some(wanted) => preset(wanted).copied().ok_or_else(|| UnknownPreset {
            name: wanted.clone(),
            meant: types::suggest::closest(wanted, names())
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default(),
        }),
        None => Ok(preset(name).copied().unwrap_or(UNKNOWN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_found_by_its_name_and_has_a_safe_address() {
        for name in names() {
            let preset = preset(name).unwrap();
            assert_eq!(names().filter(|other| *other == name).count(), 1, "{name}");
            let url = url::Url::parse(preset.base_url.unwrap_or("https://x.example/v1")).unwrap();
            let local = url.host_str() == Some("127.0.0.1");
            assert_eq!(url.scheme(), if local { "http" } else { "https" }, "{name}");
            assert_eq!(local, preset.keys.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_provider_may_name_a_preset() {
        let named = |preset: Option<&str>| ProviderConfig {
            preset: preset.map(ToOwned::to_owned),
            ..ProviderConfig::default()
        };
        let found = |name: &str, preset: Option<&str>| preset_of(name, &named(preset)).unwrap();
        assert_eq!(found("groq", None).limits, RateLimitHeaders::Groq);
        assert_eq!(found("mine", Some("azure")).key_header, "api-key");
        assert_eq!(found("mine", None), UNKNOWN);
        let error = preset_of("mine", &named(Some("vlm"))).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `vllm`?"),
            "{error}"
        );
    }

    /// The documentation has a row for each.
    #[test]
    fn every_preset_is_documented() {
        let documented = include_str!("../../../../../docs/PROVIDERS.md");
        for name in names() {
            assert!(documented.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}

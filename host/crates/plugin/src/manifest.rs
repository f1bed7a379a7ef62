//! The manifest of a plugin: `plugin.toml` beside its source, carried in the `.wasm` as a custom
//! section together with its prompts. It is static: nothing is learned by running the guest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use types::fields::ALL_FIELDS;

/// Name of the custom section that the build adds: JSON of [`Package`].
pub const SECTION: &str = "batchgen:plugin";

/// What the custom section holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// `plugin.toml`.
    pub manifest: Manifest,
    /// `prompts/<name>.md` by name.
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
}

/// `plugin.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// What it is.
    pub plugin: About,
    /// Defaults of the component that it gives.
    #[serde(default)]
    pub component: ComponentDefaults,
    /// Which data it is given.
    #[serde(default)]
    pub input: InputFields,
    /// How it uses a model; absent when it needs none.
    pub llm: Option<LlmDefaults>,
    /// What it makes.
    pub output: OutputDefaults,
    /// What it may use; the host's defaults where absent.
    #[serde(default)]
    pub limits: LimitOverrides,
    /// Prompts that have more to be said of than their text.
    #[serde(default)]
    pub prompts: BTreeMap<String, PromptDefaults>,
    /// JSON Schema of each option, with its `default`.
    #[serde(default)]
    pub options: BTreeMap<String, Map<String, Value>>,
    /// Keywords of JSON Schema that all options together must obey.
    #[serde(default)]
    pub all_options: Map<String, Value>,
}

/// What a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for people.
    pub description: String,
}

/// Defaults of a component, for the configuration to override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ComponentDefaults {
    /// Whether it runs without `--all`.
    pub enabled: bool,
    /// Smaller runs earlier.
    pub priority: i64,
    /// Components whose files it reads.
    pub depends_on: Vec<String>,
    /// Whether the configuration makes its components, and says what each is given and depends on: by
    /// itself it makes none.
    pub configured: bool,
    /// Whether it is given the prompts of the components that it depends on, as `COMPONENT.PROMPT`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub upstream_prompts: bool,
}

impl Default for ComponentDefaults {
    fn default() -> Self {
        ComponentDefaults {
            configured: false,
            enabled: false,
            priority: 100,
            depends_on: Vec::new(),
            upstream_prompts: false,
        }
    }
}

/// Top-level fields that the component is given; it is given no others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputFields {
    /// Fields of the record.
    pub record: Fields,
    /// Fields of the category.
    pub category: Fields,
    /// Fields of the record whose pictures its questions may show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// Which fields: a list of names, or `"all"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a list of fields, or \"all\"")]
pub enum Fields {
    /// These.
    Named(Vec<String>),
    /// Whatever there is.
    All(AllFields),
}

/// The word for all fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllFields {
    /// `"all"`.
    All,
}

impl Default for Fields {
    fn default() -> Self {
        Fields::Named(Vec::new())
    }
}

impl Fields {
    /// Their names; [`ALL_FIELDS`] stands for all.
    pub fn names(&self) -> Vec<String> {
        match self {
            Fields::Named(names) => names.clone(),
            Fields::All(AllFields::All) => vec![ALL_FIELDS.to_owned()],
        }
    }

    /// Whether a field is among them.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Fields::Named(names) => names.iter().any(|known| known == name),
            Fields::All(AllFields::All) => true,
        }
    }
}

/// What is to be said of a prompt. One without a file of its own must come from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptDefaults {
    /// Whether it is a template over `record`, `category`, `upstream` and `site`, which is checked before it is used.
    pub template: bool,
}

/// How it uses a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LlmDefaults {
    /// Most tokens of one answer.
    pub max_output_tokens: u32,
    /// Sampling temperature; the configuration's default where absent.
    pub temperature: Option<f64>,
}

/// What it makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputDefaults {
    /// Ending of the file's name, without a dot.
    pub extension: String,
    /// Media type of the file.
    pub media_type: MediaType,
    /// Option that holds another media type, whose usual extension counts then.
    pub media_type_option: Option<String>,
    /// Whether the file is a verdict on the file of the one component that it depends on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verdict: bool,
}

/// Media types that the host can check before it publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaType {
    /// Markdown; front matter between `---` lines must parse.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// Plain text.
    #[serde(rename = "text/plain")]
    Plain,
    /// HTML.
    #[serde(rename = "text/html")]
    Html,
    /// YAML.
    #[serde(rename = "application/yaml")]
    Yaml,
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
}

impl MediaType {
    /// Its usual ending of a file's name, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            MediaType::Markdown => "md",
            MediaType::Plain => "txt",
            MediaType::Html => "html",
            MediaType::Yaml => "yaml",
            MediaType::Json => "json",
        }
    }
}

/// What a component may use. The manifest and the configuration each may say; the smaller number counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitOverrides {
    /// Linear memory, MiB.
    pub memory_mib: Option<u32>,
    /// CPU time of one execution, ms.
    pub cpu_ms: Option<u32>,
    /// CPU time of all executions of one task, ms.
    pub task_cpu_ms: Option<u32>,
    /// Executions of one task.
    pub executions: Option<u32>,
    /// Completions of one task.
    pub calls: Option<u32>,
    /// Tokens, in and out, of one task: beyond it nothing more is asked.
    pub tokens: Option<u64>,
    /// US dollars of one task: beyond it nothing more is asked.
    pub cost: Option<f64>,
    /// Size of the artifact, KiB.
    pub artifact_kib: Option<u32>,
    /// Size of all log lines of one execution, KiB.
    pub log_kib: Option<u32>,
}

impl LimitOverrides {
    /// What no component could run with.
    pub fn fault(&self) -> Option<String> {
        let counts = [
            ("memory-mib", self.memory_mib.map(u64::from)),
            ("task-cpu-ms", self.task_cpu_ms.map(u64::from)),
            ("executions", self.executions.map(u64::from)),
            ("artifact-kib", self.artifact_kib.map(u64::from)),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, value)| *value == Some(0)) {
            return Some(format!("{key} must be at least 1"));
        }
        if self.cpu_ms.is_some_and(|ms| ms < LEAST_CPU_MS) {
            return Some(format!(
                "cpu-ms must be at least {LEAST_CPU_MS}: a running component is looked at every few milliseconds"
            ));
        }
        if self
            .cost
            .is_some_and(|cost| !(cost.is_finite() && cost >= 0.0))
        {
            return Some("cost must be an amount of dollars".to_owned());
        }
        None
    }
}

/// Twice as long as it takes until a running component is looked at.
const LEAST_CPU_MS: u32 = 10;

impl Manifest {
    /// The options' defaults.
    pub fn default_options(&self) -> Map<String, Value> {
        self.options
            .iter()
            .filter_map(|(name, schema)| {
                schema
                    .get("default")
                    .map(|value| (name.clone(), value.clone()))
            })
            .collect()
    }

    /// The JSON Schema of all options together.
    pub fn options_schema(&self) -> Value {
        let mut schema = self.all_options.clone();
        schema.insert("type".to_owned(), Value::from("object"));
        schema.insert("properties".to_owned(), serde_json::json!(self.options));
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        Value::Object(schema)
    }

    /// What is wrong with the manifest, beyond its shape.
    pub fn fault(&self) -> Option<String> {
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !plain(&self.plugin.name) {
            return Some(format!(
                "name `{}` must be lower-case letters, digits and hyphens",
                self.plugin.name
            ));
        }
        if self.output.extension.is_empty()
            || !self
                .output
                .extension
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        {
            return Some(format!(
                "output extension `{}` must be letters and digits, without a dot",
                self.output.extension
            ));
        }
        if let Some(fault) = self.limits.fault() {
            return Some(fault);
        }
        if self.component.depends_on.contains(&self.plugin.name) {
            return Some("it depends on itself".to_owned());
        }
        if self
            .llm
            .as_ref()
            .is_some_and(|llm| llm.max_output_tokens == 0)
        {
            return Some("max-output-tokens must be at least 1".to_owned());
        }
        if self.llm.is_none() && !self.input.images.is_empty() {
            return Some("it names `images`, and without [llm] it asks no model".to_owned());
        }
        if let Some(option) = &self.output.media_type_option
            && !self.options.contains_key(option)
        {
            return Some(format!(
                "media-type-option names `{option}`, which is no option of it"
            ));
        }
        let schema = self.options_schema();
        if let Some(fault) = options::fault(&schema) {
            return Some(format!("the schema of its options is not valid: {fault}"));
        }
        self.fault_of_defaults()
    }

    /// A default that the option's own schema does not allow. What all options together must obey is not looked at: the
    /// configuration may have to add to the defaults.
    fn fault_of_defaults(&self) -> Option<String> {
        let mut schema = self.options_schema();
        if let Some(keywords) = schema.as_object_mut() {
            // Definitions stay, since an option may point to them.
            keywords.retain(|keyword, _| {
                ["type", "properties", "$defs", "definitions"].contains(&keyword.as_str())
            });
        }
        let defaults = Value::Object(self.default_options());
        if options::is_too_much(&schema, &defaults) {
            return Some("the schema of its options takes too long to check".to_owned());
        }
        let error = options::violation(&schema, &defaults)?;
        let option = error.instance_path().to_string();
        Some(format!(
            "the default of its option `{}` is not what the option allows: {error}",
            option.trim_start_matches('/')
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Result<Manifest, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn reads_what_plugins_write() {
        let manifest = manifest(
            r#"
            [plugin]
            name = "text"
            version = "0.1.0"
            description = "An article"
            [component]
            enabled = true
            priority = 6
            depends-on = ["frontmatter"]
            [input]
            record = ["properties"]
            [llm]
            max-output-tokens = 1500
            [output]
            extension = "md"
            media-type = "text/markdown"
            [options.max-words]
            type = "integer"
            minimum = 100
            default = 450
            "#,
        )
        .unwrap();
        assert_eq!(manifest.fault(), None);
        assert_eq!(
            manifest.default_options().get("max-words"),
            Some(&Value::from(450))
        );
        assert!(!manifest.options_schema()["properties"]["max-words"].is_null());
    }

    #[test]
    fn unknown_keys_and_bad_names_are_refused() {
        let minimal = "[plugin]\nname = \"a\"\nversion = \"1\"\ndescription = \"\"\n[output]\nextension = \"md\"\nmedia-type = \"text/markdown\"\n";
        assert!(manifest(minimal).is_ok());
        assert!(manifest(&format!("{minimal}colour = 1\n")).is_err());
        let traversal = minimal.replace("\"a\"", "\"../a\"");
        assert!(
            manifest(&traversal)
                .unwrap()
                .fault()
                .unwrap()
                .contains("`../a`")
        );
        let default =
            format!("{minimal}[options]\na = {{ type = \"integer\", default = \"x\" }}\n");
        let fault = manifest(&default).unwrap().fault().unwrap();
        assert!(fault.contains("the default of its option `a`"), "{fault}");
        let extension = minimal.replace("\"md\"", "\"../md\"");
        assert!(manifest(&extension).unwrap().fault().is_some());
    }
}

//! What the file may hold, and what is said of what it may not.

use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, text).unwrap();
    Config::read(&file)
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = read("").unwrap();
    let limits = config.limits.for_model(&LimitsConfig::default());
    assert_eq!(
        (limits.requests_per_minute, limits.concurrency),
        (None, None),
        "what is not told is found out"
    );
    assert_eq!(config.retry.max_tries, 3);
}

/// The repository's file documents every key, so every commented line of it must be accepted. Components that someone
/// appended to try them are theirs.
#[test]
fn what_the_repository_documents_is_accepted() {
    let file = include_str!("../../../../batchgen.toml");
    let documented = file
        .split_once("\n[component.")
        .map_or(file, |(documented, _)| documented);
    let key = |line: &str| {
        line.strip_prefix("# ")
            .filter(|rest| {
                rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(key, _)| {
                        key.bytes()
                            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                    })
            })
            .map(ToOwned::to_owned)
    };
    let uncommented: Vec<String> = documented
        .lines()
        .map(|line| key(line).unwrap_or_else(|| line.to_owned()))
        .collect();
    let config = read(&uncommented.join("\n")).unwrap();
    // One of the two is made for each of two locales.
    assert_eq!(config.component.len(), 3);
    assert_eq!(config.provider.len(), 2);
    assert_eq!(config.models.len(), 2);
}

/// Keys that the code knows in a table, from what it says of one that it does not know.
fn keys(table: &str) -> Vec<String> {
    let error = read(&format!("{table}\nunheard-of = 1\n")).unwrap_err();
    let error = error.to_string();
    let (_, known) = error
        .split_once("unknown field `unheard-of`, expected ")
        .unwrap_or_else(|| panic!("{table}: {error}"));
    let known = known.lines().next().unwrap_or_default();
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn every_key_is_documented_in_the_repository_s_file() {
    let documented = include_str!("../../../../batchgen.toml");
    for table in [
        "",
        "[dataset]\npath = 'x'",
        "[dataset.lookup.l]\npath = 'x'\nkey = 'y'",
        "[site]",
        "[output]",
        "[state]",
        "[plugins]",
        "[plugins.limits]",
        "[limits]",
        "[retry]",
        "[batch]",
        "[cluster]",
        "[profile.p]",
        "[provider.p]",
        "[models.'p/m']",
        "[models.'p/m'.limits]",
        "[component.c]",
        "[component.c.limits]",
        "[component.c.gate]",
    ] {
        for key in keys(table) {
            let is_table = documented.contains(&format!("[{key}"))
                || documented.contains(&format!(".{key}."))
                || documented.contains(&format!(".{key}]"));
            let stands = documented.contains(&format!("{key} = "));
            assert!(
                stands || is_table,
                "batchgen.toml does not document `{key}` of {table}"
            );
        }
    }
}

#[test]
fn a_key_file_counts_from_the_directory_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, "[provider.p]\napi-key-file = \"secrets/p.key\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    let expected = directory.path().join("secrets/p.key");
    assert_eq!(config.provider["p"].api_key_file.as_ref(), Some(&expected));
}

#[test]
fn what_a_provider_or_a_price_may_be_is_told() {
    for (text, words) in [
        ("[provider.p]\napi-key = \"sk-1\"\n", "api-key-env"),
        ("[provider.p]\nlimit-headers = \"opnai\"\n", "`openai`"),
        ("[provider.p]\njson = \"strict\"\n", "`schema`"),
        (
            "[models.\"p/m\"]\nprice = { input = -1.0, output = 2.0 }\n",
            "million tokens",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_what_was_meant() {
    let error = read("modle = \"offline\"\n").unwrap_err().to_string();
    assert!(error.contains("line 1, column 1"), "{error}");
    assert!(error.ends_with("hint: did you mean `model`?"), "{error}");
    let error = read("[component.text]\nmax-output-token = 5\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("hint: did you mean `max-output-tokens`?"),
        "{error}"
    );
}

#[test]
fn a_key_that_was_written_into_the_file_is_not_shown() {
    for line in [
        "[provider.openai]\nendpoints = [{ base-url = 'https://x.example', api-key = 'sk-secret' }]",
        "[dataset]\nurl = 'postgres://me:sk-secret@a@b.example/shop'",
        "[dataset]\nurl = 'mysql://me:sk-secret@b.example/shop'",
        "[dataset]\npassword = 'sk-secret'",
        "[dataset]\npaths = 'https://x.example/a.csv?X-Amz-Signature=sk-secret'",
        "[cluster]\ntoken = 'sk-secret'",
        "[cluster]\nserver = 'nats://me:sk-secret@x.example'",
    ] {
        let error = read(line).unwrap_err().to_string();
        assert!(!error.contains("sk-secret"), "{error}");
    }
    let error = read("[limits]\ntokens-per-minute = 'many'").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("many"), "{error}");
    let error = read("[provider.openai]\napi-key = \"sk-secret\"\n").unwrap_err();
    let error = error.to_string();
    assert!(!error.contains("sk-secret"), "{error}");
    assert!(error.contains("`api-key-env`"), "{error}");
}

#[test]
fn the_nearest_file_upwards_counts_and_its_paths_start_there() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    assert_eq!(
        Config::find(&below).filter(|file| file.starts_with(directory.path())),
        None
    );
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, "[output]\ndirectory = \"out\"\n").unwrap();
    assert_eq!(Config::find(&below), Some(file.clone()));
    let config = Config::read(&file).unwrap();
    assert_eq!(config.output.directory, directory.path().join("out"));
}

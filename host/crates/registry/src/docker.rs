//! Logins as docker keeps them in `config.json`: by the host of a registry, or in the hands of a program that is asked for them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// How somebody shows a registry who they are.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    None,
    /// By name and password.
    Password {
        /// Name.
        name: String,
        /// Password.
        password: String,
    },
    /// By a token that stands for them.
    Identity(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Login::None => "None",
            Login::Password { .. } => "Password",
            Login::Identity(_) => "Identity",
        })
    }
}

/// Where the login for a registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Here.
    Login(Login),
    /// With the program `docker-credential-NAME`, which knows it under this name of the registry.
    Helper {
        /// NAME.
        program: String,
        /// Names of the registry.
        registry: String,
    },
}

/// A `config.json`, as far as it is about logins.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Logins {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    username: String,
    secret: String,
}

/// The registry that docker means where none is named, under the name that it has in `config.json`.
const DOCKER: &str = "https://index.docker.io/v1/";

impl Logins {
    /// Reads a `config.json`. What is wrong in it is told without its values.
    ///
    /// # Errors
    /// The place of what is wrong.
    pub fn parse(text: &str) -> Result<Logins, String> {
        serde_json::from_str(text).map_err(|error| {
            format!(
                "line {}, column {} is not as docker writes it",
                error.line(),
                error.column()
            )
        })
    }

    /// Where the login for exactly this host is.
    pub fn of(&self, registry: &str) -> Kept {
        let helper = |program: &String| Kept::Helper {
            program: program.clone(),
            registry: match is_docker(registry) {
                true => DOCKER.to_owned(),
                false => registry.to_owned(),
            },
        };
        let named = |(known, _): &(&String, &String)| is_same(known, registry);
        if let Some((_, program)) = self.cred_helpers.iter().find(named) {
            return helper(program);
        }
        let entry = self
            .auths
            .iter()
            .find(|(known, _)| is_same(known, registry));
        let login = entry.map_or(Login::None, |(_, entry)| entry.login());
        match &self.creds_store {
            // A store leaves empty entries behind.
            Some(program) if login == Login::None => helper(program),
            _ => Kept::Login(login),
        }
    }
}

impl Entry {
    fn login(&self) -> Login {
        if !self.identitytoken.is_empty() {
            return Login::Identity(self.identitytoken.clone());
        }
        let decoded = BASE64_STANDARD.decode(self.auth.trim()).unwrap_or_default();
        let decoded = String::from_utf8(decoded).unwrap_or_default();
        let (name, password) = match decoded.split_once(':') {
            Some((name, password)) => (name, password.trim_end_matches('\0')),
            None => (self.username.as_str(), self.password.as_str()),
        };
        login(name, password)
    }
}

fn login(name: &str, password: &str) -> Login {
    match name {
        "" => Login::None,
        "<token>" => Login::Identity(password.to_owned()),
        name => Login::Password {
            name: name.to_owned(),
            password: password.to_owned(),
        },
    }
}

/// The login that a helper printed.
///
/// # Errors
/// When that is none.
pub fn printed(output: &[u8]) -> Result<Login, String> {
    let secret: Secret = serde_json::from_slice(output)
        .map_err(|_| "it prints no `Username` and `Secret`".to_owned())?;
    Ok(login(&secret.username, &secret.secret))
}

fn is_docker(registry: &str) -> bool {
    ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&registry)
}

/// Whether a name of `config.json` is this host.
fn is_same(known: &str, registry: &str) -> bool {
    let known = known
        .strip_prefix("https://")
        .or_else(|| known.strip_prefix("http://"))
        .unwrap_or(known);
    let host = known.split('/').next().unwrap_or_default();
    host.eq_ignore_ascii_case(registry) || is_docker(host) && is_docker(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, registry: &str) -> Kept {
        Logins::parse(text).unwrap().of(registry)
    }

    fn password(name: &str, password: &str) -> Kept {
        Kept::Login(Login::Password {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    }

    /// As `docker login` and `az acr login` write it.
    const FILE: &str = r#"{"auths": {
        "ghcr.io": {"auth": "bWU6c2VjcmV0OjE="},
        "https://index.docker.io/v1/": {"auth": "aHViOnNlY3JldA=="},
        "127.0.0.1:5000": {"username": "me", "password": "plain"},
        "acme.azurecr.io": {"auth": "MDAwMDo=", "identitytoken": "ey"},
        "stored.example": {}
    }, "HttpHeaders": {"User-Agent": "Docker"}}"#;

    #[test]
    fn a_login_is_for_its_host_and_for_no_other() {
        assert_eq!(of(FILE, "ghcr.io"), password("me", "secret:1"));
        assert_eq!(of(FILE, "index.docker.io"), password("hub", "secret"));
        assert_eq!(of(FILE, "127.0.0.1:5000"), password("me", "plain"));
        let token = Login::Identity("ey".to_owned());
        assert_eq!(of(FILE, "acme.azurecr.io"), Kept::Login(token));
        for other in [
            "127.0.0.1",
            "127.0.0.1:5001",
            "ghcr.io.example.org",
            "io",
            "stored.example",
        ] {
            assert_eq!(of(FILE, other), Kept::Login(Login::None), "{other}");
        }
    }

    #[test]
    fn a_helper_is_asked_where_one_is_named() {
        let helper = |program: &str, registry: &str| Kept::Helper {
            program: program.to_owned(),
            registry: registry.to_owned(),
        };
        let file = FILE.replace(
            "\"HttpHeaders\"",
            "\"credsStore\": \"pass\", \"credHelpers\": {\"gcr.io\": \"gcloud\"}, \"HttpHeaders\"",
        );
        assert_eq!(of(&file, "gcr.io"), helper("gcloud", "gcr.io"));
        assert_eq!(
            of(&file, "stored.example"),
            helper("pass", "stored.example")
        );
        assert_eq!(of(&file, "ghcr.io"), password("me", "secret:1"));
        let store = r#"{"credsStore": "pass"}"#;
        assert_eq!(of(store, "docker.io"), helper("pass", DOCKER));
        let printed = |text: &str| printed(text.as_bytes());
        assert_eq!(
            printed(r#"{"ServerURL": "x", "Username": "<token>", "Secret": "ey"}"#),
            Ok(Login::Identity("ey".to_owned()))
        );
        assert!(printed("credentials not found").is_err());
    }

    #[test]
    fn what_is_wrong_is_told_without_its_values() {
        let error = Logins::parse("{\"auths\": {\"a\": {\"auth\": 12345}}}").unwrap_err();
        assert_eq!(error, "line 1, column 30 is not as docker writes it");
        assert!(!format!("{:?}", Logins::parse(FILE).unwrap()).contains("bWU"));
    }
}

//! Servers that do what registries should not, and what this crate makes of them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;
use url::Url;

use super::docker::Login;
use super::packages::Packages;
use super::publish::Publication;
use super::source::Source;
use super::web::{Question, Web};
use super::{Client, RegistryError, Release};
use types::digest::Digest;

const PLUGIN: &[u8] = b"the plugin";
/// `me:secret`.
const BASIC: &str = "Basic bWU6c2VjcmV0";

/// A request: its first line and its headers, in lower case but for their values.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines();
        lines.find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A server that answers as it is told, with all that it was asked.
struct Server {
    host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answer: impl Fn(&Asked, &str) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, all) = (host.clone(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if connection.read(&mut byte).unwrap_or(0) == 0 {
                        break;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let (line, headers) = head.split_once("\r\n").unwrap_or_default();
                let one = Asked {
                    line: line.to_owned(),
                    headers: headers.to_owned(),
                };
                all.lock().unwrap().push(one.clone());
                let _ = connection.write_all(&answer(&one, &own));
            }
        });
        Server { host, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn image(&self) -> String {
        format!("oci:{}/acme/notes:1.0.0", self.host)
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The manifest of an image with these layers.
fn manifest(layers: &[(&str, &[u8])]) -> Vec<u8> {
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()});
    let layers: Vec<_> = layers
        .iter()
        .map(|(kind, bytes)| descriptor(kind, bytes))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": layers,
    });
    manifest.to_string().into_bytes()
}

/// A registry that has the plugin, and gives it to everybody.
fn registry(asked: &Asked) -> Vec<u8> {
    if asked.line.contains("/manifests/") {
        return answer("200 OK", "", &manifest(&[("application/wasm", PLUGIN)]));
    }
    answer("200 OK", "", PLUGIN)
}

fn with_login<T>(login: Login, work: impl FnOnce(&Client<'_>) -> T) -> T {
    let logins = move |_: &str| Ok(login.clone());
    work(&Client {
        logins: &logins,
        packages: &Packages::default(),
        most: 1000,
    })
}

fn me() -> Login {
    Login::Password {
        name: "me".to_owned(),
        password: "secret".to_owned(),
    }
}

/// Finds and fetches a plugin.
fn fetched(source: &str, login: Login) -> Result<Vec<u8>, RegistryError> {
    with_login(login, |client| {
        let release = client.resolve(&source.parse()?)?;
        client.fetch(&release)
    })
}

fn error(source: &str) -> String {
    fetched(source, Login::None).unwrap_err().to_string()
}

#[test]
fn a_login_stays_behind_where_an_answer_leads_to_another_server() {
    let elsewhere = Server::start(|_, _| answer("200 OK", "", PLUGIN));
    let there = elsewhere.host.clone();
    let private = Server::start(move |asked, _| match asked.header("authorization") {
        None => answer(
            "401 Unauthorized",
            "www-authenticate: Basic realm=\"a\"\r\n",
            b"",
        ),
        Some(BASIC) if asked.line.contains("/blobs/") => {
            let location = format!("location: http://{there}/a?signed\r\n");
            answer("307 Temporary Redirect", &location, b"")
        }
        Some(_) => registry(asked),
    });
    assert_eq!(fetched(&private.image(), me()).unwrap(), PLUGIN);
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None, "{asked:?}");
    // Who has no login is told what to do.
    let refused = error(&private.image());
    assert!(refused.contains("answers 401 Unauthorized"), "{refused}");
    assert!(refused.contains("`docker login 127.0.0.1:"), "{refused}");
}

#[test]
fn a_login_that_a_server_repeats_is_not_told() {
    let server = Server::start(|asked, _| match asked.header("authorization") {
        None => answer(
            "401 Unauthorized",
            "www-authenticate: Basic realm=\"x\"\r\n",
            b"",
        ),
        Some(login) => {
            let said = format!("no: {login} of a-long-password");
            let body = json!({"errors": [{"message": said}]}).to_string();
            answer("403 Forbidden", "", body.as_bytes())
        }
    });
    let login = Login::Password {
        name: "me".to_owned(),
        password: "a-long-password".to_owned(),
    };
    let source = format!("oci:{}/acme/notes:1", server.host);
    let error = fetched(&source, login).unwrap_err().to_string();
    assert!(error.contains("no: Basic [key] of [key]"), "{error}");
}

#[test]
fn a_token_is_asked_for_where_the_registry_says() {
    let tokens = Server::start(|asked, _| match asked.header("authorization") {
        Some(BASIC) => answer("200 OK", "", br#"{"token": "abc"}"#),
        _ => answer("401 Unauthorized", "", b""),
    });
    let there = tokens.host.clone();
    let private = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Bearer abc") => registry(asked),
        _ => {
            let challenge = format!(
                "www-authenticate: Bearer realm=\"http://{there}/token\",service=\"s\"\r\n"
            );
            answer("401 Unauthorized", &challenge, b"")
        }
    });
    assert_eq!(fetched(&private.image(), me()).unwrap(), PLUGIN);
    let line = &tokens.asked()[0].line;
    assert_eq!(
        line,
        "GET /token?scope=repository%3Aacme%2Fnotes%3Apull&service=s HTTP/1.1"
    );
    for asked in private.asked() {
        assert_ne!(asked.header("authorization"), Some(BASIC), "{asked:?}");
    }
    assert!(fetched(&private.image(), Login::None).is_err());
}

#[test]
fn no_password_is_sent_without_tls_to_another_machine() {
    let private = Server::start(|_, _| {
        let challenge = "www-authenticate: Bearer realm=\"http://example.org/token\"\r\n";
        answer("401 Unauthorized", challenge, b"")
    });
    let error = fetched(&private.image(), me()).unwrap_err().to_string();
    assert!(
        error.contains("tokens come from http://example.org/token, which is not safe"),
        "{error}"
    );
    let leading =
        Server::start(|_, _| answer("302 Found", "location: http://example.org/a.wasm\r\n", b""));
    let error = self::error(&format!("http://{}/a.wasm", leading.host));
    assert!(error.contains("it leads to http://"), "{error}");
}

#[test]
fn no_more_is_taken_than_a_plugin_may_have() {
    let most = "has more than 1000 bytes";
    // Told beforehand, and not told.
    let long = Server::start(|_, _| answer("200 OK", "", &[0; 1001]));
    let endless = Server::start(|_, _| {
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        [head.as_slice(), &[0; 100_000]].concat()
    });
    for server in [&long, &endless] {
        let error = error(&format!("http://{}/a.wasm", server.host));
        assert!(error.contains(most), "{error}");
    }
    let manifest = Server::start(|_, _| {
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        [head.as_slice(), &vec![b' '; 5 << 20]].concat()
    });
    let error = error(&manifest.image());
    assert!(error.contains("more than 4194304 bytes"), "{error}");
}

#[test]
fn what_has_another_hash_is_not_taken() {
    let other = Server::start(|asked, _| {
        if asked.line.contains("/manifests/") {
            return registry(asked);
        }
        answer("200 OK", "", b"another plugin")
    });
    let error = error(&other.image());
    assert!(
        error.contains("gives another file than it should"),
        "{error}"
    );
    assert!(
        error.contains(&Digest::of(b"another plugin").to_string()),
        "{error}"
    );
    let pinned = format!("oci:{}/acme/notes@sha256:{}", other.host, Digest::of(b"x"));
    let error = self::error(&pinned);
    assert!(
        error.contains("gives another file than it should"),
        "{error}"
    );
    let locked = Release {
        address: Source::Web(Url::parse(&format!("http://{}/a.wasm", other.host)).unwrap()),
        digest: Some(Digest::of(PLUGIN)),
    };
    let found = with_login(Login::None, |client| client.fetch(&locked));
    assert!(
        matches!(found, Err(RegistryError::OtherFile { .. })),
        "{found:?}"
    );
}

#[test]
fn images_of_other_kinds_are_refused_by_what_they_are() {
    for (body, cause) in [
        (manifest(&[]), "it has 0 layers"),
        (
            manifest(&[("application/wasm", PLUGIN), ("application/wasm", b"b")]),
            "it has 2 layers",
        ),
        (
            manifest(&[("application/vnd.oci.image.layer.v1.tar+gzip", b"a")]),
            "its layer is of the type application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        (
            br#"{"schemaVersion": 2, "manifests": []}"#.to_vec(),
            "its manifest is none of one image",
        ),
    ] {
        let server = Server::start(move |_, _| answer("200 OK", "", &body));
        let error = error(&server.image());
        assert!(
            error.contains("is no component") && error.contains(cause),
            "{error}"
        );
    }
}

#[test]
fn a_server_that_fails_is_asked_again_and_what_it_says_is_told() {
    let error_of = |status: &'static str, body: &'static [u8]| {
        let server = Server::start(move |_, _| answer(status, "", body));
        (error(&server.image()), server.asked().len())
    };
    let (failed, asked) = error_of("503 Service Unavailable", b"<html>");
    assert!(
        failed.contains("answers 503 Service Unavailable\nhint: see whether"),
        "{failed}"
    );
    assert_eq!(asked, 3);
    let said = br#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}"#;
    let (refused, asked) = error_of("404 Not Found", said);
    assert!(
        refused.contains("404 Not Found (manifest unknown)\nhint: check name and tag"),
        "{refused}"
    );
    assert_eq!(asked, 1);
}

/// A registry of the package `acme:notes`, whose tags come in two parts.
fn packages(asked: &Asked, host: &str) -> Vec<u8> {
    let line = &asked.line;
    if line.contains("registry.json") {
        let kept = json!({"oci": {"registry": host, "namespacePrefix": "all/"}});
        return answer("200 OK", "", kept.to_string().as_bytes());
    }
    if line.contains("last=") {
        return answer(
            "200 OK",
            "",
            br#"{"name": "a", "tags": ["1.2.3", "latest"]}"#,
        );
    }
    if line.contains("/v2/all/acme/notes/tags/list") {
        let next = "link: </v2/all/acme/notes/tags/list?last=1.2.0>; rel=\"next\"\r\n";
        return answer(
            "200 OK",
            next,
            br#"{"name": "a", "tags": ["1.2.0", "2.0.0"]}"#,
        );
    }
    registry(asked)
}

#[test]
fn a_package_is_found_by_what_its_registry_says() {
    let server = Server::start(packages);
    let text = format!("[namespace_registries]\nacme = \"{}\"\n", server.host);
    let client = Client {
        logins: &|_: &str| Ok(Login::None),
        packages: &Packages::parse("config.toml", &text).unwrap(),
        most: 1000,
    };
    let resolved = |source: &str| client.resolve(&source.parse().unwrap());
    let release = resolved("acme:notes@1.2").unwrap();
    assert_eq!(release.digest, Some(Digest::of(PLUGIN)));
    let place = format!("oci:{}/all/acme/notes", server.host);
    assert_eq!(release.address.place(), place);
    let asked = server.asked();
    assert!(
        asked.last().unwrap().line.contains("manifests/1.2.3 "),
        "{asked:?}"
    );
    let none = resolved("acme:notes@3").unwrap_err().to_string();
    assert!(
        none.contains("has no version 3\nhint: the newest are 2.0.0, 1.2.3, 1.2.0"),
        "{none}"
    );
    let unknown = resolved("other:notes").unwrap_err().to_string();
    assert!(unknown.contains("name one in config.toml"), "{unknown}");
}

#[test]
fn a_list_of_versions_is_not_followed_to_another_server() {
    let elsewhere = Server::start(|_, _| answer("200 OK", "", b"{}"));
    let there = elsewhere.host.clone();
    let server = Server::start(move |asked, _| {
        if asked.line.contains("tags/list") {
            let next = format!("link: <http://{there}/v2/tags>; rel=\"next\"\r\n");
            return answer("200 OK", &next, br#"{"tags": ["1.0.0"]}"#);
        }
        registry(asked)
    });
    let text = format!(
        "[namespace_registries]\nacme = {{ registry = \"{}\", metadata = {{}} }}\n",
        server.host
    );
    let client = Client {
        logins: &|_: &str| Ok(Login::None),
        packages: &Packages::parse("config.toml", &text).unwrap(),
        most: 1000,
    };
    client.resolve(&"acme:notes".parse().unwrap()).unwrap();
    assert_eq!(elsewhere.asked().len(), 0);
}

#[test]
fn a_version_is_never_replaced() {
    let server = Server::start(|asked, _| registry(asked));
    let publication = Publication {
        name: "notes",
        version: "1.0.0",
        description: "Notes",
        imports: Vec::new(),
        exports: Vec::new(),
        bytes: b"another".to_vec(),
    };
    let Ok(Source::Oci(image)) = server.image().parse() else {
        panic!("an image")
    };
    let published = with_login(Login::None, |client| client.publish(&publication, &image));
    let error = published.unwrap_err().to_string();
    assert!(
        error.contains("is published already, with other contents"),
        "{error}"
    );
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.line.starts_with("GET "))
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_of_a_plugin_that_says_nothing_is_given_up() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let web = Web::new().unwrap();
    let asked = web.ask(&Question::plain(&url, 1000)).await;
    assert!(
        matches!(asked, Err(RegistryError::Unreachable { cause, .. }) if cause == "the server says nothing")
    );
}

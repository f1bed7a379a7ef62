//! Servers that let nobody in without a password, and say who they are.

use std::fs;
use std::process::Command;

use super::farm::Farm;
use crate::nats::Nats;
use crate::scene::{Scene, root};

const USER: &str = "batchgen";
const PASSWORD: &str = "correct horse";

/// A server with these settings, and a run and workers that know what `known` says.
fn farm(settings: &str, known: &[(&str, &str)]) -> Farm {
    let farm = Farm::on(Nats::configured(1, settings), 1);
    let with = |scene: Scene| {
        let known = known.iter();
        known.fold(scene, |scene, (name, value)| scene.with(name, value))
    };
    Farm {
        coordinator: with(farm.coordinator),
        workers: with(farm.workers),
        ..farm
    }
}

fn user() -> String {
    format!("authorization {{ user: {USER}, password: \"{PASSWORD}\" }}\n")
}

#[test]
fn a_user_with_a_password_is_let_in_and_others_are_not() {
    let known = [
        ("BATCHGEN_CLUSTER_USER", USER),
        ("BATCHGEN_CLUSTER_PASSWORD", PASSWORD),
    ];
    let farm = farm(&user(), &known);
    let run = farm.run();
    let _worker = farm.worker("one");
    assert_eq!(farm.ends_right(run), 0);
    let refused = is_refused(&farm, Scene::new(), PASSWORD);
    assert!(refused.contains("refuses the login"), "{refused}");
    assert!(refused.contains("BATCHGEN_CLUSTER_USER"), "{refused}");
}

#[test]
fn an_nkey_is_let_in_and_another_is_not() {
    // Made for this test.
    const SEED: &str = "SUALJONIFYWVIU7YBALVIO5RO3P4C5JBE4TJRLKBXNWL2KKVEUALYXQLPQ";
    const PUBLIC: &str = "UBMVXYLIOJSJISYFXHKBFQCBXUOAMYKPENGJRVCHSQWJ36NJLN5BMH2I";
    let settings = format!("authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}\n");
    let farm = farm(&settings, &[("BATCHGEN_CLUSTER_NKEY", SEED)]);
    let run = farm.run();
    let _worker = farm.worker("one");
    assert_eq!(farm.ends_right(run), 0);
    is_refused(&farm, Scene::new(), SEED);
}

#[test]
fn a_file_of_credentials_is_let_in_and_a_file_that_is_none_is_named() {
    // Made for this test, with an operator and an account of its own; nothing of it ends.
    let fixture = |name: &str| root().join("tests/fixtures/nats").join(name);
    let settings = fs::read_to_string(fixture("operator.conf")).unwrap();
    let file = fixture("user.creds").display().to_string();
    let farm = farm(&settings, &[("BATCHGEN_CLUSTER_CREDENTIALS", &file)]);
    let run = farm.run();
    let _worker = farm.worker("one");
    assert_eq!(farm.ends_right(run), 0);
    is_refused(&farm, Scene::new(), "USER NKEY SEED");
    let stranger = Scene::new().with("BATCHGEN_CLUSTER_CREDENTIALS", "/no/such/file");
    let refused = is_refused(&farm, stranger, "USER NKEY SEED");
    assert!(refused.contains("/no/such/file"), "{refused}");
}

/// Who knows something else is let in nowhere, and is told no secret.
fn is_refused(farm: &Farm, stranger: Scene, secret: &str) -> String {
    let url = farm.nats.url();
    let refused = stranger.host(&["cluster", "status", "--cluster", &url]);
    let refused = refused.ended(2).stderr;
    assert!(!refused.contains(secret), "{refused}");
    refused
}

#[test]
fn a_server_whose_authority_is_named_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: openssl makes no certificate here");
        return;
    }
    let settings = format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\n");
    let known = [("BATCHGEN_CLUSTER_CA", certificate.as_str())];
    let farm = farm(&settings, &known);
    let run = farm.run();
    let _worker = farm.worker("one");
    assert_eq!(farm.ends_right(run), 0);
    let url = farm.nats.url();
    let status = ["cluster", "status", "--cluster", &url];
    let refused = Scene::new().host(&status).ended(2).stderr;
    assert!(refused.contains("BATCHGEN_CLUSTER_CA"), "{refused}");
    for (file, cause) in [
        ("/no/such/file", "No such file"),
        (key.as_str(), "no certificate"),
    ] {
        let stranger = Scene::new().with("BATCHGEN_CLUSTER_CA", file);
        let refused = stranger.host(&status).ended(2).stderr;
        assert!(
            refused.contains(file) && refused.contains(cause),
            "{refused}"
        );
    }
}

//! Which calls faults befall, and how faults are written.

use super::text::KINDS;
use super::*;

fn call(number: u64, attempt: u64, prompt: u128) -> Befallen<'static> {
    Befallen {
        number,
        attempt,
        prompt,
        texts: &["clean the steel"],
    }
}

fn chosen(fault: &str, call: &Befallen<'_>) -> bool {
    choose(&[fault.parse().unwrap()], call, 7).is_some()
}

#[test]
fn befall_the_calls_that_they_name() {
    assert!(chosen("500@nth:3", &call(3, 1, 0)) && !chosen("500@nth:3", &call(4, 1, 0)));
    assert!(chosen("500@first:2", &call(9, 2, 0)) && !chosen("500@first:2", &call(9, 3, 0)));
    assert!(
        chosen("500@containing:steel", &call(1, 1, 0))
            && !chosen("500@containing:wood", &call(1, 1, 0))
    );
    assert!(chosen("500@100%", &call(1, 1, 0)) && !chosen("500@0%", &call(1, 1, 0)));
}

#[test]
fn shares_are_kept_and_do_not_depend_on_the_order_of_calls() {
    let hit = |number: u64, prompt: u128| chosen("503@20%", &call(number, 1, prompt << 64));
    let hits = (0..5000).filter(|prompt| hit(1, *prompt)).count();
    assert!((850..1150).contains(&hits), "{hits}");
    assert!((0..200).all(|prompt| hit(1, prompt) == hit(99, prompt)));
}

#[test]
fn the_first_fault_that_applies_is_chosen() {
    let faults: Vec<Fault> = ["length@nth:9", "rate-limited:1500@first:1", "500@100%"]
        .map(|fault| fault.parse().unwrap())
        .into();
    assert_eq!(
        choose(&faults, &call(1, 1, 0), 0),
        Some(FaultKind::RateLimited(Some(1500)))
    );
    assert_eq!(
        choose(&faults, &call(1, 2, 0), 0),
        Some(FaultKind::Status(500))
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    for (fault, named) in [
        ("503", "KIND@WHEN"),
        ("418@5%", "reset-in-body"),
        ("500@120%", "first:N"),
    ] {
        let error = fault.parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn every_named_kind_can_be_read() {
    for names in KINDS
        .split(',')
        .map(|kind| kind.trim().replace("MILLISECONDS", "20"))
    {
        for kind in names.split([' ', '(', ')']).filter(|kind| !kind.is_empty()) {
            assert!(kind.parse::<FaultKind>().is_ok(), "{kind}");
        }
    }
}

//! Plugin files that cost far more to look at than they have bytes. Each is refused, or runs, for little time and memory.

use crate::bombs::{Trial, kinds};

/// The small size of each kind. `cargo xtask bench bombs` tries the large one.
#[test]
fn each_is_refused_or_runs_for_little() {
    let trial = Trial::new().unwrap();
    let mut faults = Vec::new();
    for kind in kinds() {
        let [small, _] = kind.sizes;
        let cost = trial.load(&kind.file(small)).unwrap();
        faults.extend(cost.fault().map(|fault| format!("{}: {fault}", kind.name)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Those that would never end, at their large size, and another project of the same user.
#[test]
fn one_that_takes_for_ever_is_refused_and_stops_no_other_project() {
    let trial = Trial::new().unwrap();
    for (number, name) in ["instances", "parameters", "nested"]
        .into_iter()
        .enumerate()
    {
        let kind = kinds().find(|kind| kind.name == name).unwrap();
        let [_, large] = kind.sizes;
        let (cost, _) = trial
            .load_beside_another(&kind.file(large), number)
            .unwrap();
        assert_eq!(cost.fault(), None, "{name}");
        assert_eq!(cost.ran.code, Some(2), "{name}");
        let said = cost.ran.stderr;
        let words = ["takes more than", "deep", "not valid", "does not compile"];
        assert!(
            words.iter().any(|words| said.contains(words)),
            "{name}: {said}"
        );
    }
}

//! Snapshots of every bundled plugin and every example over a handful of records: its prompts, the answers it was told, and
//! the artifact. Made by replay from `<plugin>/<record>.completions.json`, with no network; a question that
//! was never recorded fails, or is recorded from the offline provider where `SNAPSHOTS_RECORD` is set. `SNAPSHOTS_ONLY`
//! is the name of the one plugin that is looked at.
//!
//! Plugins are found, not listed: a new one needs its folder here and nothing else.

#[cfg(test)]
mod case;
#[cfg(test)]
mod recording;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use config::component::Component;

    use crate::case::Bench;

    /// A metal, a wood without formula, a polymer with a long name, a semiconductor.
    const RECORDS: [&str; 4] = [
        "aluminum",
        "oak",
        "fiber-reinforced-polyurethane-frpu",
        "silicon",
    ];

    /// Where the sources of plugins are, and where below `target/` they were built to.
    const BUNDLED: (&str, &str) = ("plugins", "plugins");
    const EXAMPLES: (&str, &str) = ("plugins/examples", "example-plugins");

    fn bench((source, built): (&str, &str)) -> Bench {
        Bench::new(source, built)
    }

    #[test]
    fn every_plugin_is_as_it_was_reviewed() {
        compare(&bench(BUNDLED));
    }

    /// Whatever they are written in; one is missing where its language's tools are not installed.
    #[test]
    fn every_example_is_as_it_was_reviewed() {
        compare(&bench(EXAMPLES));
    }

    /// They are the same component in three languages, so none can be told from another.
    #[test]
    fn the_language_of_a_component_cannot_be_seen() {
        let bench = bench(EXAMPLES);
        for record in RECORDS {
            let mut shown = bench.components().iter().map(|component| {
                let told = bench.show(component, record);
                told.replace(&component.name, "summary")
            });
            let first = shown.next().expect("an example");
            shown.for_each(|other| assert_eq!(other, first));
        }
    }

    /// Nothing but input and answers reaches a component: neither what ran before it nor what runs beside it.
    #[test]
    fn every_component_makes_the_same_bytes_under_load() {
        for plugins in [BUNDLED, EXAMPLES] {
            let bench = bench(plugins);
            let cases: Vec<_> = bench
                .components()
                .iter()
                .flat_map(|component| RECORDS.map(|record| (component, record)))
                .collect();
            let alone: Vec<String> = cases
                .iter()
                .map(|(component, record)| bench.show(component, record))
                .collect();
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (bench, cases, alone) = (&bench, &cases, &alone);
                    // Each in another order.
                    scope.spawn(move || {
                        for turn in 0..cases.len() {
                            let place = (turn * 7 + thread * 3) % cases.len();
                            let (component, record) = cases[place];
                            let again = bench.show(component, record);
                            assert_eq!(again, alone[place], "{}/{record}", component.name);
                        }
                    });
                }
            });
        }
    }

    fn compare(bench: &Bench) {
        let mut wrong = Vec::new();
        let only = std::env::var("SNAPSHOTS_ONLY").ok();
        let plugin = |component: &Component| component.plugin.package.manifest.plugin.name.clone();
        let components = bench.components().iter();
        for component in components
            .filter(|component| only.as_ref().is_none_or(|only| *only == plugin(component)))
        {
            for record in RECORDS {
                let case = || {
                    let mut settings = insta::Settings::clone_current();
                    settings.set_snapshot_path(format!("../{}", component.name));
                    settings.set_prepend_module_to_snapshot(false);
                    settings.set_omit_expression(true);
                    settings
                        .bind(|| insta::assert_snapshot!(record, bench.show(component, record)));
                };
                // All of them are looked at, so that one review sees every change.
                if catch_unwind(AssertUnwindSafe(case)).is_err() {
                    wrong.push(format!("{}/{record}", component.name));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "missing or changed: {}\nreview them with `cargo xtask snapshots`, or `cargo insta review`",
            wrong.join(", ")
        );
    }
}

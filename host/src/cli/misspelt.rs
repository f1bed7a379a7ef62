//! What may have been meant by a subcommand or flag that is not known. clap guesses by likeness, which finds `--modle` and
//! not `rnu`; and it advises to pass what begins with a dash as a value, which nobody meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use types::suggest::closest;

/// The error with a guess, where there is one.
pub(super) fn explained(mut error: Error, command: &mut Command, arguments: &[String]) -> Error {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let names = at(command, arguments)
                .get_subcommands()
                .map(Command::get_name);
            guess(&mut error, ContextKind::InvalidSubcommand, names, |meant| {
                (
                    ContextKind::SuggestedSubcommand,
                    ContextValue::Strings(vec![meant.to_owned()]),
                )
            });
        }
        ErrorKind::UnknownArgument => {
            error.remove(ContextKind::Suggested);
            let at = at(command, arguments);
            let flags: Vec<String> = at
                .get_arguments()
                .filter_map(clap::Arg::get_long)
                .map(|name| format!("--{name}"))
                .collect();
            let names = flags.iter().map(String::as_str);
            guess(&mut error, ContextKind::InvalidArg, names, |meant| {
                (
                    ContextKind::SuggestedArg,
                    ContextValue::String(meant.to_owned()),
                )
            });
        }
        _ => {}
    }
    error
}

fn guess<'a>(
    error: &mut Error,
    kind: ContextKind,
    names: impl Iterator<Item = &'a str>,
    suggestion: impl Fn(&str) -> (ContextKind, ContextValue),
) {
    let Some(ContextValue::String(given)) = error.get(kind) else {
        return;
    };
    let given = given.split('=').next().unwrap_or_default();
    if let Some(meant) = closest(given, names) {
        let (kind, value) = suggestion(meant);
        error.insert(kind, value);
    }
}

/// The subcommand that the arguments lead to.
fn at<'a>(command: &'a mut Command, arguments: &[String]) -> &'a Command {
    // So that flags of all subcommands are known to each.
    command.build();
    let mut at: &Command = command;
    for word in arguments {
        if let Some(below) = at.find_subcommand(word) {
            at = below;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &[&str]) -> String {
        let mut command = Command::new("batchgen").bin_name("batchgen").subcommands([
            Command::new("run")
                .arg(clap::arg!(--format <FORMAT>))
                .arg(clap::arg!([FILE])),
            Command::new("retry"),
            Command::new("store").subcommand(Command::new("stats")),
        ]);
        let given: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let error = command
            .clone()
            .try_get_matches_from(std::iter::once("batchgen").chain(arguments.iter().copied()));
        explained(error.unwrap_err(), &mut command, &given).to_string()
    }

    #[test]
    fn letters_in_the_wrong_order_are_guessed() {
        assert!(told(&["rnu"]).contains("'run'"), "{}", told(&["rnu"]));
        assert!(told(&["store", "stast"]).contains("'stats'"));
        assert!(told(&["run", "--fromat", "x"]).contains("'--format'"));
    }

    #[test]
    fn what_is_like_nothing_gets_no_advice() {
        let told = told(&["run", "--colour"]);
        assert!(
            told.contains("--colour") && !told.contains("-- --colour"),
            "{told}"
        );
    }
}

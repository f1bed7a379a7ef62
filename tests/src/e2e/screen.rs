//! What a person sees on a terminal, through a real pseudo-terminal and an emulator of what draws on it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::scene::{Scene, program};
use simulator::{Config, Simulator};

/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Records that fit into the limit of a minute, so that the run then stands still.
const FITTING: u64 = 12;

/// A run on a terminal of its own.
struct Terminal {
    child: Child,
    bytes: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
    raw: Vec<u8>,
}

impl Terminal {
    /// Starts the host on a terminal of `width` and `height`.
    fn start(scene: &Scene, arguments: &str, width: u16, height: u16) -> Terminal {
        let host = program("batchgen").display().to_string();
        let line = format!("stty cols {width} rows {height}; exec {host} {arguments}");
        // Of util-linux, which is essential on Debian: gives its child a pseudo-terminal.
        let mut command: Command =
            scene.command_of("script".as_ref(), &["-qec", &line, "/dev/null"]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = command
            .env("PATH", path)
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .spawn()
            .expect("`script` of util-linux is installed");
        let mut output = child.stdout.take().unwrap();
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            child,
            bytes,
            emulator: vt100::Parser::new(
                NonZero::new(height).unwrap(),
                NonZero::new(width).unwrap(),
                0,
            ),
            raw: Vec::new(),
        }
    }

    /// The screen, once it shows all of these words.
    fn showing(&mut self, words: &[&str]) -> String {
        let start = Instant::now();
        loop {
            if let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(50)) {
                self.emulator.process(&bytes);
                self.raw.extend(bytes);
            }
            let screen = self.emulator.screen().contents();
            // The words may be broken over lines.
            let flat = flat(&screen);
            if words.iter().all(|word| flat.contains(word)) {
                return screen;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{words:?} did not come:\n{screen}"
            );
        }
    }
}

impl Terminal {
    /// All lines that were printed, once the program has ended. Those of the block are of the terminal's width, and are
    /// drawn by moving the cursor.
    fn printed(mut self) -> Vec<String> {
        self.child.wait().unwrap();
        while let Ok(bytes) = self.bytes.recv_timeout(PATIENCE) {
            self.raw.extend(bytes);
        }
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        let lines = text.split("\r\n").flat_map(|line| line.split('\r'));
        lines
            .filter(|line| {
                !line.contains("\u{1b}[1A") && !line.contains('█') && !line.contains('░')
            })
            .map(console_free)
            .collect()
    }
}

/// A line without what moves the cursor or sets colours.
fn console_free(line: &str) -> String {
    let mut text = String::new();
    let mut parts = line.split('\u{1b}');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        text.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    text
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether something is red or yellow.
fn is_coloured(bytes: &[u8]) -> bool {
    bytes
        .windows(5)
        .any(|bytes| bytes == b"\x1b[31m" || bytes == b"\x1b[33m")
}

/// A text without line breaks and with single spaces.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Twenty things, two of which lack what the prompt needs.
fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new().with_plugins("plugins").asking(simulator);
    let things = (1..=20).map(|number| {
        let colour = if number % 10 == 0 { "" } else { r#", "colour": "red""# };
        format!("{{\"id\": \"thing-{number}\", \"name\": \"Thing {number}\", \"category\": \"tools\"{colour}}}\n")
    });
    scene.write("things.jsonl", &things.collect::<String>());
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"things.jsonl\"\nrecords = \"things\"\n[plugins]\nimplicit = false\n\
         [models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n\
         [component.note]\nplugin = \"prompt\"\ninput = { record = [\"colour\"] }\n\
         prompts.write.text = \"Write on {{ record.name }}, which is {{ record.colour }}.\"\n",
    );
    scene
}

/// What differs from run to run is left out.
fn masked(screen: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in screen.split_whitespace() {
        // A pace is there or not, by the age of the run.
        if word.ends_with("/s)") {
            continue;
        }
        if word.ends_with("/h") {
            words.pop();
            continue;
        }
        let before = words.last().copied().unwrap_or_default();
        let is_time = word.contains(':')
            && word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b":,".contains(&byte));
        let is_money = word.starts_with('$');
        let follows = before == "eta" || (["in", "out"].contains(&before) && word != "flight");
        // The number stands before its unit.
        if word == "MB" {
            words.pop();
            words.push("[n]");
        }
        words.push(if is_time || is_money || follows {
            "[n]"
        } else {
            word
        });
    }
    words.join(" ")
}

/// The block at several widths, in a state in which nothing moves: the limit of the minute is used up.
#[test]
fn the_block_says_how_it_stands_at_any_width() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let shown = [(40, 40), (80, 24), (120, 30)].map(|(width, height)| {
        let scene = scene(&simulator).with("NO_COLOR", "1");
        let run = format!("run --requests-per-minute {FITTING}");
        let mut terminal = Terminal::start(&scene, &run, width, height);
        let screen = terminal.showing(&[
            "6 wait for room",
            "0 in flight",
            "2 × note: the field",
            "12/20",
        ]);
        let block = &screen[screen.find('█').unwrap()..];
        assert_eq!(block.matches("elapsed").count(), 1, "{screen}");
        assert_eq!(screen.matches("elapsed").count(), 1, "{screen}");
        // Both failures are one line, and nothing is printed above the block.
        assert_eq!(
            flat(&screen).matches("note: the field").count(),
            1,
            "{screen}"
        );
        assert!(!is_coloured(&terminal.raw), "{screen}");
        format!("{width}: {}", masked(block))
    });
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn a_provider_that_has_not_answered_yet_is_waited_for_visibly() {
    let simulator = Simulator::start(Config {
        faults: vec!["hang-before-body@100%".parse().unwrap()],
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator);
    let mut terminal = Terminal::start(&scene, "run", 80, 24);
    let screen = terminal.showing(&["no answer yet", "4 in flight", "2/20 things"]);
    assert!(flat(&screen).contains("2/20 things (10 %)"), "{screen}");
    assert!(is_coloured(&terminal.raw), "{screen}");
}

/// What is taller than the terminal is left out, and does not push the rest away.
#[test]
fn a_low_terminal_shows_what_matters_most() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = scene(&simulator);
    let run = format!("run --requests-per-minute {FITTING}");
    let mut terminal = Terminal::start(&scene, &run, 60, 9);
    let screen = terminal.showing(&["14/20", "elapsed", "2 × note"]);
    assert_eq!(screen.matches("elapsed").count(), 1, "{screen}");
}

/// Whatever a command prints, it is no wider than the terminal; a word that is longer is not broken.
#[test]
fn nothing_is_wider_than_the_terminal() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = scene(&simulator);
    for arguments in [
        "run",
        "run",
        "plan",
        "plan --all --overwrite-edited",
        "failures",
        "failures --newest 3",
        "status",
        "why thing-1 note",
        "replay thing-10 note",
        "doctor",
        "clean",
        "store",
        "store stats",
        "store verify",
        "plugins",
        "plugins list",
        "run --help",
        "run --component nothing",
        "run --record nothing",
        "run --sampel 3",
        "failures --class nothing",
    ] {
        for width in [80, 60] {
            let lines = Terminal::start(&scene, arguments, width, 40).printed();
            assert!(!lines.is_empty(), "{arguments}");
            for line in lines {
                let is_one_word = !line.trim().contains(' ');
                assert!(
                    line.chars().count() <= usize::from(width) || is_one_word,
                    "{arguments} at {width}: {line}"
                );
            }
        }
    }
}

/// A question is answered by Enter and by the end of the input alike.
#[test]
fn the_question_for_a_model_can_be_left_open() {
    for answer in ["\n", "\u{4}"] {
        let scene = Scene::new();
        std::fs::remove_file(scene.path("batchgen.toml")).unwrap();
        scene.write("shop.csv", "id,name,category\nlamp,Lamp,light\n");
        let host = program("batchgen").display().to_string();
        let line = format!("exec {host} init shop.csv");
        let mut child = scene
            .command_of("script".as_ref(), &["-qec", &line, "/dev/null"])
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SHELL", "/bin/sh")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("`script` of util-linux is installed");
        let mut keys = child.stdin.take().unwrap();
        keys.write_all(answer.as_bytes()).unwrap();
        keys.flush().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            scene.read("batchgen.toml").contains("model = \"offline\""),
            "{said}"
        );
    }
}

//! A real Chromium, driven by WebDriver over HTTP. What it starts ends with it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a browser that does not do as it is told leaves a test nothing to go on with"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::web::Web;

const HOW_TO_GET_IT: &str = "the page is tested in a real browser, and `chromedriver` is not installed: \
    on Debian and Ubuntu, `apt-get install --no-install-recommends chromium chromium-driver`";

/// A window of a browser.
pub struct Browser {
    driver: Child,
    web: Web,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens a window.
    pub fn start() -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        let (driver, port) = driver();
        let mut browser = Browser {
            driver,
            web: Web::new(),
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let options = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--window-size=1280,1600", profile,
            ]},
        }}});
        let session = browser.command(Method::POST, "", &options);
        let id = session["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no window opens: {session}"));
        browser.session = format!("{}/{id}", browser.session);
        // A window without a screen may be behind others, and a page behind others gets no focus.
        browser.develop(
            "Emulation.setFocusEmulationEnabled",
            &json!({"enabled": true}),
        );
        browser
    }

    /// Does a command of the DevTools protocol.
    fn develop(&self, command: &str, parameters: &Value) -> Value {
        let command = json!({"cmd": command, "params": parameters});
        self.tell("/goog/cdp/execute", &command)
    }

    fn command(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let body = (method == Method::POST).then_some(body);
        let reply = self
            .web
            .ask(method, &url, &[], body)
            .expect("the driver answers");
        let mut answer: Value = serde_json::from_str(&reply.body).expect("JSON of the driver");
        assert_eq!(reply.status, 200, "{path}: {}", answer["value"]["message"]);
        answer["value"].take()
    }

    fn tell(&self, path: &str, body: &Value) -> Value {
        self.command(Method::POST, path, body)
    }

    /// Opens an address.
    pub fn open(&self, url: &str) {
        self.tell("/url", &json!({"url": url}));
    }

    /// What a script returns.
    pub fn script(&self, script: &str) -> Value {
        self.tell("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What an expression gives, as text.
    pub fn text(&self, expression: &str) -> String {
        let value = self.script(&format!("return String({expression})"));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Whether an expression holds.
    pub fn holds(&self, expression: &str) -> bool {
        self.script(&format!("return Boolean({expression})")) == true
    }

    /// Presses keys, one after the other, where the focus is.
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.tell("/actions", &json!({"actions": [keyboard]}));
    }

    /// Presses a key while another one is held down.
    pub fn chord(&self, held: &str, key: &str) {
        let steps = [
            ("keyDown", held),
            ("keyDown", key),
            ("keyUp", key),
            ("keyUp", held),
        ];
        let actions = steps.map(|(kind, key)| json!({"type": kind, "value": key}));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.tell("/actions", &json!({"actions": [keyboard]}));
    }

    /// Shows pages as somebody sees them who likes a colour scheme.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"features": features});
        self.develop("Emulation.setEmulatedMedia", &media);
    }

    /// Makes the window as wide and high as this, as the page sees it.
    pub fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.develop("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Bytes of memory that the page's scripts hold after what is not used was thrown away.
    pub fn memory(&self) -> f64 {
        self.develop("HeapProfiler.collectGarbage", &json!({}));
        self.develop("Runtime.getHeapUsage", &json!({}))["usedSize"]
            .as_f64()
            .expect("a number")
    }

    /// What the browser found wrong since it was asked last.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.tell("/se/log", &json!({"type": "browser"}));
        log.as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Keeps a picture of the window.
    pub fn picture(&self, file: &Path) {
        let picture = self.command(Method::GET, "/screenshot", &Value::Null);
        let bytes = STANDARD
            .decode(picture.as_str().expect("a picture"))
            .expect("base64");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, bytes).expect("a file");
    }
}

/// A driver and the port that it listens on.
///
/// The driver takes a free port of IPv4 and then the same one of IPv6. It ends at once if somebody else has that one, so that it is
/// started again.
fn driver() -> (Child, u16) {
    let mut said = String::new();
    for _ in 0..10 {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            // So that the browser ends with its driver, whatever happens.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{HOW_TO_GET_IT} ({error})"));
        match port(&mut driver) {
            Ok(port) => return (driver, port),
            Err(lines) => said = lines,
        }
        driver.wait().expect("the driver has ended");
    }
    panic!("the driver does not start: {said}");
}

/// The port that the driver says it listens on, or all that it said if it ended.
fn port(driver: &mut Child) -> Result<u16, String> {
    let output = driver.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut said = String::new();
    for line in &mut lines {
        let words = line.split_once("started successfully on port ");
        if let Some(port) = words.and_then(|(_, port)| port.trim_end_matches('.').parse().ok()) {
            // What it says later goes nowhere, and must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(port);
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(said)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // In order, as far as it still answers; and then for certain.
        let _ = self.web.ask(Method::DELETE, &self.session, &[], None);
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

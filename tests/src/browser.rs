//! A real Chromium, driven by chromedriver over the WebDriver protocol.
//!
//! It is written here because the published clients change the whole build: thirtyfour keeps the order of all JSON
//! objects, and fantoccini brings second versions of many crates.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::{PATIENCE, free_port, poll};

/// The longest that a command may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The name under which the protocol gives the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How the browser is set up.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The width of the window, in pixels.
    pub width: u32,
    /// Whether pages are to be dark.
    pub dark: bool,
    /// Whether scripts run.
    pub scripts: bool,
}

impl Look {
    /// A window on a desk, light, with scripts.
    pub const USUAL: Self = Self { width: 1280, dark: false, scripts: true };
}

/// A browser, closed when it is dropped.
pub struct Browser {
    chromedriver: Child,
    http: reqwest::blocking::Client,
    driver: String,
    session: String,
    runs_scripts: bool,
}

impl Browser {
    /// Starts a browser.
    ///
    /// Panics without Chromium and chromedriver: these tests are never skipped.
    pub fn start(look: Look) -> Self {
        let port = free_port();
        let chromedriver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts: install Debian's chromium and chromium-driver, as .ci/run does");
        let mut browser = Self {
            chromedriver,
            http: reqwest::blocking::Client::builder().timeout(TIMEOUT).build().expect("an HTTP client is built"),
            driver: format!("http://127.0.0.1:{port}"),
            session: String::new(),
            runs_scripts: look.scripts,
        };
        poll(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok()).expect("chromedriver listens");
        let colors = if look.dark { "0" } else { "1" };
        let mut options = json!({ "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            format!("--window-size={},900", look.width),
            format!("--blink-settings=preferredColorScheme={colors}"),
        ] });
        if !look.scripts {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let started = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = format!("/session/{}", started["sessionId"].as_str().expect("a session has an id"));
        browser
    }

    /// Sends a command and returns its value, or what went wrong.
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let method = method.parse().expect("an HTTP method");
        let mut request = self.http.request(method, format!("{}{path}", self.driver));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().and_then(|answer| answer.text()).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{path}: {error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, Some(body)).unwrap_or_else(|problem| panic!("{problem}"))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn of_session(&self, path: &str) -> String {
        format!("{}{path}", self.session)
    }

    /// The path of the first element, once there is one.
    #[track_caller]
    fn find(&self, using: &str, value: &str) -> String {
        let wanted = json!({ "using": using, "value": value });
        let found = poll(PATIENCE, || self.send("POST", &self.of_session("/element"), Some(&wanted)).ok());
        let found = found.unwrap_or_else(|| panic!("{value:?} is not on {}:\n{}", self.address(), self.text()));
        self.of_session(&format!("/element/{}", found[ELEMENT].as_str().expect("an element has an id")))
    }

    /// Clicks an element, in the middle of the window, where no bar is above it.
    #[track_caller]
    fn click_on(&self, using: &str, value: &str) {
        // The page may change in between; then the element is looked for again.
        let clicked = poll(PATIENCE, || {
            let element = self.find(using, value);
            let id = element.rsplit('/').next().unwrap_or_default().to_owned();
            let scroll = json!({
                "script": "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })",
                "args": [{ ELEMENT: id }],
            });
            // Where scripts are off, the click scrolls by itself.
            let _ = self.send("POST", &self.of_session("/execute/sync"), Some(&scroll));
            self.send("POST", &format!("{element}/click"), Some(&json!({}))).ok()
        });
        assert!(clicked.is_some(), "{value:?} cannot be clicked on {}:\n{}", self.address(), self.text());
    }

    /// Opens an address.
    pub fn open(&self, address: &str) {
        self.post(&self.of_session("/url"), &json!({ "url": address }));
    }

    /// The address of the page.
    pub fn address(&self) -> String {
        self.get(&self.of_session("/url")).as_str().unwrap_or_default().to_owned()
    }

    /// What people read on the page; nothing while it changes.
    pub fn text(&self) -> String {
        let wanted = json!({ "using": "css selector", "value": "body" });
        let text = self.send("POST", &self.of_session("/element"), Some(&wanted)).and_then(|body| {
            let id = body[ELEMENT].as_str().unwrap_or_default();
            self.send("GET", &self.of_session(&format!("/element/{id}/text")), None)
        });
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Panics unless people come to read this on the page.
    #[track_caller]
    pub fn reads(&self, text: &str) {
        if poll(PATIENCE, || self.text().contains(text).then_some(())).is_none() {
            panic!("{text:?} is not on {}:\n{}", self.address(), self.text());
        }
    }

    /// The number of elements that the selector matches.
    pub fn count(&self, selector: &str) -> usize {
        let wanted = json!({ "using": "css selector", "value": selector });
        self.post(&self.of_session("/elements"), &wanted).as_array().map_or(0, Vec::len)
    }

    /// Clicks the first element that the selector matches.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.click_on("css selector", selector);
    }

    /// Clicks the first link or button with this text.
    #[track_caller]
    pub fn press(&self, text: &str) {
        self.click_on("xpath", &format!("//*[self::a or self::button][contains(normalize-space(.), \"{text}\")]"));
    }

    /// Types into the first element that the selector matches, in place of what it has.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let field = self.find("css selector", selector);
        self.post(&format!("{field}/clear"), &json!({}));
        self.post(&format!("{field}/value"), &json!({ "text": text }));
    }

    /// Chooses a file in the first element that the selector matches.
    #[track_caller]
    pub fn choose(&self, selector: &str, file: &Path) {
        let field = self.find("css selector", selector);
        self.post(&format!("{field}/value"), &json!({ "text": file.to_str().expect("a path is text") }));
    }

    /// Chooses what a list offers by its value.
    #[track_caller]
    pub fn select(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value='{value}']"));
    }

    /// Types on the page, wherever the focus is, and returns the id of the element that has the focus then.
    pub fn key(&self, key: &str) -> Option<String> {
        let focused = || {
            let element = self.get(&self.of_session("/element/active"));
            self.of_session(&format!("/element/{}", element[ELEMENT].as_str().unwrap_or_default()))
        };
        self.post(&format!("{}/value", focused()), &json!({ "text": key }));
        self.send("GET", &format!("{}/attribute/id", focused()), None).ok()?.as_str().map(str::to_owned)
    }

    /// Runs a script and returns its result.
    pub fn script(&self, script: &str) -> Value {
        self.post(&self.of_session("/execute/sync"), &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that calls its last argument with its result.
    pub fn async_script(&self, script: &str) -> Value {
        self.post(&self.of_session("/execute/async"), &json!({ "script": script, "args": [] }))
    }

    /// Whether scripts run on pages.
    pub fn runs_scripts(&self) -> bool {
        self.runs_scripts
    }

    /// Checks that nothing on the page keeps people out, and writes a picture of it where the variable `SCREENSHOTS`
    /// names a folder.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        self.is_accessible();
        if let Some(folder) = std::env::var_os("SCREENSHOTS") {
            let picture = self.get(&self.of_session("/screenshot"));
            let picture = BASE64_STANDARD.decode(picture.as_str().unwrap_or_default()).expect("a picture in base64");
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).expect("the picture is written");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The test is over; what fails here is no news.
        let _ = self.send("DELETE", &self.session, None);
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

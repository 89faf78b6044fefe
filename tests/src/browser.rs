//! A real Chromium, driven by chromedriver.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

use crate::{PATIENCE, free_port, poll};

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
    runtime: Runtime,
    driver: Option<WebDriver>,
    chromedriver: Child,
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
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime is built"),
            driver: None,
            chromedriver,
        };
        poll(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok()).expect("chromedriver listens");
        let mut wanted = DesiredCapabilities::chrome();
        let colors = if look.dark { "0" } else { "1" };
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            &format!("--window-size={},900", look.width),
            &format!("--blink-settings=preferredColorScheme={colors}"),
        ] {
            wanted.add_arg(argument).expect("an argument is text");
        }
        if !look.scripts {
            let settings = json!({ "profile.managed_default_content_settings.javascript": 2 });
            wanted.add_experimental_option("prefs", settings).expect("settings are JSON");
        }
        let started = browser.runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{port}"), wanted));
        browser.driver = Some(started.expect("Chromium starts"));
        browser
    }

    fn run<T>(&self, work: impl AsyncFnOnce(&WebDriver) -> WebDriverResult<T>) -> T {
        let driver = self.driver.as_ref().expect("the browser runs");
        self.runtime.block_on(work(driver)).unwrap_or_else(|problem| panic!("{problem}\n{}", self.text()))
    }

    /// Opens an address.
    pub fn open(&self, address: &str) {
        self.run(async |driver| driver.goto(address).await);
    }

    /// The address of the page.
    pub fn address(&self) -> String {
        self.run(async |driver| driver.current_url().await).to_string()
    }

    /// What people read on the page.
    pub fn text(&self) -> String {
        let driver = self.driver.as_ref().expect("the browser runs");
        let text = async { driver.find(By::Tag("body")).await?.text().await };
        self.runtime.block_on(text).unwrap_or_default()
    }

    /// Panics unless people read this on the page.
    #[track_caller]
    pub fn reads(&self, text: &str) {
        let page = self.text();
        assert!(page.contains(text), "{text:?} is not on {}:\n{page}", self.address());
    }

    /// The number of elements that the selector matches.
    pub fn count(&self, selector: &str) -> usize {
        self.run(async |driver| driver.find_all(By::Css(selector)).await).len()
    }

    /// Clicks the first element that the selector matches, and waits for the page that it leads to.
    pub fn click(&self, selector: &str) {
        self.run(async |driver| driver.find(By::Css(selector)).await?.click().await);
    }

    /// Clicks the first link or button with this text.
    pub fn press(&self, text: &str) {
        let path = format!("//*[self::a or self::button][contains(normalize-space(.), \"{text}\")]");
        self.run(async |driver| driver.find(By::XPath(&*path)).await?.click().await);
    }

    /// Types into the first element that the selector matches, in place of what it has.
    pub fn fill(&self, selector: &str, text: &str) {
        self.run(async |driver| {
            let field = driver.find(By::Css(selector)).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Types on the page, wherever the focus is, and returns the id of the element that has the focus then.
    pub fn key(&self, key: &str) -> Option<String> {
        self.run(async |driver| {
            driver.active_element().await?.send_keys(key).await?;
            driver.active_element().await?.attr("id").await
        })
    }

    /// Runs a script and returns its result.
    pub fn script(&self, script: &str) -> serde_json::Value {
        self.run(async |driver| Ok(driver.execute(script, Vec::new()).await?.json().clone()))
    }

    /// Writes a picture of the page where the variable `SCREENSHOTS` names a folder.
    pub fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("SCREENSHOTS") {
            let path = std::path::Path::new(&folder).join(format!("{name}.png"));
            self.run(async |driver| driver.screenshot(&path).await);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // The test is over; what fails here is no news.
            let closing = async { tokio::time::timeout(Duration::from_secs(10), driver.quit()).await };
            let _ = self.runtime.block_on(closing);
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

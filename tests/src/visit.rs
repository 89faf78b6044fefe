//! A person's visit to the console, without a browser.

use crate::{CLIENT_ID, CLIENT_SECRET, Request, Response, Server};

/// Where people reach the console, as its provider knows it.
const PUBLIC_URL: &str = "http://licenses.example.com";

/// A browser that follows nothing by itself and keeps its cookies.
pub struct Visit<'a> {
    server: &'a Server,
    /// The names and values of its cookies.
    pub cookies: Vec<(String, String)>,
}

impl<'a> Visit<'a> {
    /// The settings of a server whose people sign in at the fake provider at this URL.
    pub fn settings(provider: &str) -> [(&'static str, &str); 4] {
        [
            ("LM_CONSOLE__PROVIDER_URL", provider),
            ("LM_CONSOLE__CLIENT_ID", CLIENT_ID),
            ("LM_CONSOLE__CLIENT_SECRET", CLIENT_SECRET),
            ("LM_CONSOLE__PUBLIC_URL", PUBLIC_URL),
        ]
    }

    /// One that is signed out.
    pub fn new(server: &'a Server) -> Self {
        Self { server, cookies: Vec::new() }
    }

    /// Sends a request with its cookies, and keeps those of the answer.
    pub fn send(&mut self, request: Request) -> Response {
        let request = request.header("Cookie", &self.cookie_header()).header("Accept", "text/html");
        let answer = self.server.anonymous().send(request);
        for cookie in answer.headers.get_all("Set-Cookie") {
            let cookie = cookie.to_str().expect("a cookie is text");
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{cookie}");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// The value of the header with its cookies.
    pub fn cookie_header(&self) -> String {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        cookies.join("; ")
    }

    /// Asks for a page.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(Request::new("GET", path))
    }

    /// Sends a form.
    pub fn post(&mut self, path: &str, form: &str) -> Response {
        let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(form.as_bytes().to_vec()))
    }

    /// A page, which must be shown.
    pub fn page(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.header("Content-Security-Policy").starts_with("default-src 'none'"), "{path}");
        answer.body.as_str().expect("a page").to_owned()
    }

    /// The token of the forms on a page.
    pub fn form_token(&mut self) -> String {
        between(&self.page("/console/sessions/"), "name=\"form_token\" value=\"", "\"")
    }

    /// Goes to the provider, and returns the path that the browser comes back to.
    pub fn go_to_provider(&mut self) -> String {
        let page = self.post("/console/sign-in/", "next=%2Fconsole%2Fplans%2F");
        assert_eq!(page.status, 200, "{}", page.body);
        let address = between(page.body.as_str().expect("a page"), "content=\"0; url=", "\"").replace("&amp;", "&");
        let client = reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let back = client.get(address).send().expect("the provider answers");
        let back = back.headers()["Location"].to_str().unwrap().to_owned();
        back.strip_prefix(PUBLIC_URL).expect("the public URL").to_owned()
    }

    /// Signs the person of the provider in.
    pub fn sign_in(&mut self) {
        let back = self.go_to_provider();
        let answer = self.get(&back);
        assert_eq!((answer.status, answer.header("Location")), (303, "/console/plans/"), "{}", answer.body);
    }
}

/// The text between two others.
pub fn between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).expect("an end").0.to_owned()
}

//! Tests of the runner, against a server with prepared answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;

use super::*;

/// Answers requests with these statuses and bodies in order. The thread returns the requests as text.
fn answering(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                request.push_str(&line);
                if line == "\r\n" {
                    break;
                }
            }
            let mut content = vec![0; length];
            reader.read_exact(&mut content).unwrap();
            request.push_str(&String::from_utf8(content).unwrap());
            requests.push(request);
            let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}", body.len());
            write!(stream, "{head}\r\nX-Mood: quite calm\r\n\r\n{body}").unwrap();
        }
        requests
    });
    (base, thread)
}

fn case(steps: Value) -> Case {
    serde_json::from_value(json!({"about": "a story", "steps": steps})).unwrap()
}

#[test]
fn captured_values_are_used_in_later_steps() {
    let (base, server) = answering(vec![(201, r#"{"made": [{"id": 7}]}"#), (204, "")]);
    let steps = json!([
        {"method": "POST", "path": "/things/", "body": {"at": "{{base}}"},
         "capture": {"id": "/made/0/id"}, "expect": {"status": 201}},
        {"method": "PUT", "path": "/things/{{id}}/", "raw_body": "{broken",
         "headers": {"Content-Type": "text/plain", "Accept": "text/csv"},
         "expect": {"status": 204, "body": null}},
    ]);
    assert!(case(steps).replay(&base).is_empty());

    let requests = server.join().unwrap();
    assert!(requests[0].starts_with("POST /things/ HTTP/1.1\r\n"));
    assert!(requests[0].contains("accept: application/json\r\n"));
    assert!(requests[0].contains("content-type: application/json\r\n"));
    assert!(requests[0].ends_with(&json!({"at": base}).to_string()));
    assert!(requests[1].starts_with("PUT /things/7/ HTTP/1.1\r\n"));
    assert!(requests[1].contains("content-type: text/plain\r\n"));
    assert!(requests[1].contains("accept: text/csv\r\n"));
    assert!(!requests[1].contains("application/json"));
    assert!(requests[1].ends_with("\r\n\r\n{broken"));
}

#[test]
fn callers_are_people_texts_or_nobody() {
    let (base, server) = answering(vec![(200, ""); 3]);
    let steps = json!([
        {"as": {"user_id": 1, "email": "a@example.com", "username": "a"},
         "method": "GET", "path": "/", "expect": {"status": 200}},
        {"as": "Bearer {{run}}", "method": "GET", "path": "/", "expect": {"status": 200}},
        {"method": "GET", "path": "/", "expect": {"status": 200}},
    ]);
    assert!(case(steps).replay(&base).is_empty());

    let requests = server.join().unwrap();
    assert!(requests[0].contains("authorization: JWT ey"));
    assert!(requests[1].contains("authorization: Bearer "));
    assert!(!requests[1].contains("{{run}}"));
    assert!(!requests[2].contains("authorization"));
}

#[test]
fn every_step_that_differs_is_reported_with_its_number_and_note() {
    let (base, _server) = answering(vec![(500, "oops"), (200, "{}"), (200, "1"), (200, "{}")]);
    let steps = json!([
        {"method": "GET", "path": "/a", "note": "the first", "expect": {"status": 200, "body": {}}},
        {"method": "GET", "path": "/b", "expect": {"status": 200, "body": {}}},
        {"method": "GET", "path": "/c", "capture": {"x": "/none"}, "expect": {"status": 200, "body": 2}},
        {"method": "GET", "path": "/d", "expect": {"status": 200, "headers": {"X-Mood": "^calm"}}},
        {"method": "GET", "path": "/{{x}}", "expect": {"status": 200}},
        {"method": "GET", "path": "/nobody-answers", "expect": {"status": 200}},
    ]);
    let failures = case(steps).replay(&base);
    let report: Vec<_> = failures.iter().map(Failure::to_string).collect();
    assert_eq!(
        report[..4],
        [
            "step 1: GET /a (the first)\n    status: want 200, got 500: \"oops\"",
            "step 3: GET /c\n    /: want 2, got 1\n    capture x: nothing at /none in 1",
            "step 4: GET /d\n    header X-Mood: want /^calm/, got \"quite calm\"",
            "step 5: GET /{{x}}\n    {{x}} is used before a step captures it",
        ]
    );
    assert!(report[4].starts_with("step 6: GET /nobody-answers\n    no answer: "));
}

#[test]
fn a_step_may_come_true_eventually() {
    let (base, server) = answering(vec![(200, "1"), (404, ""), (200, "2")]);
    let steps = json!([
        {"method": "GET", "path": "/", "eventually": true, "expect": {"status": 200, "body": 2}},
    ]);
    assert!(case(steps).replay(&base).is_empty());
    assert_eq!(server.join().unwrap().len(), 3);
}

#[test]
fn only_a_step_that_says_so_is_asked_twice() {
    let (base, server) = answering(vec![(200, "1")]);
    let steps = json!([{"method": "GET", "path": "/", "expect": {"status": 200, "body": 2}}]);
    assert_eq!(case(steps).replay(&base).len(), 1);
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_body_that_must_be_null_is_not_the_same_as_any_body() {
    let (base, _server) = answering(vec![(200, "1"), (200, "1")]);
    let steps = json!([
        {"method": "GET", "path": "/", "expect": {"status": 200}},
        {"method": "GET", "path": "/", "expect": {"status": 200, "body": null}},
    ]);
    let failures = case(steps).replay(&base);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].number, 2);
}

#[test]
fn a_misspelt_key_is_no_case() {
    let step = json!({"method": "GET", "path": "/", "expects": {"status": 200}});
    let case = serde_json::from_value::<Case>(json!({"about": "", "steps": [step]}));
    assert!(case.unwrap_err().to_string().contains("expects"));
}

#[test]
fn long_reports_are_cut() {
    let failure = Failure { number: 1, step: "GET /".to_owned(), differences: vec!["different".to_owned(); SHOWN + 3] };
    assert!(failure.to_string().ends_with("    and 3 more"));
}

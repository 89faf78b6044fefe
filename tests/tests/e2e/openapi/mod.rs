//! The server's answers match its OpenAPI document, and the document's examples are real answers.

mod asked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use license_manager_tests::conformance::{self, Case};
use license_manager_tests::{Database, FakeUpstreams, Response, Server, text};
use serde_json::{Value, json};

/// How many items of a list an example shows.
const SHOWN: usize = 2;

/// The server's URL in examples.
const ADDRESS: &str = "https://license-manager.example.com";

#[test]
fn real_answers_fit_the_document_and_are_its_examples() {
    let database = Database::sqlite();
    let upstreams = FakeUpstreams::start().url();
    let settings = [("LM_CATALOG__URL", upstreams.as_str()), ("LM_LMS__URL", &upstreams)];
    let server = Server::start_with(database.url(), &settings);
    let mut document = Document::served_by(&server);
    for case in cases() {
        case.replay_with(&server.base(), &mut |body, answer| document.observe(body, answer));
    }
    asked::ask_everything(&server, &database, &mut document);
    asked::ask_too_much(&mut document);

    assert!(document.misfits.is_empty(), "these answers break the document:\n{}", document.misfits.join("\n"));
    let silent: Vec<_> = document.operations().map(|(_, operation)| text(&operation["operationId"])).collect();
    let silent: Vec<_> = silent.iter().filter(|id| !document.succeeded.contains(*id)).collect();
    assert!(silent.is_empty(), "no case succeeds at these: {silent:?}");

    let wrong = document.wrong_examples(&server);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        document.write_examples(&server, &wrong);
    } else {
        assert!(wrong.is_empty(), "run `make openapi`: these examples no longer fit: {wrong:#?}");
    }
}

/// All conformance cases; here it only matters that the answers match the document.
fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(conformance::folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// The document and the observed requests and answers.
struct Document {
    value: Value,
    misfits: Vec<String>,
    /// The ids of operations that have succeeded.
    succeeded: BTreeSet<String>,
    /// By operation id, then `request` or status: the most informative example.
    seen: BTreeMap<String, BTreeMap<String, Value>>,
    /// By the same keys: all sentences that were sent or answered, as [`sentences`] returns them.
    said: BTreeMap<Place, BTreeSet<String>>,
}

/// Operation id, then `request` or status.
type Place = (String, String);

impl Document {
    fn served_by(server: &Server) -> Self {
        let value = server.anonymous().get("/api/schema/?format=json").expect(200);
        Self { value, misfits: Vec::new(), succeeded: BTreeSet::new(), seen: BTreeMap::new(), said: BTreeMap::new() }
    }

    /// Each operation's method, path and description.
    fn operations(&self) -> impl Iterator<Item = ((String, String), &Value)> {
        let paths = self.value["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| ((method.to_uppercase(), path.clone()), operation))
        })
    }

    /// Checks an answer against the description of its operation. Unknown paths and methods have none.
    fn observe(&mut self, sent: Option<&Value>, answer: &Response) {
        let Some(operation) = self.operation(&answer.request).cloned() else { return };
        let (id, status) = (text(&operation["operationId"]), answer.status.to_string());
        let described = self.resolve(&operation["responses"][&status]).clone();
        if described.is_null() {
            self.misfits.push(format!("{}: {status} is not described: {}", answer.request, answer.body));
            return;
        }
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        match described["content"].get(media_type) {
            Some(content) => {
                let problems = self.problems(&content["schema"], &answer.body);
                self.misfits.extend(problems.iter().map(|problem| format!("{} {status}: {problem}", answer.request)));
            }
            None if answer.body.is_null() && described.get("content").is_none() => {}
            None => self.misfits.push(format!("{} {status}: {media_type:?} is not described", answer.request)),
        }
        if (200..300).contains(&answer.status) {
            self.succeeded.insert(id.clone());
            if let (Some(sent), true) = (sent, operation.get("requestBody").is_some()) {
                self.remember(&id, "request", sent);
            }
        }
        let is_own = operation["responses"][&status].get("$ref").is_none() && media_type != "application/problem+json";
        if is_own && id != "get_api_schema" && !answer.body.is_null() {
            self.remember(&id, &place(&status, &described["content"], media_type), &answer.body);
        }
    }

    fn remember(&mut self, id: &str, whose: &str, body: &Value) {
        self.said.entry((id.to_owned(), whose.to_owned())).or_default().extend(sentences(body));
        let known = self.seen.entry(id.to_owned()).or_default().entry(whose.to_owned()).or_insert(Value::Null);
        let body = abridged(body);
        if told(&body) > told(known) {
            *known = body;
        }
    }

    /// The operation of a request such as `GET /health/?x=1`: the matching path with the fewest parameters.
    fn operation(&self, line: &str) -> Option<&Value> {
        let (method, path) = line.split_once(' ')?;
        let path = path.split('?').next()?;
        let words = |path: &str| path.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
        let fits = |template: &str| {
            let (template, path) = (words(template), words(path));
            template.len() == path.len()
                && template.iter().zip(&path).all(|(template, word)| template.starts_with('{') || template == word)
        };
        let found = self.operations().filter(|((operation, template), _)| operation == method && fits(template));
        found.min_by_key(|((_, template), _)| template.matches('{').count()).map(|(_, operation)| operation)
    }

    fn resolve<'a>(&'a self, part: &'a Value) -> &'a Value {
        match part["$ref"].as_str() {
            Some(target) => self.value.pointer(&target[1..]).unwrap_or_else(|| panic!("{target} leads nowhere")),
            None => part,
        }
    }

    fn problems(&self, schema: &Value, value: &Value) -> Vec<String> {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.value["components"],
            "allOf": [schema],
        });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema");
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
    }

    /// The examples that violate their schema or contain sentences that no answer has, with the problem.
    fn wrong_examples(&self, server: &Server) -> BTreeMap<Place, String> {
        let said = |place: &Place, sentence: &String| {
            let own = sentence.replace(&masked(ADDRESS), &masked(&server.base()));
            self.said.get(place).is_some_and(|said| said.contains(&own))
        };
        let mut wrong = BTreeMap::new();
        for (_, operation) in self.operations() {
            let responses = operation["responses"].as_object().unwrap().iter();
            let places = responses.map(|(status, response)| (status.as_str(), response));
            for (whose, described) in places.chain([("request", &operation["requestBody"])]) {
                for (media_type, content) in described["content"].as_object().into_iter().flatten() {
                    let Some(example) = content.get("example") else { continue };
                    let place = (text(&operation["operationId"]), place(whose, &described["content"], media_type));
                    let unsaid = sentences(example).into_iter().filter(|sentence| !said(&place, sentence));
                    let unsaid = unsaid.map(|sentence| format!("nobody says {sentence:?}"));
                    let problems: Vec<_> =
                        self.problems(&content["schema"], example).into_iter().chain(unsaid).collect();
                    if !problems.is_empty() {
                        wrong.insert(place, problems.join("; "));
                    }
                }
            }
        }
        wrong
    }

    /// Writes the examples into the committed document, which the server has served. Valid ones stay unchanged, to keep
    /// the diff small.
    fn write_examples(&mut self, server: &Server, wrong: &BTreeMap<Place, String>) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let paths = self.value["paths"].as_object_mut().unwrap();
        let operations = paths.values_mut().flat_map(|item| item.as_object_mut().unwrap().values_mut());
        for operation in operations {
            let id = text(&operation["operationId"]);
            let operation = operation.as_object_mut().unwrap();
            let mut described: Vec<(String, &mut Value)> = Vec::new();
            for (name, part) in operation {
                match name.as_str() {
                    "requestBody" => described.push(("request".to_owned(), part)),
                    "responses" => {
                        let responses = part.as_object_mut().unwrap().iter_mut();
                        described.extend(responses.map(|(status, response)| (status.clone(), response)));
                    }
                    _ => {}
                }
            }
            for (whose, described) in described {
                let Some(content) = described.get_mut("content").filter(|content| content.is_object()) else {
                    continue;
                };
                let names: Vec<_> = content.as_object().unwrap().keys().cloned().collect();
                for media_type in names.into_iter().filter(|name| name != "application/problem+json") {
                    let place = (id.clone(), place(&whose, content, &media_type));
                    let seen = self.seen.get(&place.0).and_then(|places| places.get(&place.1));
                    let known = content[&media_type].get("example").filter(|_| !wrong.contains_key(&place));
                    if let Some(example) = known.or(seen).cloned() {
                        content[&media_type]["example"] = example;
                    }
                }
            }
        }
        let document = format!("{:#}\n", self.value).replace(&server.base(), ADDRESS);
        std::fs::write(file, document).unwrap();
    }
}

/// The key of an example: its status, or status and media type if the status also has JSON.
fn place(status: &str, content: &Value, media_type: &str) -> String {
    match content.get("application/json").is_some() && media_type != "application/json" {
        true => format!("{status} {media_type}"),
        false => status.to_owned(),
    }
}

/// The value with only the first items of its lists.
fn abridged(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().take(SHOWN).map(abridged).collect(),
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), abridged(value))).collect(),
        other => other.clone(),
    }
}

/// The texts of more than one word in a value, without the parts that differ between runs.
fn sentences(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.trim().contains(is_between_words) => vec![masked(text)],
        Value::Array(items) => items.iter().flat_map(sentences).collect(),
        Value::Object(object) => object.values().flat_map(sentences).collect(),
        _ => Vec::new(),
    }
}

fn is_between_words(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// A text's words without addresses, ids, dates and others with digits.
fn masked(text: &str) -> String {
    let word = |word: &str| {
        if word.contains(|c: char| c == '@' || c.is_ascii_digit()) { "…".to_owned() } else { word.to_owned() }
    };
    text.split(is_between_words).map(word).collect::<Vec<_>>().join(" ")
}

/// A measure of how much information a value holds.
fn told(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(items) => 1 + items.iter().map(told).sum::<usize>(),
        Value::Object(object) => 1 + object.values().map(|value| 1 + told(value)).sum::<usize>(),
        _ => 2,
    }
}

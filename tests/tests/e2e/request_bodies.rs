//! The server accepts the request bodies that its OpenAPI document allows, and refuses those that it forbids.
//!
//! For every property of every request body, values that its schema allows and values that it forbids are sent in place
//! of that property in an example. Leniency that the document leaves out (docs/API.md, "Values") is not tested here.

use license_manager_tests::{Client, Customer, Database, Person, Plan, Request, Response, Server};
use serde_json::{Map, Value, json};

/// A UUID of nothing.
const UNKNOWN: &str = "b7cf6a0e-5a3f-4d0b-9a52-3f6f0e1d2c4b";

/// A text for each pattern.
const MATCHING: [(&str, &str); 4] = [
    ("^00k[0-9A-Za-z]{15}$", "00k0123456789abcde"),
    ("^[0-9A-Za-z]{18}$", "0123456789abcdefgh"),
    ("^([0-9A-Za-z]{18})?$", "0123456789abcdefgh"),
    ("^whsec_[0-9A-Za-z+/]+=*$", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"),
];

/// What a text looks like where the document tells it in words.
const IN_WORDS: [(&str, &str); 1] = [("license_uuids_raw", UNKNOWN)];

/// Properties of which a request has only one: with the first, the second is left out.
const EITHER_OR: [(&str, &str); 6] = [
    ("filters", "user_emails"),
    ("user_emails", "filters"),
    ("license_uuids", "transfer_all"),
    ("license_uuids", "license_uuids_raw"),
    ("license_uuids_raw", "transfer_all"),
    ("license_uuids_raw", "license_uuids"),
];

/// Properties that are needed unless the query says otherwise.
const NEEDED: [(&str, &str); 2] = [("EnrollmentRequest", "emails"), ("BulkDeletionRequest", "ids")];

/// Parts of what the server says when a value is accepted, but not together with others or with what is stored.
const RULES: [&str; 11] = [
    "has this id",
    "These are no licenses of the plan",
    "already",
    "user_sfids must name one",
    "Name either user_emails or filters",
    "Name the licenses to move",
    "Standard Paid needs a",
    "No customer agreement matches",
    "A license that is",
    "An unassigned license has no holder",
    "Name the holder of the license",
];

#[test]
fn what_the_document_allows_is_accepted_and_what_it_forbids_is_refused() {
    let database = Database::sqlite();
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let asking = Asking {
        document: server.anonymous().get("/api/schema/").expect(200),
        plan: customer.plan(5),
        other_plan: customer.plan(5).uuid,
        edited_plan: customer.plan(5).uuid,
        renewal: renewal(&customer),
        operator: customer.operator(),
        staff: server.client(&customer.person(5, "staff").claim("administrator", json!(true))),
        retirement: server.client(&Person::new(6, "worker@example.com", "retirement_worker")),
        customer,
    };
    let mut wrong = Vec::new();
    let mut requests = 0;
    for (path, method, body) in asking.bodies() {
        let name = body["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let schema = asking.resolve(&body["schema"]);
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (property, schema) in schema["properties"].as_object().unwrap() {
            let Samples { mut valid, invalid, nullable } = asking.samples(schema);
            if let Some((_, text)) = IN_WORDS.iter().find(|(name, _)| *name == property.as_str()) {
                valid = vec![json!(text)];
            }
            let required = required.contains(&json!(property));
            let needed = NEEDED.contains(&(name, property.as_str()));
            let mut cases: Vec<_> = valid.into_iter().map(|value| (Some(value), true)).collect();
            cases.extend(invalid.into_iter().map(|value| (Some(value), false)));
            cases.push((Some(Value::Null), nullable && !needed));
            cases.push((None, !required && !needed));
            for (value, allowed) in cases {
                requests += 1;
                let about = format!("{method} {path}: {property} = {}", shown(value.as_ref()));
                let answer = asking.send(&method, &path, &body["example"], property, value);
                let refused = refuses(&answer, property);
                if answer.status >= 500 || refused == allowed {
                    let allowed = if allowed { "allowed" } else { "forbidden" };
                    wrong.push(format!("{about} is {allowed}: {} {}", answer.status, answer.body));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {requests}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(requests > 500, "only {requests} requests");
}

struct Asking {
    document: Value,
    customer: Customer,
    plan: Plan,
    other_plan: String,
    edited_plan: String,
    renewal: String,
    operator: Client,
    staff: Client,
    retirement: Client,
}

/// Values that a schema allows and forbids.
#[derive(Default)]
struct Samples {
    valid: Vec<Value>,
    invalid: Vec<Value>,
    nullable: bool,
}

impl Asking {
    /// Path, method, and schema with example of every request body.
    fn bodies(&self) -> Vec<(String, String, &Value)> {
        let paths = self.document["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path.clone(), method.to_uppercase(), operation))
        });
        let body = |operation: &'_ Value| operation["requestBody"]["content"].get("application/json").is_some();
        let with_body = operations.filter(|(_, _, operation)| body(operation));
        with_body
            .map(|(path, method, operation)| (path, method, &operation["requestBody"]["content"]["application/json"]))
            .collect()
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(target) => self.document.pointer(&target[1..]).unwrap_or_else(|| panic!("{target} leads nowhere")),
            None => schema,
        }
    }

    fn samples(&self, schema: &Value) -> Samples {
        let schema = self.resolve(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            let (null, others): (Vec<_>, Vec<_>) = variants.iter().partition(|variant| variant["type"] == "null");
            let mut all = Samples::default();
            for samples in others.into_iter().map(|variant| self.samples(variant)) {
                all.valid.extend(samples.valid);
                all.invalid.extend(samples.invalid);
            }
            all.nullable = !null.is_empty();
            return all;
        }
        let kinds: Vec<_> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => vec![kind.as_str().unwrap()],
        };
        let samples = match *kinds.iter().find(|kind| **kind != "null").unwrap() {
            "string" => texts(schema),
            "integer" => numbers(schema),
            "boolean" => Samples {
                valid: vec![json!(true), json!(false)],
                invalid: vec![json!("perhaps"), json!(2), json!([]), json!({})],
                nullable: false,
            },
            "array" => self.lists(schema),
            "object" => self.objects(schema),
            other => panic!("no samples of {other}"),
        };
        Samples { nullable: kinds.contains(&"null"), ..samples }
    }

    fn lists(&self, schema: &Value) -> Samples {
        let items = self.samples(&schema["items"]);
        let mut samples = Samples::default();
        samples.valid.extend(items.valid.iter().map(|item| json!([item])));
        samples.invalid.extend(items.invalid.iter().map(|item| json!([item])));
        samples.invalid.extend([json!("text"), json!(5), json!({ "0": items.valid[0] })]);
        let empty =
            if schema["minItems"].as_u64().unwrap_or(0) == 0 { &mut samples.valid } else { &mut samples.invalid };
        empty.push(json!([]));
        let with_null = if items.nullable { &mut samples.valid } else { &mut samples.invalid };
        with_null.push(json!([null]));
        if let Some(most) = schema["maxItems"].as_u64() {
            samples.invalid.push(vec![items.valid[0].clone(); most as usize + 1].into());
        }
        samples
    }

    fn objects(&self, schema: &Value) -> Samples {
        let properties = schema["properties"].as_object().unwrap();
        let whole: Map<_, _> =
            properties.iter().map(|(name, schema)| (name.clone(), self.samples(schema).valid[0].clone())).collect();
        let with = |name: &String, value: Value| {
            let mut object = whole.clone();
            object.insert(name.clone(), value);
            Value::Object(object)
        };
        let mut samples =
            Samples { valid: vec![json!(whole)], invalid: vec![json!(5), json!("text")], nullable: false };
        for (name, schema) in properties {
            let Samples { valid, invalid, .. } = self.samples(schema);
            samples.valid.extend(valid.into_iter().map(|value| with(name, value)));
            samples.invalid.extend(invalid.into_iter().map(|value| with(name, value)));
        }
        samples
    }

    /// Sends the example with another value of a property, or without it.
    fn send(&self, method: &str, path: &str, example: &Value, property: &str, value: Option<Value>) -> Response {
        let mut body = example.clone();
        let object = body.as_object_mut().unwrap();
        for (name, known) in [
            ("subscription_plan", json!(self.plan.uuid)),
            ("customer_agreement", json!(self.customer.agreement)),
            ("old_subscription_plan", json!(self.plan.uuid)),
            ("new_subscription_plan", json!(self.other_plan)),
            ("prior_subscription_plan", json!(self.plan.uuid)),
            ("plan_type", json!(1)),
            ("product", json!(1)),
        ] {
            if object.contains_key(name) {
                object.insert(name.to_owned(), known);
            }
        }
        for (own, other) in EITHER_OR {
            if property == own && value.is_some() {
                object.remove(other);
            }
        }
        match value {
            Some(value) => object.insert(property.to_owned(), value),
            None => object.remove(property),
        };
        let client = match path {
            "/api/v1/retire_user/" => &self.retirement,
            "/api/v1/staff_lookup_licenses/" => &self.staff,
            _ if path.contains("/provisioning-admins/") || path.ends_with("/revert/") => &self.operator,
            _ => &self.plan.admin,
        };
        let plan = match (path.contains("/provisioning-admins/"), method) {
            (true, "DELETE") => UNKNOWN,
            (true, _) => &self.edited_plan,
            (false, _) => &self.plan.uuid,
        };
        let path = [
            ("{subscription_uuid}", plan),
            ("{renewal_id}", &self.renewal),
            ("{customer_agreement_uuid}", UNKNOWN),
            ("{license_uuid}", UNKNOWN),
            ("{webhook_uuid}", UNKNOWN),
            ("{job_id}", "999999"),
            ("{notification_id}", "999999"),
            ("{license_event_id}", "999999"),
            ("{plan_type_id}", "999999"),
            ("{product_id}", "999999"),
        ]
        .into_iter()
        .fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let query = match path.contains("bulk-license-enrollment") {
            true => format!("?enterprise_customer_uuid={}", self.customer.enterprise),
            false => String::new(),
        };
        client.send(Request::new(method, format!("{path}{query}")).json(&body))
    }
}

/// A renewal that can be edited.
fn renewal(customer: &Customer) -> String {
    let request = json!({
        "prior_subscription_plan": customer.plan(5).uuid,
        "salesforce_opportunity_id": null,
        "number_of_licenses": 5,
        "effective_date": "2100-01-02T00:00:00Z",
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
    });
    let path = "/api/v1/provisioning-admins/subscription-plan-renewals/";
    customer.operator().post(path, &request).expect(201)["id"].to_string()
}

/// Whether the answer says that the property cannot be read. What a property names may not exist, or be taken.
fn refuses(answer: &Response, property: &str) -> bool {
    if answer.status != 400 {
        return false;
    }
    let body = answer.body.get("error").unwrap_or(&answer.body);
    let about = body.get(property).unwrap_or(body).to_string();
    // Some endpoints answer with sentences that name the property.
    let named = about.to_lowercase().replace(' ', "_").contains(property);
    let is_own = body.get(property).is_some() || named || property == "filters";
    is_own && !RULES.iter().any(|rule| about.contains(rule))
}

fn shown(value: Option<&Value>) -> String {
    let shown = value.map_or("nothing".to_owned(), Value::to_string);
    if shown.len() > 80 { format!("{} bytes", shown.len()) } else { shown }
}

fn texts(schema: &Value) -> Samples {
    let mut samples = Samples { invalid: vec![json!({}), json!([]), json!(true)], ..Samples::default() };
    let (valid, invalid): (Vec<Value>, Vec<Value>) = match (schema["format"].as_str(), schema["pattern"].as_str()) {
        _ if schema["enum"].is_array() => (schema["enum"].as_array().unwrap().clone(), vec![json!("no such text")]),
        (Some("uuid"), _) => (vec![json!(UNKNOWN)], vec![json!("no-uuid"), json!("")]),
        (Some("date-time"), _) => (vec![json!("2024-05-06T07:08:09Z")], vec![json!("yesterday"), json!("")]),
        (Some("email"), _) => (vec![json!("valid@example.com")], vec![json!("nobody"), json!(""), json!(5)]),
        (Some("uri"), _) => (vec![json!("https://hooks.example.com/a")], vec![json!("no address"), json!("")]),
        (None, Some(pattern)) => {
            let known = MATCHING.iter().find(|(known, _)| *known == pattern).unwrap_or_else(|| panic!("{pattern}"));
            (vec![json!(known.1)], vec![json!("short"), json!("whsec_")])
        }
        (None, None) => {
            let least = schema["minLength"].as_u64().unwrap_or(0) as usize;
            let valid = vec![json!("a".repeat(least)), json!("a".repeat(least.max(1)))];
            (valid, if least > 0 { vec![json!(""), json!("  ")] } else { Vec::new() })
        }
        (Some(format), _) => panic!("no samples of {format}"),
    };
    samples.valid.extend(valid);
    samples.invalid.extend(invalid);
    if let (Some(most), true) =
        (schema["maxLength"].as_u64(), schema["format"].is_null() && schema["pattern"].is_null())
    {
        samples.valid.push(json!("a".repeat(most as usize)));
        samples.invalid.push(json!("a".repeat(most as usize + 1)));
    }
    samples
}

fn numbers(schema: &Value) -> Samples {
    let least = schema["minimum"].as_i64().unwrap();
    let largest = if schema["format"] == "int32" { i64::from(i32::MAX) } else { i64::MAX };
    let most = schema["maximum"].as_i64().unwrap_or(largest);
    let too_large = most.checked_add(1).map_or(json!(u64::MAX), |number| json!(number));
    Samples {
        // The largest number of a format may be more than the server should really create.
        valid: vec![json!(least), schema.get("maximum").cloned().unwrap_or(json!(least + 1))],
        invalid: vec![json!(least - 1), too_large, json!("many"), json!(1.5), json!([]), json!(true)],
        nullable: false,
    }
}

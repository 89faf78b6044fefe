//! The error bodies that many endpoints share; docs/API.md, "Errors".

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What was wrong, and what to do.
#[derive(ToSchema)]
pub struct Detail {
    /// A message for people.
    pub detail: String,
}

/// What was wrong, by field; `non_field_errors` is about the whole.
#[derive(ToSchema)]
pub struct FieldErrors(pub BTreeMap<String, FieldProblem>);

/// The errors of a field: messages, or messages by the index of a list's item, counted from 0.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum FieldProblem {
    /// About the field.
    Messages(Vec<String>),
    /// About items of the list.
    Items(BTreeMap<String, Vec<String>>),
}

/// Wrong fields, a request that could not be read, or, as a bare text, a broken rule.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum BadRequest {
    /// The fields that are wrong.
    Fields(FieldErrors),
    /// A request that could not be read.
    Detail(Detail),
    /// The rule that forbids it.
    Rule(String),
}

/// A message for people: a text, or under `detail`.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Message {
    /// A bare text.
    Text(String),
    /// Under `detail`.
    Detail(Detail),
}

/// Any error, for clients whose `Accept` names `application/problem+json` (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong, and what to do.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// Further members, such as messages by field.
    #[schema(required = false)]
    pub errors: serde_json::Value,
}

/// An error of the plan provisioning endpoints.
#[derive(ToSchema)]
pub struct InErrorKey {
    /// The fields that are wrong, or the rule that forbids it.
    pub error: ErrorValue,
}

/// The fields that are wrong, or, as a bare text, the rule that forbids it.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum ErrorValue {
    /// The fields that are wrong.
    Fields(FieldErrors),
    /// The rule.
    Rule(String),
}

/// An error of the plan provisioning endpoints.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum ProvisioningError {
    /// An error of the plan.
    InErrorKey(InErrorKey),
    /// A request that could not be read.
    Detail(Detail),
}

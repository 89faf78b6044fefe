//! Errors as problem details (RFC 9457), for clients that ask for them.
//!
//! Handlers return errors in the API's own form. Only this file converts them.

use actix_web::body::{EitherBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, Quality};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use serde_json::{Map, Value, json};

use crate::http::accept::quality;

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Middleware, for `from_fn`: converts errors to problem details if the request's `Accept` names that media type, and JSON with no
/// higher quality.
pub async fn problem_details(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let wanted = prefers_problems(&request);
    let path = request.path().to_owned();
    let response = next.call(request).await?;
    let status = response.status();
    if !wanted || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response.map_into_left_body());
    }
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    // A body that ended early counts as empty.
    let body = to_bytes(body).await.map(|bytes| serde_json::from_slice(&bytes).unwrap_or(Value::Null));
    let problem = problem(status, &path, body.unwrap_or(Value::Null));
    let mut rewritten: HttpResponse = response.set_body(()).map_into_boxed_body();
    rewritten.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    let rewritten = rewritten.set_body(problem.to_string());
    Ok(ServiceResponse::new(request, rewritten.map_into_boxed_body()).map_into_right_body())
}

/// Whether `Accept` prefers problem details to JSON. Ranges such as `*/*` mean JSON.
fn prefers_problems(request: &ServiceRequest) -> bool {
    let problems = quality(request, &[PROBLEM_JSON]);
    problems > Quality::ZERO && problems >= quality(request, &["application/json"])
}

/// An error's body as problem details. `errors` has messages by field, or an endpoint's own members.
fn problem(status: StatusCode, path: &str, body: Value) -> Value {
    let (detail, errors) = match unwrapped(body) {
        Value::String(text) => (Some(text), None),
        Value::Object(mut members) => match members.remove("detail") {
            Some(Value::String(detail)) => (Some(detail), members_left(members)),
            Some(other) => {
                members.insert("detail".to_owned(), other);
                (None, members_left(members))
            }
            None => (None, members_left(members)),
        },
        Value::Null => (None, None),
        other => (None, Some(other)),
    };
    let title = status.canonical_reason().unwrap_or("Error");
    let mut problem = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail.unwrap_or_else(|| match errors {
            Some(_) => "The member errors says what is wrong.".to_owned(),
            None => title.to_owned(),
        }),
        "instance": path,
    });
    if let Some(errors) = errors {
        problem["errors"] = errors;
    }
    problem
}

/// The error inside of `{"error": …}`, which plan provisioning uses.
fn unwrapped(body: Value) -> Value {
    match body {
        Value::Object(mut members) if members.len() == 1 => match members.remove("error") {
            Some(inner) => inner,
            None => Value::Object(members),
        },
        body => body,
    }
}

fn members_left(members: Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::ACCEPT;
    use actix_web::test::TestRequest;

    use super::*;

    fn accepts(accept: &'static str) -> bool {
        prefers_problems(&TestRequest::default().insert_header((ACCEPT, accept)).to_srv_request())
    }

    #[test]
    fn who_names_problem_details_and_json_not_before_them_gets_them() {
        for accept in [
            "application/problem+json",
            "application/json, application/problem+json",
            "application/json;q=0.8, application/problem+json;q=0.9",
            "text/html, Application/Problem+JSON;q=0.1, */*",
        ] {
            assert!(accepts(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/json, application/problem+json;q=0.9",
            "application/problem+json;q=0",
            "nonsense",
        ] {
            assert!(!accepts(accept), "{accept}");
        }
        assert!(!prefers_problems(&TestRequest::default().to_srv_request()));
    }

    #[test]
    fn every_shape_of_the_wire_becomes_detail_or_errors() {
        let fields = json!({ "title": ["Too long."] });
        for (body, detail, errors) in [
            (json!("Too few."), "Too few.", None),
            (json!({ "detail": "No." }), "No.", None),
            (json!({ "error": "Locked." }), "Locked.", None),
            (fields.clone(), "The member errors says what is wrong.", Some(fields.clone())),
            (json!({ "error": fields }), "The member errors says what is wrong.", Some(fields.clone())),
            (json!({ "detail": "No.", "licenses": [1] }), "No.", Some(json!({ "licenses": [1] }))),
            (Value::Null, "Bad Request", None),
        ] {
            let problem = problem(StatusCode::BAD_REQUEST, "/api/v1/x/", body.clone());
            assert_eq!(problem["type"], "about:blank");
            assert_eq!(problem["title"], "Bad Request");
            assert_eq!(problem["status"], 400);
            assert_eq!(problem["instance"], "/api/v1/x/");
            assert_eq!(problem["detail"], detail, "{body}");
            assert_eq!(problem.get("errors"), errors.as_ref(), "{body}");
        }
    }
}

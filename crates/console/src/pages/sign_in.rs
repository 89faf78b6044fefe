//! Signing in and out.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Duration;
use license_manager_domain::console::SessionLimits;
use maud::{Markup, html};

use crate::error::PageError;
use crate::form::{self, Fields, SubmittedByMember};
use crate::provider::{Attempt, IdentityProvider, ProviderError, SignedIn};
use crate::{Console, PATH, layout, secrets, session};

/// The cookie with the secrets of an attempt to sign in.
const ATTEMPT_COOKIE: &str = "license_manager_console_sign_in";
/// Where browsers send it.
const ATTEMPT_PATH: &str = "/console/sign-in";
/// The longest address to come back to, in bytes. The attempt's cookie holds it, encoded, and browsers drop cookies of more
/// than 4 KiB.
const MAX_NEXT: usize = 1_000;
/// How long an attempt may take.
const ATTEMPT: CookieDuration = CookieDuration::minutes(10);

/// `GET /console/sign-in/`.
pub(crate) async fn page(request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, PageError> {
    session::admit(&console, &request, None)?;
    Ok(shown(&console, &request, None))
}

/// The sign-in page, with what went wrong before.
fn shown(console: &Console, request: &HttpRequest, problem: Option<&str>) -> HttpResponse {
    let next = next(&Fields::of_query(request));
    let content = html! {
        h1 { "Sign in" }
        @if let Some(problem) = problem {
            p.note.bad role="alert" { (problem) }
        }
        @if let Some(provider) = &console.provider {
            form method="post" action="/console/sign-in/" {
                input type="hidden" name="next" value=(next);
                button.first { "Sign in with " (provider.name()) }
            }
        } @else if console.demo.is_empty() {
            p { "Nobody can sign in yet. These settings are missing:" }
            ul { @for setting in &console.missing { li.mono { (setting) } } }
            p { "The page on settings of the license manager says what they mean." }
        }
        @if !console.demo.is_empty() {
            p.quiet { "This is a demo. It listens to this machine only, and needs no password." }
            @for (index, person) in console.demo.iter().enumerate() {
                form.field method="post" action="/console/sign-in/demo/" {
                    input type="hidden" name="next" value=(next);
                    input type="hidden" name="person" value=(index);
                    button.first { "Sign in as the demo's " (person.label) }
                }
            }
        }
    };
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    layout::alone(status, "Sign in", &content)
}

/// Where the browser goes afterwards: a page of the console.
fn next(fields: &Fields) -> String {
    let asked = fields.text("next").unwrap_or_default();
    let is_own = asked.starts_with(PATH) && !asked.starts_with(ATTEMPT_PATH);
    // A header cannot carry control characters.
    let is_sound = asked.len() <= MAX_NEXT && !asked.contains(|c: char| c == '\\' || c.is_control());
    if is_own && is_sound { asked } else { PATH.to_owned() }
}

/// `POST /console/sign-in/`: leads to the provider.
pub(crate) async fn begin(
    request: HttpRequest,
    console: web::Data<Console>,
    payload: web::Payload,
) -> Result<HttpResponse, PageError> {
    session::admit(&console, &request, None)?;
    let fields = form::read(&request, &mut payload.into_inner()).await?;
    let provider = console.provider.as_deref().ok_or(PageError::NotFound)?;
    let attempt = Attempt { state: secrets::random()?, nonce: secrets::random()?, verifier: secrets::random()? };
    let address = match provider.authorization_url(&attempt).await {
        Ok(address) => address,
        Err(problem) => return Ok(refused(&console, &request, &problem)),
    };
    let content = html! {
        h1 { "Sign in" }
        p { "You are being led to " (provider.name()) "." }
        p { a href=(address) { "Continue" } }
    };
    // A redirect would be refused: pages of this policy send forms to this service only.
    let mut response = layout::leading_to(&address, &content);
    let kept = form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &attempt.state)
        .append_pair("nonce", &attempt.nonce)
        .append_pair("verifier", &attempt.verifier)
        .append_pair("next", &next(&fields))
        .finish();
    let mut cookie = session::cookie(&console, ATTEMPT_COOKIE, kept, ATTEMPT_PATH);
    cookie.set_max_age(ATTEMPT);
    add(&mut response, &cookie)?;
    Ok(response)
}

/// `GET /console/sign-in/callback/`: the browser comes back from the provider.
pub(crate) async fn callback(request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, PageError> {
    session::admit(&console, &request, None)?;
    let provider = console.provider.as_deref().ok_or(PageError::NotFound)?;
    let query = Fields::of_query(&request);
    let kept = request.cookie(ATTEMPT_COOKIE).map(|cookie| Fields::parse(cookie.value().as_bytes()));
    let kept = kept.unwrap_or_default();
    let person = match exchanged(provider, &query, &kept).await {
        Ok(person) => person,
        Err(problem) => return Ok(refused(&console, &request, &problem)),
    };
    let cookie = session::start(&console, &request, person, SessionLimits::ROLES).await?;
    let mut response = redirect(&next(&kept));
    add(&mut response, &cookie)?;
    let spent = session::cookie(&console, ATTEMPT_COOKIE, String::new(), ATTEMPT_PATH);
    add(&mut response, &session::removed(spent))?;
    Ok(response)
}

/// Who came back, if the browser is the one that left.
async fn exchanged(provider: &dyn IdentityProvider, query: &Fields, kept: &Fields) -> Result<SignedIn, ProviderError> {
    let refuse = |text: &str| ProviderError::Refused(text.to_owned());
    let (Some(state), Some(nonce), Some(verifier)) = (kept.text("state"), kept.text("nonce"), kept.text("verifier"))
    else {
        return Err(refuse("The sign-in took too long, or began in another browser. Try again."));
    };
    if query.text("state").as_deref() != Some(&state) {
        return Err(refuse("The answer belongs to another sign-in. Try again."));
    }
    if query.has("error") {
        return Err(refuse(&format!("{} refused the sign-in.", provider.name())));
    }
    let code = query.text("code").ok_or_else(|| refuse("The answer has no code. Try again."))?;
    provider.exchange(&code, &Attempt { state, nonce, verifier }).await
}

fn refused(console: &Console, request: &HttpRequest, problem: &ProviderError) -> HttpResponse {
    match problem {
        ProviderError::Refused(text) => {
            tracing::info!(problem = text, "a sign-in was refused");
            shown(console, request, Some(text))
        }
        ProviderError::Unavailable(text) => {
            tracing::warn!(problem = text, "nobody can sign in: the provider does not answer");
            shown(console, request, Some("The service that you sign in with does not answer. Try again shortly."))
        }
    }
}

/// `POST /console/sign-in/demo/`: signs somebody of the demo in.
pub(crate) async fn demo(
    request: HttpRequest,
    console: web::Data<Console>,
    payload: web::Payload,
) -> Result<HttpResponse, PageError> {
    session::admit(&console, &request, None)?;
    let fields = form::read(&request, &mut payload.into_inner()).await?;
    let index: Option<usize> = fields.text("person").and_then(|text| text.parse().ok());
    let chosen = index.and_then(|index| console.demo.get(index)).ok_or(PageError::NotFound)?;
    // Nobody renews their roles.
    let lasting = SessionLimits::AT_MOST + Duration::days(1);
    let cookie = session::start(&console, &request, chosen.person.clone(), lasting).await?;
    let mut response = redirect(&next(&fields));
    add(&mut response, &cookie)?;
    Ok(response)
}

/// `POST /console/sign-out/`.
pub(crate) async fn sign_out(SubmittedByMember { member }: SubmittedByMember) -> Result<HttpResponse, PageError> {
    session::end(&member.console, &member.id).await?;
    let mut response = redirect("/console/sign-in");
    add(&mut response, &session::no_session(&member.console))?;
    Ok(response)
}

/// `GET /logout/`: ends the session, if there is one.
pub(crate) async fn log_out(request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, PageError> {
    session::end_sent(&console, &request).await?;
    let content: Markup = html! {
        h1 { "Signed out" }
        p { a href="/console/sign-in" { "Sign in again" } }
    };
    let mut response = layout::alone(StatusCode::OK, "Signed out", &content);
    add(&mut response, &session::no_session(&console))?;
    Ok(response)
}

fn add(response: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) -> Result<(), PageError> {
    response.add_cookie(cookie).map_err(|error| license_manager_domain::Error::internal(error).into())
}

/// Leads to another page of the console, also after a form.
pub(crate) fn redirect(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, address.to_owned())).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_a_page_of_the_console() {
        let led_to = |asked: &str| next(&Fields::of([("next", asked.to_owned())]));
        for own in ["/console/", "/console/plans/?title=a%20b&page=2", "/console/search/?q=zoë"] {
            assert_eq!(led_to(own), own);
        }
        let long = format!("/console/search/?q={}", "a".repeat(MAX_NEXT));
        for other in [
            "",
            "/",
            "/api/",
            "//evil.example.com",
            "https://evil.example.com/console/",
            "/console/\\evil",
            "/console/sign-in/callback",
            "/console/a\r\nb",
            "/console/\u{1}",
            "/console/a\u{7f}b",
            long.as_str(),
        ] {
            assert_eq!(led_to(other), PATH, "{other:?}");
        }
    }
}

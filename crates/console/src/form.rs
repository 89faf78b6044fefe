//! Forms that were sent.

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, rt};
use futures_util::StreamExt as _;

use crate::error::PageError;
use crate::session::{Member, Visitor};

/// The name of the field that shows that a form is of the session.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// The largest form, in bytes: 10,000 addresses of usual length and more.
const MAX_BYTES: usize = 1 << 20;

/// How long a browser may take to send one.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fields of a form.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a query or the body of a form.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// These fields.
    pub(crate) fn of<const N: usize>(fields: [(&str, String); N]) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The fields of the request's query.
    pub(crate) fn of_query(request: &HttpRequest) -> Self {
        Self::parse(request.query_string().as_bytes())
    }

    /// The first value, without surrounding spaces; `None` if it is missing or empty. Null characters, which Postgres
    /// cannot store, are left out.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.all(name).next()?.trim().replace('\0', "");
        (!value.is_empty()).then_some(value)
    }

    /// Whether there is such a field with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Every value of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every field, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A form of the visitor's own session.
pub(crate) struct Submitted {
    pub(crate) visitor: Visitor,
    pub(crate) fields: Fields,
}

impl FromRequest for Submitted {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let visitor = Visitor::from_request(&request, &mut Payload::None).await?;
            let fields = read(&mut payload).await?;
            let sent = fields.text(FORM_TOKEN).unwrap_or_default();
            if !visitor.id.is_form_token(&sent) {
                return Err(other_session());
            }
            Ok(Self { visitor, fields })
        })
    }
}

/// The form of somebody who is signed in, with a role or without.
pub(crate) struct SubmittedByMember {
    pub(crate) member: Member,
}

impl FromRequest for SubmittedByMember {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let member = Member::of(&request).await?;
            let sent = read(&mut payload).await?.text(FORM_TOKEN).unwrap_or_default();
            if member.id.is_form_token(&sent) { Ok(Self { member }) } else { Err(other_session()) }
        })
    }
}

fn other_session() -> PageError {
    PageError::BadForm("The form belongs to another session. Go back, reload the page and send it again.")
}

/// Reads the fields of a body.
pub(crate) async fn read(payload: &mut Payload) -> Result<Fields, PageError> {
    let body = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk: Bytes = chunk.map_err(|_| PageError::BadForm("The form broke off."))?;
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(PageError::BadForm("The form is larger than 1 MiB. Send it in parts."));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let body =
        rt::time::timeout(PATIENCE, body).await.map_err(|_| PageError::BadForm("The form came too slowly."))??;
    Ok(Fields::parse(&body))
}

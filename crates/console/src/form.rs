//! Forms that were sent.

use std::pin::Pin;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, rt};
use encoding_rs::WINDOWS_1252;
use futures_util::{Stream, StreamExt as _};

use crate::error::PageError;
use crate::session::{Member, Visitor};

/// The name of the field that shows that a form is of the session.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// The largest form, in bytes: 10,000 addresses of usual length and more.
const MAX_BYTES: usize = 1 << 20;

/// The most parts of a form with files: the rows of a page and more.
const MAX_PARTS: usize = 1_000;

/// Why a form that ends early is refused.
const BROKEN: PageError = PageError::BadForm("The form broke off.");

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

    /// These fields but one.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// These fields and one more.
    pub(crate) fn and(mut self, name: &str, value: String) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// These fields, of which some may have the same name.
    pub(crate) fn of_pairs(fields: Vec<(&str, String)>) -> Self {
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

    /// Whether the value is `yes`; `None` if it is missing or empty.
    pub(crate) fn yes_or_no(&self, name: &str) -> Option<bool> {
        self.text(name).map(|value| value == "yes")
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
            let fields = read(&request, &mut payload).await?;
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
            let sent = read(&request, &mut payload).await?.text(FORM_TOKEN).unwrap_or_default();
            if member.id.is_form_token(&sent) { Ok(Self { member }) } else { Err(other_session()) }
        })
    }
}

fn other_session() -> PageError {
    PageError::BadForm("The form belongs to another session. Go back, reload the page and send it again.")
}

/// Reads the fields of a body.
pub(crate) async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Fields, PageError> {
    let fields = async {
        if request.content_type() == "multipart/form-data" {
            read_parts(request, payload.take()).await
        } else {
            Ok(Fields::parse(&read_all(payload).await?))
        }
    };
    rt::time::timeout(PATIENCE, fields).await.map_err(|_| PageError::BadForm("The form came too slowly."))?
}

async fn read_all<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Vec<u8>, PageError> {
    let mut read = Vec::new();
    append(&mut read, body, 0).await?;
    Ok(read)
}

/// Appends a body to what was read of the form before it, `before` bytes.
async fn append<E>(
    read: &mut Vec<u8>,
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    before: usize,
) -> Result<(), PageError> {
    while let Some(chunk) = body.next().await {
        let chunk: Bytes = chunk.map_err(|_| BROKEN)?;
        if before + read.len() + chunk.len() > MAX_BYTES {
            return Err(PageError::BadForm("The form is larger than 1 MiB. Send it in parts."));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(())
}

/// A form with files: each field and file is a part. Texts of files are decoded.
async fn read_parts(request: &HttpRequest, payload: Payload) -> Result<Fields, PageError> {
    let mut parts = Multipart::new(request.headers(), payload);
    let (mut fields, mut size) = (Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|_| BROKEN)?;
        let name = part.name().unwrap_or_default().to_owned();
        if fields.len() >= MAX_PARTS {
            return Err(PageError::BadForm("The form has too many fields."));
        }
        let mut content = Vec::new();
        append(&mut content, &mut part, size).await?;
        size += content.len() + name.len();
        fields.push((name, decoded(content)));
    }
    Ok(Fields(fields))
}

/// The text of a file: UTF-8, or else as older spreadsheets write it.
fn decoded(content: Vec<u8>) -> String {
    String::from_utf8(content).unwrap_or_else(|error| WINDOWS_1252.decode(error.as_bytes()).0.into_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=x";

    fn part(name: &str, file: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    async fn read_form(body: Vec<u8>) -> Result<Fields, PageError> {
        let request = TestRequest::post().insert_header(("Content-Type", KIND)).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        read(&request, &mut payload).await
    }

    #[actix_web::test]
    async fn a_form_with_a_file_is_read_like_any_other() {
        let file = "; filename=\"people.csv\"";
        let parts = [
            part("form_token", "", b"abc"),
            part("addresses", "", b""),
            part("file", file, b"Name;Email\nJos\xe9;jose@example.com\n"),
            b"--x--\r\n".to_vec(),
        ];
        let fields = read_form(parts.concat()).await.unwrap();
        assert_eq!(fields.text("form_token").as_deref(), Some("abc"));
        assert_eq!(fields.text("file").as_deref(), Some("Name;Email\nJosé;jose@example.com"));
        assert!(!fields.has("addresses"));
    }

    #[actix_web::test]
    async fn a_form_that_is_broken_or_too_large_is_refused() {
        let large = [part("file", "", &vec![b'a'; MAX_BYTES + 1]), b"--x--\r\n".to_vec()].concat();
        let halves = part("a", "", &vec![b'a'; MAX_BYTES / 2 + 1]);
        let two = [halves.clone(), halves, b"--x--\r\n".to_vec()].concat();
        let many = [part("a", "", b"b").repeat(MAX_PARTS + 1), b"--x--\r\n".to_vec()].concat();
        for body in [large, two, many, b"nonsense".to_vec(), part("a", "", b"cut")] {
            let refused = read_form(body).await;
            assert!(matches!(refused, Err(PageError::BadForm(_))), "{refused:?}");
        }
    }
}

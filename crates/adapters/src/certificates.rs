//! Certificates of servers: how long they are valid, and why one was refused.

use std::error::Error;

use chrono::{DateTime, Utc};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// When a certificate in DER ends; `None` if it cannot be read.
pub(crate) fn end_of(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let seconds = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    DateTime::from_timestamp(seconds.try_into().ok()?, 0)
}

/// What rustls says before it says why it refuses a certificate.
const REFUSED: &str = "invalid peer certificate: ";

/// What is wrong with the server's certificate, as a text that follows the server's name; `None` if the error is about
/// something else. Of an error it reads only that part, because the rest may hold a URL.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    let (_, reason) = told.iter().find_map(|text| text.split_once(REFUSED))?;
    // What follows the colon are seconds since 1970.
    let reason = reason.split(": ").next().unwrap_or(reason);
    Some(format!("has a certificate that is refused ({reason})"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A certificate that openssl made for ten years.
    const CERTIFICATE: &str = "\
        MIIBbTCCAROgAwIBAgIUaMNGpFHjwdtl8R6QCuxNItnu5D8wCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBdDAeFw0yNjExMjkxODUx\
        NTFaFw0zNjExMjYxODUxNTFaMAwxCjAIBgNVBAMMAXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQYPUjQrE6ZIsONxFKj9RwS\
        gkThcmF6NmhHGC/6Yv7Q58f7ZmISD/DBY22Vq6Y44scTqHWAFb23dfSttgtkQbago1MwUTAdBgNVHQ4EFgQUM8BiaJHqmJ6EMKsj\
        ovUmfkmeMCYwHwYDVR0jBBgwFoAUM8BiaJHqmJ6EMKsjovUmfkmeMCYwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBF\
        AiAS8edsO2I8WBj/33rNPu7gsgfJkqA+jX5tgdNNmkp55AIhAOsya44AQY2keta84G+bpc5IohP2oMjP0su39ORDyJNa";

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let certificate = STANDARD.decode(CERTIFICATE).unwrap();
        assert_eq!(end_of(&certificate), DateTime::from_timestamp(2_111_338_311, 0));
        assert_eq!(end_of(&certificate[1..]), None);
    }

    #[test]
    fn only_the_reason_of_a_refusal_is_told() {
        let error = |text: &str| std::io::Error::other(text.to_owned());
        let expired =
            error("https://me:secret@host: invalid peer certificate: certificate expired: verification time 9");
        assert_eq!(refusal(&expired).as_deref(), Some("has a certificate that is refused (certificate expired)"));
        assert_eq!(refusal(&error("connection refused")), None);
    }
}

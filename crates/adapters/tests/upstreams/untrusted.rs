//! Servers whose certificate nobody trusts.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use license_manager_adapters::http::{HttpUpstream, client};
use license_manager_adapters::mail::SmtpMail;
use license_manager_domain::Upstream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::patient;

/// A certificate of localhost that signs itself, made for these tests alone.
const CERTIFICATE: &str = "\
        MIIBgjCCASmgAwIBAgIUGWexg5igQQYDNjcGqnaK2lngXKwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBdDAeFw0yNjExMzAxNTEy\
        MjhaFw0zNjExMjcxNTEyMjhaMAwxCjAIBgNVBAMMAXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASCgCofFv6/3eeBW4KWuNM3\
        4nRt6Spww9LCq3R3yUmjTItZH+TgUXJo4s3u621Ee1Tfgi7mbiT9VKili+gvyENuo2kwZzAdBgNVHQ4EFgQUaoW7EUurbAX4pXQ2\
        zxx6vIg7tQ8wHwYDVR0jBBgwFoAUaoW7EUurbAX4pXQ2zxx6vIg7tQ8wDwYDVR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2Nh\
        bGhvc3QwCgYIKoZIzj0EAwIDRwAwRAIgGNIXEU253HoO318D+deNziqyOE35/opOxWtuJrnfsBoCIHZmqu88cSqeff1fvaiV8Jjb\
        bM4gIqHOFKeCb4oRi3b7";

/// Its key.
const KEY: &str = "\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxUUyvxHI/feY0h/VxbdKVieuzaNpxynY4h1eJ1zCkzyhRANCAASC\
        gCofFv6/3eeBW4KWuNM34nRt6Spww9LCq3R3yUmjTItZH+TgUXJo4s3u621Ee1Tfgi7mbiT9VKili+gvyENu";

/// The port of a server with this certificate.
fn untrusted() -> u16 {
    let der = |text: &str| STANDARD.decode(text).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der(KEY)));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(der(CERTIFICATE))], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            // The client breaks the handshake off.
            let _ = connection.complete_io(&mut stream);
        }
    });
    port
}

#[tokio::test]
async fn a_service_with_a_certificate_that_nobody_trusts_is_not_just_unreachable() {
    let url = format!("https://localhost:{}", untrusted());
    let catalog = HttpUpstream::new(Upstream::Catalog, url, client(patient()).unwrap(), None);
    let problem = catalog.ask_for_nothing().await.unwrap_err();
    assert!(problem.starts_with("has a certificate that is refused ("), "{problem}");
}

#[tokio::test]
async fn neither_is_a_mail_server() {
    let url = format!("smtps://localhost:{}", untrusted());
    let smtp = SmtpMail::new(&url, "licenses@example.com", Duration::from_secs(30)).unwrap();
    let problem = smtp.greet().await.unwrap_err();
    assert!(problem.starts_with("has a certificate that is refused ("), "{problem}");
}

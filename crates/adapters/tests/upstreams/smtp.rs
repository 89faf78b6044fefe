//! A fake mail server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use license_manager_adapters::mail::{Misconfigured, SmtpMail};
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Undelivered, UnsentMail};
use license_manager_domain::{Email, LmsUserId, MessageId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::email;

const FROM: &str = "Licenses <licenses@example.com>";

/// What the mail server received.
#[derive(Default)]
struct Seen {
    connections: usize,
    commands: Vec<String>,
    /// Each mail with its headers.
    mails: Vec<String>,
}

/// A mail server that accepts everything, unless `answer` answers a command. It offers no extension.
struct MailServer {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl MailServer {
    fn start(answer: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Seen::default())));
        let (answer, shared) = (Arc::new(answer), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (answer.clone(), shared.clone());
                seen.lock().unwrap().connections += 1;
                std::thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
        Self { port, seen }
    }

    fn mail(&self) -> SmtpMail {
        SmtpMail::new(&format!("smtp://127.0.0.1:{}", self.port), FROM, Duration::from_millis(300)).unwrap()
    }

    fn commands(&self, verb: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.commands.iter().filter(|command| command.starts_with(verb)).cloned().collect()
    }

    fn mails(&self) -> Vec<String> {
        self.seen.lock().unwrap().mails.clone()
    }
}

/// Serves a client until it disconnects.
fn serve(stream: TcpStream, answer: &dyn Fn(&str) -> Option<&'static str>, seen: &Mutex<Seen>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    // One packet per answer: several would wait for each other.
    let mut say = move |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).ok();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    say("220 mail.example.com")?;
    while let Some(command) = lines.next() {
        seen.lock().unwrap().commands.push(command.clone());
        match (answer(&command), command.as_str()) {
            (Some("silence"), _) => {}
            (Some(told), _) => say(told)?,
            (None, "DATA") => {
                say("354 go on")?;
                let mail: Vec<_> = lines.by_ref().take_while(|line| line != ".").collect();
                seen.lock().unwrap().mails.push(mail.join("\n"));
                say("250 taken")?;
            }
            (None, "QUIT") => return say("221 bye"),
            (None, _) => say("250 fine")?,
        }
    }
    None
}

fn mail(number: u128, to: &str) -> Mail {
    let properties = json!({
        "enterprise_customer_name": "Acme",
        "enterprise_sender_alias": "Acme Academy",
        "enterprise_reply_to": "answers@acme.example",
        "license_activation_link": "https://portal/acme/activate",
    });
    Mail {
        id: MessageId(Uuid::from_u128(number)),
        kind: MailKind::Assignment,
        to: email(to),
        lms_user_id: None,
        properties: serde_json::from_value(properties).unwrap(),
        attributes: Map::new(),
    }
}

/// The mails that were not sent, each with the reason.
async fn unsent(smtp: &SmtpMail, mails: &[Mail]) -> Vec<(usize, Undelivered)> {
    let mut unsent = smtp.send(MailKind::Assignment, mails).await.unwrap();
    unsent.sort_unstable_by_key(|unsent| unsent.place);
    unsent.into_iter().map(|UnsentMail { place, problem }| (place, problem)).collect()
}

fn unavailable(problem: &str) -> Undelivered {
    Undelivered::Unavailable(problem.to_owned())
}

fn refused(problem: &str) -> Undelivered {
    Undelivered::Refused(problem.to_owned())
}

#[tokio::test]
async fn domains_are_sent_in_ascii() {
    let server = MailServer::start(|_| None);
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let smtp = SmtpMail::new(&url, "Acme <licenses@müller.example>", Duration::from_millis(300)).unwrap();
    let mut mail = mail(1, "amy@münchen.de");
    mail.properties.insert("enterprise_reply_to".to_owned(), json!("help@เว็บ.ไทย"));
    smtp.send(MailKind::Assignment, &[mail]).await.unwrap();
    assert_eq!(server.commands("MAIL"), ["MAIL FROM:<licenses@xn--mller-kva.example>"]);
    assert_eq!(server.commands("RCPT"), ["RCPT TO:<amy@xn--mnchen-3ya.de>"]);
    let sent = server.mails().remove(0);
    for header in ["To: amy@xn--mnchen-3ya.de", "Reply-To: help@xn--", "<licenses@xn--mller-kva.example>"] {
        assert!(sent.contains(header), "{header} in {sent}");
    }
    assert!(sent.is_ascii());
}

#[tokio::test]
async fn mails_are_sent_with_headers_and_as_text_and_html() {
    let server = MailServer::start(|_| None);
    let smtp = server.mail();
    let mails = [mail(1, "amy@example.org"), mail(2, "bob@example.org")];
    smtp.send(MailKind::Assignment, &mails).await.unwrap();
    assert_eq!(server.commands("MAIL"), ["MAIL FROM:<licenses@example.com>", "MAIL FROM:<licenses@example.com>"]);
    assert_eq!(server.commands("RCPT"), ["RCPT TO:<amy@example.org>", "RCPT TO:<bob@example.org>"]);
    let sent = server.mails();
    for header in [
        "From: \"Acme Academy\" <licenses@example.com>",
        "To: amy@example.org",
        "Reply-To: answers@acme.example",
        "Subject: Activate your license from Acme",
        "Message-ID: <00000000-0000-0000-0000-000000000001.assignment@example.com>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(sent[0].lines().any(|line| line == header), "{header} in\n{}", sent[0]);
    }
    assert!(sent[0].contains("multipart/alternative") && sent[0].contains("\nDate: "), "{}", sent[0]);
    // Without soft line breaks.
    let whole = sent[0].replace("=\n", "");
    let (text, html) = whole.split_once("text/html").unwrap();
    assert!(text.contains("text/plain") && text.contains("https://portal/acme/activate"), "{text}");
    assert!(html.contains("Activate your license</a>"), "{html}");
}

#[tokio::test]
async fn a_sender_without_an_alias_has_the_configured_name() {
    let server = MailServer::start(|_| None);
    let plain = Mail { properties: Map::<String, Value>::new(), ..mail(1, "amy@example.org") };
    server.mail().send(MailKind::Assignment, &[plain]).await.unwrap();
    let sent = server.mails().remove(0);
    assert!(sent.contains("From: Licenses <licenses@example.com>") && !sent.contains("Reply-To"), "{sent}");
}

#[tokio::test]
async fn a_refused_address_does_not_stop_other_mails() {
    let server =
        MailServer::start(|command| command.starts_with("RCPT TO:<bob").then_some("550 bob@example.org is unknown"));
    let smtp = server.mail();
    let mails = [mail(1, "amy@example.org"), mail(2, "bob@example.org"), mail(3, "cleo@example.org")];
    assert_eq!(unsent(&smtp, &mails).await, [(1, refused("answered 550"))]);
    assert_eq!(server.mails().len(), 2);
    // If the result was lost, they are sent again: nobody gets a second mail.
    assert_eq!(unsent(&smtp, &mails).await, [(1, refused("answered 550"))]);
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_temporary_refusal_of_one_recipient_does_not_stop_other_mails() {
    let later = |command: &str| match command {
        _ if command.starts_with("RCPT TO:<bob") => Some("450 bob@example.org is busy"),
        _ if command.starts_with("RCPT TO:<cleo") => Some("451 come back later"),
        _ if command.starts_with("RCPT TO:<dan") => Some("452 too full"),
        _ => None,
    };
    let server = MailServer::start(later);
    let mails: Vec<_> = ["amy", "bob", "cleo", "dan", "eve"].iter().zip(1..).collect();
    let mails: Vec<_> = mails.into_iter().map(|(name, number)| mail(number, &format!("{name}@example.org"))).collect();
    let reasons = ["answered 450", "answered 451", "answered 452"].map(unavailable);
    assert_eq!(unsent(&server.mail(), &mails).await, [1, 2, 3].into_iter().zip(reasons).collect::<Vec<_>>());
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn an_address_that_the_server_cannot_express_is_refused_alone() {
    let server = MailServer::start(|_| None);
    let mut mails = [mail(1, "amy@example.org"), mail(2, "bob@example.org"), mail(3, "cleo@example.org")];
    mails[1].to = Email::from_storage("jörg@example.org".to_owned());
    let problem = refused("cannot express this email address: it has no SMTPUTF8");
    assert_eq!(unsent(&server.mail(), &mails).await, [(1, problem)]);
    assert_eq!(server.commands("RCPT"), ["RCPT TO:<amy@example.org>", "RCPT TO:<cleo@example.org>"]);
    mails[1].to = Email::from_storage("no address".to_owned());
    let problem = refused("was not called: this email address cannot receive mail");
    assert_eq!(unsent(&server.mail(), &mails).await, [(1, problem)]);
}

#[tokio::test]
async fn quoted_and_literal_addresses_are_mailed() {
    let server = MailServer::start(|_| None);
    let addresses =
        ["x@[10.0.0.1]", "x@[IPv6:::1]", r#""a@b"@example.org"#, r#""a..b"@example.org"#, r#""x;y"@example.org"#];
    let mails: Vec<_> = (1..).zip(addresses).map(|(number, address)| mail(number, address)).collect();
    assert_eq!(unsent(&server.mail(), &mails).await, []);
    assert_eq!(server.commands("RCPT"), addresses.map(|address| format!("RCPT TO:<{address}>")));
}

#[tokio::test]
async fn a_server_that_fails_once_is_asked_again_and_twice_in_a_row_no_more() {
    for told in ["421 closing", "silence"] {
        let failing = move |command: &str| {
            let fails = ["bob", "dan", "eve"].iter().any(|name| command.starts_with(&format!("RCPT TO:<{name}")));
            fails.then_some(told)
        };
        let server = MailServer::start(failing);
        let names = ["amy", "bob", "cleo", "dan", "eve", "fay", "gus"];
        let mails: Vec<_> =
            (1..).zip(names).map(|(number, name)| mail(number, &format!("{name}@example.org"))).collect();
        let problem = if told == "silence" { "did not answer in time" } else { "answered 421" };
        let failed = [1, 3, 4].map(|place| (place, unavailable(problem)));
        let untried = Undelivered::Untried(format!("was not asked again after others failed: {problem}"));
        let untried = [5, 6].map(|place| (place, untried.clone()));
        assert_eq!(unsent(&server.mail(), &mails).await, [&failed[..], &untried].concat(), "{told}");
        assert_eq!(server.mails().len(), 2, "amy and cleo got theirs");
    }
}

#[tokio::test]
async fn temporary_failures_are_no_refusals() {
    for (verb, told, said) in [
        ("RCPT", "451 try later", "answered 451"),
        ("MAIL", "421 closing", "answered 421"),
        ("MAIL", "530 log in first", "answered 530"),
        ("MAIL", "silence", "did not answer in time"),
    ] {
        let server = MailServer::start(move |command| command.starts_with(verb).then_some(told));
        let unsent = unsent(&server.mail(), &[mail(1, "amy@example.org")]).await;
        assert_eq!(unsent, [(0, unavailable(said))], "{verb}: {told}");
    }
}

#[tokio::test]
async fn connections_are_reused_unless_an_answer_is_missing() {
    let server = MailServer::start(|_| None);
    let smtp = server.mail();
    let mails: Vec<_> = (0..20).map(|number| mail(number, "amy@example.org")).collect();
    smtp.send(MailKind::Assignment, &mails).await.unwrap();
    let connections = server.seen.lock().unwrap().connections;
    assert!(connections <= 4, "{connections} connections for 20 mails");

    let first = std::sync::atomic::AtomicBool::new(true);
    let silent_once = move |command: &str| {
        let silent = command.starts_with("RCPT") && first.swap(false, std::sync::atomic::Ordering::Relaxed);
        silent.then_some("silence")
    };
    let server = MailServer::start(silent_once);
    let smtp = server.mail();
    let one = [mail(1, "amy@example.org")];
    assert_eq!(unsent(&smtp, &one).await, [(0, unavailable("did not answer in time"))]);
    assert_eq!(unsent(&smtp, &one).await, []);
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.seen.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn mails_do_not_wait_for_acknowledgements() {
    let server = MailServer::start(|_| None);
    let smtp = server.mail();
    let mails: Vec<_> = (0..50).map(|number| mail(number, "amy@example.org")).collect();
    let start = Instant::now();
    assert_eq!(unsent(&smtp, &mails).await, []);
    // An acknowledgement takes 40 ms.
    assert!(start.elapsed() < 50 * Duration::from_millis(30), "{:?} for 50 mails", start.elapsed());
}

#[tokio::test]
async fn a_connection_that_rested_is_asked_before_it_is_used() {
    let server = MailServer::start(|command| (command == "NOOP").then_some("421 rested too long"));
    let smtp = server.mail();
    for number in 0..2 {
        assert_eq!(unsent(&smtp, &[mail(number, "amy@example.org")]).await, []);
    }
    assert_eq!((server.commands("NOOP").len(), server.seen.lock().unwrap().connections), (0, 1), "it did not rest");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(unsent(&smtp, &[mail(2, "amy@example.org")]).await, []);
    assert_eq!((server.commands("NOOP").len(), server.seen.lock().unwrap().connections), (1, 2));
}

#[tokio::test]
async fn a_connection_takes_a_hundred_mails() {
    let server = MailServer::start(|_| None);
    let mails: Vec<_> = (0..101).map(|number| mail(number, "amy@example.org")).collect();
    assert_eq!(unsent(&server.mail(), &mails).await, []);
    assert_eq!(server.seen.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn smtps_says_nothing_before_it_is_encrypted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtps://me:hunter2@127.0.0.1:{}", listener.local_addr().unwrap().port());
    let first = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 256];
        let read = stream.read(&mut first).unwrap();
        stream.write_all(b"220 mail.example.com\r\n").unwrap();
        first[..read].to_vec()
    });
    let smtp = SmtpMail::new(&url, FROM, Duration::from_secs(5)).unwrap();
    let unsent = unsent(&smtp, &[mail(1, "amy@example.org")]).await;
    assert_eq!(unsent, [(0, unavailable("failed to set up encryption"))]);
    // A handshake of TLS begins so.
    assert_eq!(first.join().unwrap()[..2], [22, 3]);
}

#[tokio::test]
async fn an_unreachable_mail_server_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let smtp = SmtpMail::new(&format!("smtp://127.0.0.1:{port}"), FROM, Duration::from_secs(5)).unwrap();
    let unsent = unsent(&smtp, &[mail(1, "amy@example.org")]).await;
    assert_eq!(unsent, [(0, unavailable("cannot be reached, or broke off"))]);
}

#[tokio::test]
async fn nothing_is_sent_unencrypted_if_tls_is_required() {
    let server = MailServer::start(|_| None);
    let url = format!("smtp://127.0.0.1:{}?tls=required", server.port);
    let smtp = SmtpMail::new(&url, FROM, Duration::from_millis(300)).unwrap();
    let unsent = unsent(&smtp, &[mail(1, "amy@example.org")]).await;
    assert_eq!(unsent, [(0, unavailable("does not offer encryption (STARTTLS)"))]);
    assert!(server.commands("MAIL").is_empty() && server.mails().is_empty());
}

#[tokio::test]
async fn nobody_is_identified_to_a_mail_server() {
    let server = MailServer::start(|_| None);
    assert_eq!(server.mail().identify(&[(email("amy@example.org"), LmsUserId(7))]).await, Ok(()));
    assert_eq!(server.seen.lock().unwrap().connections, 0);
}

#[tokio::test]
async fn an_invalid_mail_server_is_reported_before_the_first_mail() {
    let refusal = |url, from| SmtpMail::new(url, from, Duration::from_secs(1)).unwrap_err();
    assert!(matches!(refusal("smtp://mail?tls=perhaps", FROM), Misconfigured::Url(_)));
    assert!(matches!(refusal("mail", FROM), Misconfigured::Url(_)));
    assert!(matches!(refusal("smtp://mail", "nobody"), Misconfigured::From(_)));
    let shown = format!("{:?}", SmtpMail::new("smtp://me:hunter2@mail", FROM, Duration::from_secs(1)).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

//! How many mails a second the server hands to a mail server on loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Database, Server};
use serde_json::json;

/// The mails that are sent.
const MAILS: usize = 2_000;

/// Mails a second, from the first to the last.
pub fn per_second() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("smtp://{}", listener.local_addr().expect("a listener has an address"));
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counter = counter.clone();
            std::thread::spawn(move || take_mails(stream, &counter));
        }
    });
    let database = Database::sqlite();
    let settings = [("LM_SMTP__URL", url.as_str()), ("LM_SMTP__FROM", "Licenses <licenses@example.com>")];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(u32::try_from(MAILS).expect("a plan is smaller"));
    let body = json!({ "user_emails": customer.emails("learner", MAILS), "notify_users": false });
    plan.admin.post(&plan.path("licenses/assign/"), &body).expect(200);
    plan.admin.post(&plan.path("licenses/remind-all/"), &json!({})).expect(204);
    let wait_for = |number: usize| {
        while taken.load(Ordering::Relaxed) < number {
            sleep(Duration::from_millis(1));
        }
        Instant::now()
    };
    let (first, last) = (wait_for(1), wait_for(MAILS));
    MAILS as f64 / (last - first).as_secs_f64()
}

/// Takes mails until the client disconnects. As other mail servers do, it waits for acknowledgements.
fn take_mails(stream: TcpStream, taken: &AtomicUsize) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut say = move |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).ok();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    say("220 mail.example.com")?;
    while let Some(command) = lines.next() {
        match command.as_str() {
            "DATA" => {
                say("354 go on")?;
                lines.by_ref().take_while(|line| line != ".").for_each(drop);
                taken.fetch_add(1, Ordering::Relaxed);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 fine")?,
        }
    }
    None
}

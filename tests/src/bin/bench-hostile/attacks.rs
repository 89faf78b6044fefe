//! What hostile clients send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Plan, Server};

/// A little less than the largest body.
const LARGE: usize = 5 * 1024 * 1024 - 1024;

/// Scrapers of metrics at once.
const SCRAPERS: usize = 128;

/// An attack by clients with a valid token.
pub struct Attack {
    pub name: &'static str,
    /// The bytes of each client's body.
    pub bytes: usize,
    /// Whether the aim for memory counts: answers that are not read take memory until they are given up.
    pub is_bounded: bool,
    request: Vec<u8>,
    manner: Manner,
}

enum Manner {
    /// Sends the request again and again, and reads each answer.
    Repeat,
    /// The same by many more clients.
    Crowd,
    /// Sends the request without its last byte, one byte of it every 50 ms from the thousandth on.
    Trickle,
    /// Reads no answer.
    Ignore,
}

impl Attack {
    /// Every attack.
    pub fn all(server: &Server, customer: &Customer, plan: &Plan) -> Vec<Self> {
        let assign = plan.path("licenses/assign/");
        let authorization = customer.admin().expiring_in(24 * 3_600).authorization();
        let head = |method: &str, path: &str, length: usize, extra: &str| {
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\n{extra}\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
                server.address()
            )
        };
        let attack = |name, body: String, manner, extra| {
            let request = format!("{}{body}", head("POST", &assign, body.len(), extra)).into_bytes();
            Self { name, bytes: body.len(), is_bounded: true, request, manner }
        };
        let list = |item: &str| {
            let items = format!("{item},").repeat((LARGE - 100) / (item.len() + 1));
            format!("{{\"user_emails\":[{items}{item}]}}")
        };
        let of_items = |item: &str, number: usize| {
            format!("{{\"user_emails\":[{}{item}]}}", format!("{item},").repeat(number - 1))
        };
        let long = format!("\"{}\"", "x".repeat(240));
        let fields = (0..400_000).map(|number| format!("\"{number}\":1")).collect::<Vec<_>>().join(",");
        let text = |part: &str| format!("{{\"user_emails\":\"{}\"}}", part.repeat((LARGE - 100) / part.len()));
        let read = head("GET", &plan.path("licenses/csv/"), 0, "").into_bytes();
        let scrape = head("GET", "/metrics", 0, "").into_bytes();
        vec![
            attack("a list of 2.6 million numbers", list("1"), Manner::Repeat, ""),
            attack("a list of 1.3 million lists", list("[1]"), Manner::Repeat, ""),
            attack("20,000 texts that are no addresses", of_items("\"nobody\"", 20_000), Manner::Repeat, ""),
            attack("20,000 long texts that are no addresses", of_items(&long, 20_000), Manner::Repeat, ""),
            attack("400,000 fields", format!("{{{fields}}}"), Manner::Repeat, ""),
            attack("a text of 5 MiB", text("x"), Manner::Repeat, ""),
            attack("a text of 5 MiB of escapes", text("\\u0041"), Manner::Repeat, ""),
            attack("5 MiB that are no JSON", format!("{}]", list("1")), Manner::Repeat, ""),
            attack("numbers, with an Idempotency-Key", list("1"), Manner::Repeat, "Idempotency-Key: hostile\r\n"),
            attack("a body that trickles", list("1"), Manner::Trickle, ""),
            Self {
                name: "answers of some MiB that nobody reads",
                bytes: 0,
                is_bounded: false,
                request: read,
                manner: Manner::Ignore,
            },
            Self {
                name: "128 scrapers of metrics",
                bytes: 0,
                is_bounded: true,
                request: scrape,
                manner: Manner::Crowd,
            },
        ]
    }

    /// Attacks for so long, and returns how many answers came.
    pub fn run(&self, server: &Server, clients: usize, duration: Duration) -> usize {
        let (address, end) = (server.address(), Instant::now() + duration);
        let clients = if matches!(self.manner, Manner::Crowd) { SCRAPERS } else { clients };
        scope(|scope| {
            let attackers: Vec<_> = (0..clients).map(|_| scope.spawn(|| self.attack(&address, end))).collect();
            attackers.into_iter().map(|attacker| attacker.join().expect("an attacker failed")).sum()
        })
    }

    fn attack(&self, address: &str, end: Instant) -> usize {
        let mut answers = 0;
        while Instant::now() < end {
            let Ok(mut socket) = TcpStream::connect(address) else { continue };
            let left = end.saturating_duration_since(Instant::now()) + Duration::from_secs(30);
            socket.set_read_timeout(Some(left)).expect("the socket takes an option");
            match self.manner {
                Manner::Repeat | Manner::Crowd => answers += usize::from(self.exchange(&mut socket)),
                Manner::Trickle => answers += usize::from(self.trickle(&mut socket, end)),
                Manner::Ignore => {
                    if socket.write_all(&self.request).is_ok() {
                        sleep(end.saturating_duration_since(Instant::now()));
                    }
                }
            }
        }
        answers
    }

    /// Whether an answer came.
    fn exchange(&self, socket: &mut TcpStream) -> bool {
        // The server may answer before it has read everything.
        let _ = socket.write_all(&self.request);
        let _ = socket.shutdown(Shutdown::Write);
        is_answered(socket)
    }

    /// Whether an answer came. It does while bytes are still sent.
    fn trickle(&self, socket: &mut TcpStream, end: Instant) -> bool {
        let (start, rest) = self.request.split_at(1_000);
        let mut sent = socket.write_all(start);
        for byte in rest {
            if sent.is_err() || Instant::now() > end {
                break;
            }
            sleep(Duration::from_millis(50));
            sent = socket.write_all(&[*byte]);
        }
        let _ = socket.shutdown(Shutdown::Write);
        is_answered(socket)
    }
}

fn is_answered(socket: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    // A connection that is reset ends the answer as well.
    let _ = socket.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 ")
}

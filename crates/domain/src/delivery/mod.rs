//! How messages of the outbox are delivered: the steps each takes, the lanes they take them in, and when a step is tried again.
//!
//! The use cases that do it are in `deliveries.rs`; why it is done so is in docs/adr/0008.

mod composition;
mod customers;
mod deliveries;
mod enrollment;
mod facts;
mod files;
mod mails;
mod payloads;
mod settlement;
mod shipments;
mod webhooks;

pub use deliveries::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
pub use webhooks::{WebhookBatch, WebhookOutcome, WebhookResult};

use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::model::ids::{CustomerId, LicenseId, MessageId, PlanId};
use crate::outbox::{Message, Topic};
use crate::ports::{EVENTS_PER_CALL, MAILS_PER_CALL, PENDING_LEARNERS_PER_CALL};

/// Where messages wait for the same upstream. One that is slow or away holds up no other lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Calls to the LMS.
    Lms,
    /// Mails, and joining addresses with accounts.
    Mail,
    /// Events of people with an account.
    Events,
    /// Events of people of whom the address alone is known, whom another service is told of.
    Addresses,
    /// Bulk enrollments: calls to the LMS that take minutes, and the files of their results.
    Enrollment,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 5] = [Self::Lms, Self::Mail, Self::Events, Self::Addresses, Self::Enrollment];

    /// Its name in storage and in metrics. None is part of another one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lms => "lms",
            Self::Mail => "mail",
            Self::Events => "events",
            Self::Addresses => "addresses",
            Self::Enrollment => "enrollment",
        }
    }

    /// The lane of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == name)
    }

    /// How many messages are claimed at once: what one call to the upstream takes.
    pub fn batch_size(self) -> usize {
        match self {
            Self::Lms => PENDING_LEARNERS_PER_CALL,
            Self::Mail => MAILS_PER_CALL,
            Self::Events | Self::Addresses => EVENTS_PER_CALL,
            Self::Enrollment => 1,
        }
    }
}

/// One thing to be done for a message. A message takes its steps one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The LMS is told to expect the learner.
    Link,
    /// The LMS ends what a license paid for.
    EndEnrollments,
    /// The address is joined with the account.
    Identify,
    /// A mail goes out.
    Mail,
    /// Admins are told how a plan is used, or that it has passed a threshold.
    Thresholds,
    /// The event is told of an account.
    Track,
    /// The event is told of an address.
    TrackAddress,
    /// Learners are enrolled.
    Enroll,
    /// The results of enrollments are put into a file.
    File,
    /// Nobody here knows what to do.
    Unknown,
}

impl Step {
    /// Where it waits.
    pub fn lane(self) -> Lane {
        match self {
            Self::Link | Self::EndEnrollments => Lane::Lms,
            Self::Identify | Self::Mail | Self::Thresholds => Lane::Mail,
            Self::Track | Self::Unknown => Lane::Events,
            Self::TrackAddress => Lane::Addresses,
            Self::Enroll | Self::File => Lane::Enrollment,
        }
    }
}

/// Whether a payload wants a mail; one that does not say does.
#[derive(Deserialize)]
struct Wishes {
    #[serde(default = "yes")]
    mail: bool,
}

fn yes() -> bool {
    true
}

/// Whom an event concerns.
#[derive(Deserialize)]
struct Concerned {
    properties: ConcernedPerson,
}

#[derive(Deserialize)]
struct ConcernedPerson {
    /// An empty text where the account is not known.
    assigned_lms_user_id: Value,
}

impl Message {
    /// The steps it takes, in their order. How many of them are left is what storage keeps; so a step that a kind of message
    /// gains must come before the ones it has, and messages that wait already take none of it.
    pub fn steps(&self) -> &'static [Step] {
        let mail = || serde_json::from_str::<Wishes>(&self.payload).map_or(true, |wishes| wishes.mail);
        let has_no_account = || {
            let concerned = serde_json::from_str::<Concerned>(&self.payload);
            concerned.is_ok_and(|Concerned { properties }| properties.assigned_lms_user_id == "")
        };
        match self.topic {
            Topic::LicenseEvent if has_no_account() => &[Step::TrackAddress],
            Topic::LicenseEvent => &[Step::Track],
            Topic::Assignment if mail() => &[Step::Link, Step::Mail],
            Topic::Assignment => &[Step::Link],
            Topic::Activation | Topic::AutoApplied if mail() => &[Step::Identify, Step::Mail],
            Topic::Activation | Topic::AutoApplied => &[Step::Identify],
            Topic::Reminder | Topic::RevocationCapMail | Topic::EnrollmentResultsMail => &[Step::Mail],
            Topic::UtilizationThresholds | Topic::InitialUtilization => &[Step::Thresholds],
            Topic::EndEnrollments => &[Step::EndEnrollments],
            Topic::BulkEnrollment => &[Step::Enroll],
            Topic::EnrollmentResultsFile => &[Step::File],
            Topic::Unknown => &[Step::Unknown],
        }
    }

    /// The lanes of its steps, in their order.
    pub fn lanes(&self) -> Lanes {
        Lanes(self.steps().iter().map(|step| step.lane()).collect())
    }
}

/// The lanes of the steps that a message has left, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes(Vec<Lane>);

impl Lanes {
    /// The one the message waits in; `None` where nothing is left.
    pub fn current(&self) -> Option<Lane> {
        self.0.first().copied()
    }

    /// How many steps are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the message has a step left in this one.
    pub fn contain(&self, lane: Lane) -> bool {
        self.0.contains(&lane)
    }

    /// What is left once the current step is done.
    pub fn next(&self) -> Self {
        Self(self.0.iter().skip(1).copied().collect())
    }

    /// As they are stored: names, separated by spaces.
    pub fn as_text(&self) -> String {
        self.0.iter().map(|lane| lane.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Read back from storage. Lanes that this version does not know are left out.
    pub fn from_text(text: &str) -> Self {
        Self(text.split(' ').filter_map(Lane::from_name).collect())
    }
}

/// A message that somebody delivers now.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// The message.
    pub message: Message,
    /// The steps it has left, the one to be taken now first.
    pub lanes: Lanes,
    /// How often this step has failed.
    pub attempts: i16,
    /// What it was promised as a part of, where that was recorded; see [`crate::ports::OutboxRepository::add`].
    pub trace_parent: Option<String>,
}

impl Parcel {
    /// What is to be done now.
    pub fn step(&self) -> Step {
        let steps = self.message.steps();
        let done = steps.len().saturating_sub(self.lanes.len());
        steps.get(done).copied().unwrap_or(Step::Unknown)
    }
}

/// A claim to messages of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// Its name, which no other claim has.
    pub id: Uuid,
    /// Of messages that wait here.
    pub lane: Lane,
    /// Of messages that are due now.
    pub now: DateTime<Utc>,
    /// Until when nobody else may claim them.
    pub until: DateTime<Utc>,
    /// How many at most.
    pub limit: usize,
}

/// How a message goes on that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: MessageId,
    /// The steps that are left; never none.
    pub lanes: Lanes,
    /// How often the first of them has failed.
    pub attempts: i16,
    /// When it is due.
    pub not_before: DateTime<Utc>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// Since when nobody tries any more.
    pub parked_at: Option<DateTime<Utc>>,
}

/// A message that waits, as an operator sees it: nothing here names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: MessageId,
    /// Its kind, by its name.
    pub topic: String,
    /// Where it waits, by its name.
    pub lane: String,
    /// The license it is about.
    pub license: Option<LicenseId>,
    /// The plan it is about.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// When it was promised.
    pub created: DateTime<Utc>,
    /// How often its step has failed.
    pub attempts: i16,
    /// When it is due, or until when somebody has claimed it.
    pub not_before: DateTime<Utc>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// Since when nobody tries any more.
    pub parked_at: Option<DateTime<Utc>>,
}

/// How a lane stands, for whoever watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Which.
    pub lane: Lane,
    /// How many messages wait in it, those being delivered included, up to the number that was asked for.
    pub waiting: i64,
    /// How many are parked in it, up to the same number.
    pub parked: i64,
    /// Since when the message is due that could have been claimed first; `None` where none could be.
    pub due_since: Option<DateTime<Utc>>,
}

/// Which messages an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxSelection {
    /// These, parked or not.
    Messages(Vec<MessageId>),
    /// The parked ones; of this kind alone, by its name, where one is named.
    Parked(Option<String>),
}

/// When a step that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first pause, a hundred years at most. Each is twice the one before, up to ten times the first.
    pub base: Duration,
}

impl RetryPolicy {
    /// How often a step is tried before its message is parked.
    pub const TRIES: i16 = 5;
    /// A longer first pause counts as this one: a hundred years.
    pub(crate) const LONGEST_BASE: Duration = Duration::days(36_500);
    /// The longest pause, in first pauses.
    const LONGEST: i32 = 10;

    /// The pause after this many failures of the message's step, at least 1: up to a quarter longer or shorter, by chance, so that
    /// what failed together does not come back together. The chance is the message's own: the same every time one asks.
    pub fn pause(&self, message: MessageId, failures: i16) -> Duration {
        let doublings = u32::from(failures.clamp(1, 15).unsigned_abs()) - 1;
        let base = self.base.clamp(Duration::zero(), Self::LONGEST_BASE);
        Self::scatter(base * 2_i32.pow(doublings).min(Self::LONGEST), message, failures)
    }

    /// A pause, up to a quarter longer or shorter.
    pub(crate) fn scatter(pause: Duration, message: MessageId, failures: i16) -> Duration {
        let chance = scattered(message.0.as_u128() ^ u128::from(failures.unsigned_abs()));
        let millis = pause.num_milliseconds();
        Duration::milliseconds(millis * 3 / 4 + millis / 2 * i64::from(chance) / i64::from(u16::MAX))
    }
}

/// A number in which every bit depends on every bit of the other one (the finalizer of SplitMix64).
fn scattered(number: u128) -> u16 {
    let mut bits = (number as u64) ^ ((number >> 64) as u64).rotate_left(32);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId(Uuid::from_u128(number))
    }

    #[test]
    fn pauses_double_up_to_ten_times_the_first() {
        let policy = RetryPolicy { base: Duration::seconds(60) };
        for (failures, seconds) in [(1, 60), (2, 120), (3, 240), (4, 480), (5, 600), (12, 600), (i16::MAX, 600)] {
            for number in 0..1000 {
                let pause = policy.pause(id(number), failures).num_milliseconds();
                assert!((seconds * 750..=seconds * 1250).contains(&pause), "{pause} ms after {failures} failures");
                assert_eq!(pause, policy.pause(id(number), failures).num_milliseconds());
            }
        }
    }

    #[test]
    fn a_pause_of_any_length_can_be_set() {
        let endless = RetryPolicy { base: Duration::MAX };
        assert!(endless.pause(id(1), RetryPolicy::TRIES) > Duration::days(36_500));
        assert_eq!(RetryPolicy { base: Duration::MIN }.pause(id(1), 5), Duration::zero());
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        let policy = RetryPolicy { base: Duration::seconds(60) };
        let mut pauses: Vec<_> = (0..100).map(|number| policy.pause(id(number), 1)).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 90, "{} of 100 pauses differ", pauses.len());
        assert!(pauses[99.min(pauses.len() - 1)] - pauses[0] > Duration::seconds(20), "they fill the span");
    }

    #[test]
    fn lanes_come_back_from_their_text() {
        let lanes = Lanes(vec![Lane::Lms, Lane::Mail]);
        assert_eq!(Lanes::from_text(&lanes.as_text()), lanes);
        assert_eq!(lanes.next(), Lanes(vec![Lane::Mail]));
        assert!(lanes.next().next().is_empty());
        assert_eq!(Lanes::from_text(""), Lanes(Vec::new()));
        for lane in Lane::ALL {
            let others = Lane::ALL.into_iter().filter(|other| *other != lane);
            assert!(others.into_iter().all(|other| !other.as_str().contains(lane.as_str())), "{lane:?}");
        }
    }
}

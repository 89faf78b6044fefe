//! Queues of leased work.
//!
//! A worker claims work that is due and gets a lease, which it prolongs while it works. Until the lease ends, nobody
//! else can claim the work. The worker then settles the work: it is completed, due again later, or dead-lettered. If a
//! worker dies, its lease ends and others claim the work. `docs/adr/0015` of the repository gives the reasons.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::model::ids::{PlanId, WebhookId};
use crate::model::jobs::JobKind;
use crate::ports::{EVENTS_PER_CALL, MAILS_PER_CALL, PENDING_LEARNERS_PER_CALL};
use crate::saturating_time;

/// A queue of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Messages: calls to the LMS.
    Lms,
    /// Messages: mails, and merging of profiles.
    Mail,
    /// Messages: events of learners with a known account, and messages of the embedding program.
    Events,
    /// Messages: events of learners with an unknown account. Another service collects them.
    Addresses,
    /// Messages: bulk enrollments, whose calls to the LMS take minutes, and the files of their results.
    Enrollment,
    /// Events for one webhook.
    Webhook(WebhookId),
    /// Jobs of one kind on plans.
    PlanJobs(JobKind),
    /// Tasks of the recurring operation with this name. They are claimed by their key.
    Operation(&'static str),
}

/// The kinds of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueKind {
    /// Messages of the outbox. A slow upstream delays only its own queue.
    Messages,
    /// Events for webhooks.
    Webhooks,
    /// Jobs on plans.
    PlanJobs,
}

impl Queue {
    /// The queues of messages.
    pub const MESSAGES: [Self; 5] = [Self::Lms, Self::Mail, Self::Events, Self::Addresses, Self::Enrollment];

    /// Its name in metrics, traces and logs. Storage keeps the names of message queues; none of them contains another.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lms => "lms",
            Self::Mail => "mail",
            Self::Events => "events",
            Self::Addresses => "addresses",
            Self::Enrollment => "enrollment",
            Self::Webhook(_) => "webhooks",
            Self::PlanJobs(kind) => kind.as_str(),
            Self::Operation(name) => name,
        }
    }

    /// The most work per claim: as much as one call takes.
    pub fn batch_size(self) -> usize {
        match self {
            Self::Lms => PENDING_LEARNERS_PER_CALL,
            Self::Mail => MAILS_PER_CALL,
            Self::Events | Self::Addresses => EVENTS_PER_CALL,
            Self::Webhook(_) => 32,
            Self::Enrollment | Self::PlanJobs(_) | Self::Operation(_) => 1,
        }
    }
}

/// A step of a message. A message takes its steps one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Link the learner in the LMS.
    Link,
    /// End the learner's licensed enrollments in the LMS.
    EndEnrollments,
    /// Merge the profiles of the address and the account.
    Identify,
    /// Send a mail.
    Mail,
    /// Send admins the utilization of a plan, or a threshold that it has passed.
    Thresholds,
    /// Track the event of an account.
    Track,
    /// Track the event of an address.
    TrackAddress,
    /// Enroll learners.
    Enroll,
    /// Write the results of enrollments to a file.
    File,
    /// Deliver a message of the embedding program.
    Custom,
    /// Post the event to a webhook.
    Post,
    /// Unknown to this version.
    Unknown,
}

impl Step {
    /// Its message queue. [`Step::Post`] waits in the queue of its webhook instead.
    pub fn queue(self) -> Queue {
        match self {
            Self::Link | Self::EndEnrollments => Queue::Lms,
            Self::Identify | Self::Mail | Self::Thresholds => Queue::Mail,
            Self::Track | Self::Custom | Self::Post | Self::Unknown => Queue::Events,
            Self::TrackAddress => Queue::Addresses,
            Self::Enroll | Self::File => Queue::Enrollment,
        }
    }
}

/// A lease of work in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its unique id.
    pub id: Uuid,
    /// The queue of the work.
    pub queue: Queue,
}

/// A claim to work that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The new lease.
    pub lease: Lease,
    /// When the claim was asked for; the work must be due by then. A claim that waited for the database leaves work whose
    /// lease ended meanwhile to its holder, who may wait for the database too.
    pub now: DateTime<Utc>,
    /// When the lease ends.
    pub until: DateTime<Utc>,
    /// The most work to claim.
    pub limit: usize,
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The lease.
    pub lease: Lease,
    /// Its plan.
    pub plan: PlanId,
    /// The failed attempts since its last batch.
    pub attempts: i16,
    /// When it became due; jobs run in this order.
    pub due: DateTime<Utc>,
}

/// What happens to claimed work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The work.
    pub id: Uuid,
    /// The remaining steps of a message.
    pub steps: &'static [Step],
    /// The failed attempts.
    pub attempts: i16,
    /// When it is due.
    pub due: DateTime<Utc>,
    /// The last status of a webhook's answer.
    pub status: Option<i16>,
    /// The last problem.
    pub error: Option<String>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was dead-lettered.
    pub dead_lettered_at: Option<DateTime<Utc>>,
}

impl Settlement {
    /// Completes work.
    pub fn completed(id: Uuid, now: DateTime<Utc>) -> Self {
        Self { completed_at: Some(now), ..Self::due(id, now) }
    }

    /// Makes work due, with no attempts counted.
    pub fn due(id: Uuid, due: DateTime<Utc>) -> Self {
        Self { id, steps: &[], attempts: 0, due, status: None, error: None, completed_at: None, dead_lettered_at: None }
    }
}

/// The waiting work of one or more queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The waiting work, claimed work included, up to a limit.
    pub waiting: i64,
    /// The dead-lettered work, up to the same limit.
    pub dead_lettered: i64,
    /// When the first claimable work became due; `None` if none is claimable.
    pub due_since: Option<DateTime<Utc>>,
}

/// The retries of work that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// The first pause.
    first: Duration,
    /// Each pause is this many times the previous one.
    factor: i32,
    /// The longest pause.
    longest: Duration,
    /// The most attempts.
    tries: i16,
    /// The time after which it is not retried any more.
    within: Option<Duration>,
}

impl RetrySchedule {
    /// The longest base: a hundred years.
    const LONGEST_BASE: Duration = Duration::days(36_500);

    /// For messages: five attempts. The pauses double up to ten times the base.
    pub fn of_messages(base: Duration) -> Self {
        let base = base.clamp(Duration::zero(), Self::LONGEST_BASE);
        Self { first: base, factor: 2, longest: base * 10, tries: 5, within: None }
    }

    /// For webhooks: 13 attempts within a day. The first pause is a twelfth of the base, and each is four times the
    /// previous one, up to 240 times the base.
    pub fn of_webhooks(base: Duration) -> Self {
        let base = base.clamp(Duration::zero(), Self::LONGEST_BASE);
        Self { first: base / 12, factor: 4, longest: base * 240, tries: 13, within: Some(Duration::days(1)) }
    }

    /// The next attempt after this number of failures, at least 1; `None` to dead-letter the work.
    pub fn next(&self, id: Uuid, failures: i16, due_since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = saturating_time::after(now, self.pause(id, failures));
        (failures < self.tries && !self.is_over(due_since, next)).then_some(next)
    }

    /// Whether an attempt at this time would be too late.
    pub fn is_over(&self, due_since: DateTime<Utc>, moment: DateTime<Utc>) -> bool {
        self.within.is_some_and(|within| moment > due_since + within)
    }

    /// The pause after this number of failures, at least 1. It is up to a quarter longer or shorter, so that work that
    /// failed together is not retried together. It depends on the id, so it is always the same for the same work.
    pub fn pause(&self, id: Uuid, failures: i16) -> Duration {
        let exponent = u32::from(failures.clamp(1, 10).unsigned_abs()) - 1;
        let pause = (self.first * self.factor.pow(exponent)).min(self.longest);
        let chance = scattered(id.as_u128() ^ u128::from(failures.unsigned_abs()));
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

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn pauses_double_up_to_ten_times_the_first() {
        let schedule = RetrySchedule::of_messages(Duration::seconds(60));
        for (failures, seconds) in [(1, 60), (2, 120), (3, 240), (4, 480), (5, 600), (12, 600), (i16::MAX, 600)] {
            for number in 0..1000 {
                let pause = schedule.pause(id(number), failures).num_milliseconds();
                assert!((seconds * 750..=seconds * 1250).contains(&pause), "{pause} ms after {failures} failures");
                assert_eq!(pause, schedule.pause(id(number), failures).num_milliseconds());
            }
        }
    }

    #[test]
    fn deliveries_are_made_again_for_about_a_day() {
        let (retries, id) = (RetrySchedule::of_webhooks(Duration::minutes(1)), id(1));
        for (failures, seconds) in
            [(1, 5), (2, 20), (3, 80), (4, 320), (5, 1_280), (6, 5_120), (7, 14_400), (12, 14_400)]
        {
            let pause = retries.pause(id, failures).num_milliseconds();
            assert!((seconds * 750..=seconds * 1250).contains(&pause), "{pause} ms after {failures} failures");
        }
        let all: i64 = (1..retries.tries).map(|failures| retries.pause(id, failures).num_hours()).sum();
        assert!((18..=30).contains(&all), "{all} hours");
        assert_eq!(RetrySchedule::of_webhooks(Duration::zero()).pause(id, 5), Duration::zero());
        assert_eq!(RetrySchedule::of_webhooks(Duration::MIN).pause(id, 5), Duration::zero());
        let endless = RetrySchedule::of_webhooks(Duration::MAX);
        assert!(endless.pause(id, retries.tries) > Duration::days(36_500));
    }

    #[test]
    fn a_pause_of_any_length_can_be_set() {
        let endless = RetrySchedule::of_messages(Duration::MAX);
        assert!(endless.pause(id(1), 5) > Duration::days(36_500));
        assert_eq!(RetrySchedule::of_messages(Duration::MIN).pause(id(1), 5), Duration::zero());
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        let schedule = RetrySchedule::of_messages(Duration::seconds(60));
        let mut pauses: Vec<_> = (0..100).map(|number| schedule.pause(id(number), 1)).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 90, "{} of 100 pauses differ", pauses.len());
        assert!(pauses[99.min(pauses.len() - 1)] - pauses[0] > Duration::seconds(20), "they fill the span");
    }

    #[test]
    fn no_name_of_a_queue_of_messages_is_part_of_another() {
        for queue in Queue::MESSAGES {
            let mut others = Queue::MESSAGES.into_iter().filter(|other| *other != queue);
            assert!(others.all(|other| !other.as_str().contains(queue.as_str())), "{queue:?}");
        }
    }
}

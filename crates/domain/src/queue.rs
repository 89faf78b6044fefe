//! Leased work: a piece of work waits in a queue until it is due, and whoever claims it holds a lease.
//!
//! Until the lease ends nobody else may claim the work. Its holder prolongs the lease while it works, and settles the work when it is
//! done: the work is gone, is due again later, or is dead-lettered. Work of a holder that dies is claimed again when the lease ends.
//! Why so: docs/adr/0015.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::model::ids::{PlanId, WebhookId};
use crate::model::jobs::JobKind;
use crate::ports::{EVENTS_PER_CALL, MAILS_PER_CALL, PENDING_LEARNERS_PER_CALL};
use crate::saturating_time;

/// Where work waits to be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Messages: calls to the LMS.
    Lms,
    /// Messages: mails, and joining addresses with accounts.
    Mail,
    /// Messages: events of people with an account.
    Events,
    /// Messages: events of people of whom only the address is known. Another service collects them.
    Addresses,
    /// Messages: bulk enrollments, which are calls to the LMS that take minutes, and the files of their results.
    Enrollment,
    /// Events for one webhook.
    Webhook(WebhookId),
    /// Work on whole plans.
    PlanJobs(JobKind),
    /// Tasks of a recurring operation, by its name. They are claimed by their key.
    Operation(&'static str),
}

/// Queues whose work is of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueKind {
    /// Messages of the outbox. A upstream that is slow or away holds up only its own queue.
    Messages,
    /// Events for webhooks.
    Webhooks,
    /// Work on whole plans.
    PlanJobs,
}

impl Queue {
    /// The queues of messages.
    pub const MESSAGES: [Self; 5] = [Self::Lms, Self::Mail, Self::Events, Self::Addresses, Self::Enrollment];

    /// Its name in metrics, traces and logs. Queues of messages are stored by it; none of these names is part of another.
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

    /// How many pieces of work are claimed at once: what one call takes.
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

/// One thing to be done for a message. A message takes its steps one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The LMS is told to expect the learner.
    Link,
    /// The LMS ends what a license paid for.
    EndEnrollments,
    /// The address is joined with the account.
    Identify,
    /// A mail is sent.
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
    /// The event is posted to a webhook.
    Post,
    /// This version does not know what to do.
    Unknown,
}

impl Step {
    /// The queue of messages in which it waits. [`Step::Post`] waits in the queue of its webhook instead.
    pub fn queue(self) -> Queue {
        match self {
            Self::Link | Self::EndEnrollments => Queue::Lms,
            Self::Identify | Self::Mail | Self::Thresholds => Queue::Mail,
            Self::Track | Self::Post | Self::Unknown => Queue::Events,
            Self::TrackAddress => Queue::Addresses,
            Self::Enroll | Self::File => Queue::Enrollment,
        }
    }
}

/// A lease of work of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its holder's name; no other lease has it.
    pub id: Uuid,
    /// Where the work waits.
    pub queue: Queue,
}

/// A claim to work that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The lease that it gives.
    pub lease: Lease,
    /// Work that is due by now.
    pub now: DateTime<Utc>,
    /// When the lease ends.
    pub until: DateTime<Utc>,
    /// How much work at most.
    pub limit: usize,
}

/// A job of which the holder of the lease does the next batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The lease.
    pub lease: Lease,
    /// The plan that it is about.
    pub plan: PlanId,
    /// How often it has failed since its last batch.
    pub attempts: i16,
    /// When it became due, which decides its turn.
    pub due: DateTime<Utc>,
}

/// How a piece of claimed work goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The work.
    pub id: Uuid,
    /// The steps of a message that are left.
    pub steps: &'static [Step],
    /// How often the work has failed.
    pub attempts: i16,
    /// When it is due.
    pub due: DateTime<Utc>,
    /// The last status that a webhook answered.
    pub status: Option<i16>,
    /// The last problem.
    pub error: Option<String>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub dead_lettered_at: Option<DateTime<Utc>>,
}

impl Settlement {
    /// Work that is completed.
    pub fn completed(id: Uuid, now: DateTime<Utc>) -> Self {
        Self { completed_at: Some(now), ..Self::due(id, now) }
    }

    /// Work that is due at a moment, with all its tries.
    pub fn due(id: Uuid, due: DateTime<Utc>) -> Self {
        Self { id, steps: &[], attempts: 0, due, status: None, error: None, completed_at: None, dead_lettered_at: None }
    }
}

/// How much work waits in one queue, or in several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How much waits, claimed work included, up to the limit that was asked for.
    pub waiting: i64,
    /// How much is dead-lettered, up to the same limit.
    pub dead_lettered: i64,
    /// When the work became due that can be claimed first; `None` where none can be claimed.
    pub due_since: Option<DateTime<Utc>>,
}

/// When work that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// The first pause.
    first: Duration,
    /// How much longer each pause is than the one before.
    factor: i32,
    /// No pause is longer.
    longest: Duration,
    /// How often the work is tried.
    tries: i16,
    /// How long after it became due the work is tried.
    within: Option<Duration>,
}

impl RetrySchedule {
    /// A longer base counts as this one: a hundred years.
    const LONGEST_BASE: Duration = Duration::days(36_500);

    /// Messages: five tries. The pauses double up to ten times the base.
    pub fn of_messages(base: Duration) -> Self {
        let base = base.clamp(Duration::zero(), Self::LONGEST_BASE);
        Self { first: base, factor: 2, longest: base * 10, tries: 5, within: None }
    }

    /// Events for webhooks: 13 tries within a day. The first pause is a twelfth of the base, each is four times the one before, up to
    /// 240 times the base.
    pub fn of_webhooks(base: Duration) -> Self {
        let base = base.clamp(Duration::zero(), Self::LONGEST_BASE);
        Self { first: base / 12, factor: 4, longest: base * 240, tries: 13, within: Some(Duration::days(1)) }
    }

    /// When work is tried again that has failed so often, at least once; `None` where it is dead-lettered.
    pub fn next(&self, id: Uuid, failures: i16, due_since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = saturating_time::after(now, self.pause(id, failures));
        (failures < self.tries && !self.is_over(due_since, next)).then_some(next)
    }

    /// Whether it is too late to try work at a moment.
    pub fn is_over(&self, due_since: DateTime<Utc>, moment: DateTime<Utc>) -> bool {
        self.within.is_some_and(|within| moment > due_since + within)
    }

    /// The pause after so many failures, at least 1: up to a quarter longer or shorter, so that what failed together does not come back
    /// together. The id decides by how much: the pause is the same every time.
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

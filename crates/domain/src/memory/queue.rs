use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{MemoryUnit, Tables};
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{PlanId, WebhookId};
use crate::model::jobs::{Job, JobKind};
use crate::outbox::{ClaimedMessage, Message, Topic, merged_plans};
use crate::ports::{ExpirationProgress, JobRepository, QueueRepository, Task, TaskClaim};
use crate::queue::{Backlog, Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement, Step};

/// A piece of work and its progress.
#[derive(Debug, Clone)]
pub(super) struct QueuedWork {
    pub(super) queue: Queue,
    pub(super) id: Uuid,
    pub(super) work: Work,
    pub(super) attempts: i16,
    pub(super) not_before: DateTime<Utc>,
    pub(super) due_since: DateTime<Utc>,
    pub(super) claimed_by: Option<Uuid>,
    pub(super) last_status: Option<i16>,
    pub(super) last_error: Option<String>,
    pub(super) completed_at: Option<DateTime<Utc>>,
    pub(super) dead_lettered_at: Option<DateTime<Utc>>,
}

/// The kinds of work.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// A message, or an event for a webhook, and its remaining steps.
    Message(Message, &'static [Step]),
    Job(Job),
    Task(Option<ExpirationProgress>),
}

impl QueuedWork {
    pub(super) fn new(queue: Queue, id: Uuid, work: Work, due: DateTime<Utc>) -> Self {
        Self {
            queue,
            id,
            work,
            attempts: 0,
            not_before: due,
            due_since: due,
            claimed_by: None,
            last_status: None,
            last_error: None,
            completed_at: None,
            dead_lettered_at: None,
        }
    }

    /// The message, or the event for a webhook.
    pub(super) fn message(&self) -> Option<&Message> {
        match &self.work {
            Work::Message(message, _) => Some(message),
            _ => None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.completed_at.is_none() && self.dead_lettered_at.is_none()
    }

    /// Whether a lease holds it now.
    pub(super) fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        self.claimed_by.is_some() && self.not_before > now
    }

    /// Makes it due, with no attempts counted.
    pub(super) fn revive(&mut self, now: DateTime<Utc>) {
        (self.attempts, self.not_before, self.due_since, self.claimed_by) = (0, now, now, None);
        (self.completed_at, self.dead_lettered_at) = (None, None);
    }

    fn is_held(&self, lease: Lease, work: &[Uuid]) -> bool {
        self.claimed_by == Some(lease.id) && self.queue == lease.queue && work.contains(&self.id)
    }

    /// Whether this earlier message must be delivered before the other one.
    fn precedes(&self, other: &Self) -> bool {
        let (Work::Message(earlier, steps), Work::Message(later, _)) = (&self.work, &other.work) else { return false };
        let shares_queue = match self.queue {
            Queue::Webhook(_) => self.queue == other.queue,
            _ => steps.iter().any(|step| step.queue() == other.queue),
        };
        let same_license = later.license.is_some() && earlier.license == later.license;
        let same_person = matches!(self.queue, Queue::Webhook(_)) && earlier.payload.names_person_of(&later.payload);
        let is_merged = |message: &Message| message.payload.topic() == Topic::MERGED;
        let merged = is_merged(earlier) && is_merged(later) && earlier.plan == later.plan;
        self.is_waiting() && (shares_queue && (same_license || same_person) || merged)
    }
}

impl Tables {
    /// Adds messages, and a delivery to each webhook that wants them.
    pub(super) fn enqueue(&mut self, messages: &[Message]) {
        for message in messages {
            let (id, steps) = (message.id.0, message.payload.steps());
            let queue = steps.first().map_or(Queue::Events, |step| step.queue());
            let work = |steps| Work::Message(message.clone(), steps);
            self.queue.push(QueuedWork::new(queue, id, work(steps), message.created));
            let wanting = self.webhooks.values().filter(|(webhook, _)| webhook.wants(message));
            let deliveries = wanting.map(|(webhook, _)| {
                QueuedWork::new(Queue::Webhook(webhook.id), id, work(&[Step::Post]), message.created)
            });
            self.queue.extend(deliveries);
        }
    }

    fn is_open(&self, queue: Queue, now: DateTime<Utc>) -> bool {
        let Queue::Webhook(webhook) = queue else { return true };
        let webhook = self.webhooks.get(&webhook);
        webhook.is_some_and(|(webhook, pause_until)| webhook.is_active && pause_until.is_none_or(|until| until <= now))
    }

    /// The indexes of the work that can be claimed, the longest due first.
    fn claimable(&self, queue: Queue, now: DateTime<Utc>) -> Vec<usize> {
        if !self.is_open(queue, now) {
            return Vec::new();
        }
        let all = &self.queue;
        let due = |work: &QueuedWork| work.queue == queue && work.is_waiting() && work.not_before <= now;
        let mut places: Vec<usize> = (0..all.len())
            .filter(|&place| due(&all[place]))
            .filter(|&place| !all[..place].iter().any(|earlier| earlier.precedes(&all[place])))
            .collect();
        places.sort_by_key(|&place| (all[place].not_before, place));
        places
    }

    pub(super) fn backlog(&self, queues: &[Queue], now: DateTime<Utc>, limit: i64) -> Backlog {
        let number = |wanted: fn(&QueuedWork) -> bool| {
            let found = self.queue.iter().filter(|work| queues.contains(&work.queue) && wanted(work));
            (found.count() as i64).min(limit)
        };
        let due = queues.iter().filter_map(|&queue| self.claimable(queue, now).first().copied());
        Backlog {
            waiting: number(QueuedWork::is_waiting),
            dead_lettered: number(|work| work.dead_lettered_at.is_some()),
            due_since: due.map(|place| self.queue[place].not_before).min(),
        }
    }

    pub(super) fn webhook_queues(&self) -> Vec<Queue> {
        self.webhooks.keys().map(|&webhook: &WebhookId| Queue::Webhook(webhook)).collect()
    }
}

impl QueueRepository for MemoryUnit<'_> {
    fn due(&mut self, kind: QueueKind, now: DateTime<Utc>) -> Result<Vec<Queue>, Error> {
        let queues = match kind {
            QueueKind::Messages => Queue::MESSAGES.to_vec(),
            QueueKind::Webhooks => self.tables.webhook_queues(),
            QueueKind::PlanJobs => JobKind::ALL.map(Queue::PlanJobs).to_vec(),
        };
        let first = |queue: Queue| {
            let place = *self.tables.claimable(queue, now).first()?;
            Some((self.tables.queue[place].not_before, queue))
        };
        let mut due: Vec<_> = queues.into_iter().filter_map(first).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, queue)| queue).collect())
    }

    fn claim(&mut self, claim: &Claim) -> Result<Vec<ClaimedMessage>, Error> {
        let tables = self.written()?;
        let mut claimed = Vec::new();
        for place in tables.claimable(claim.lease.queue, claim.now).into_iter().take(claim.limit) {
            let work = &mut tables.queue[place];
            (work.claimed_by, work.not_before) = (Some(claim.lease.id), claim.until);
            if let Work::Message(message, steps) = &work.work {
                // This store keeps no traces.
                let fresh = ClaimedMessage::new(message.clone(), steps, work.due_since);
                claimed.push(ClaimedMessage { attempts: work.attempts, ..fresh });
            }
        }
        let merged = merged_plans(&claimed);
        tables.queue.retain(|work| {
            let is_merged = |message: &Message| {
                message.payload.topic() == Topic::MERGED && message.plan.is_some_and(|plan| merged.contains(&plan))
            };
            let is_other = work.claimed_by != Some(claim.lease.id) && work.dead_lettered_at.is_none();
            !(is_other && work.message().is_some_and(is_merged))
        });
        Ok(claimed)
    }

    fn claim_job(&mut self, claim: &Claim) -> Result<Option<ClaimedJob>, Error> {
        let tables = self.written()?;
        let Some(&place) = tables.claimable(claim.lease.queue, claim.now).first() else { return Ok(None) };
        let work = &mut tables.queue[place];
        let claimed =
            ClaimedJob { lease: claim.lease, plan: PlanId(work.id), attempts: work.attempts, due: work.not_before };
        (work.claimed_by, work.not_before) = (Some(claim.lease.id), claim.until);
        Ok(Some(claimed))
    }

    fn claim_task(&mut self, task: Task, claim: &Claim) -> Result<TaskClaim, Error> {
        let queue = &mut self.written()?.queue;
        let is_task = |work: &QueuedWork| work.queue == task.queue() && work.id == task.key;
        let place = queue.iter().position(is_task).unwrap_or_else(|| {
            queue.push(QueuedWork::new(task.queue(), task.key, Work::Task(None), claim.now));
            queue.len() - 1
        });
        let work = &mut queue[place];
        if work.claimed_by != Some(claim.lease.id) && work.not_before > claim.now {
            return Ok(TaskClaim::HeldUntil(work.not_before));
        }
        (work.claimed_by, work.not_before) = (Some(claim.lease.id), claim.until);
        match work.work {
            Work::Task(progress) => Ok(TaskClaim::Taken(progress)),
            _ => Ok(TaskClaim::Taken(None)),
        }
    }

    fn prolong(&mut self, lease: Lease, work: &[Uuid], until: DateTime<Utc>) -> Result<usize, Error> {
        let held = self.written()?.queue.iter_mut().filter(|own| own.is_held(lease, work));
        Ok(held.map(|work| work.not_before = until).count())
    }

    fn held(&mut self, lease: Lease, work: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let held = self.written()?.queue.iter().filter(|own| own.is_held(lease, work));
        Ok(held.map(|work| work.id).collect())
    }

    fn settle(&mut self, lease: Lease, settlements: &[Settlement]) -> Result<(), Error> {
        let settled = |work: &QueuedWork| settlements.iter().find(|settled| work.is_held(lease, &[settled.id]));
        let keeps_completed = matches!(lease.queue, Queue::Webhook(_));
        let queue = &mut self.written()?.queue;
        queue.retain(|work| keeps_completed || settled(work).is_none_or(|settled| settled.completed_at.is_none()));
        for work in queue {
            let Some(settled) = settled(work) else { continue };
            if let Work::Message(_, steps) = &mut work.work
                && let [first, ..] = settled.steps
                && !keeps_completed
            {
                (*steps, work.queue) = (settled.steps, first.queue());
            }
            (work.attempts, work.not_before, work.claimed_by) = (settled.attempts, settled.due, None);
            (work.last_status, work.last_error) = (settled.status, settled.error.clone());
            (work.completed_at, work.dead_lettered_at) = (settled.completed_at, settled.dead_lettered_at);
        }
        Ok(())
    }
}

/// Whether this is a job of the kind on one of the plans.
fn is_job_of(work: &QueuedWork, plans: &[PlanId], kind: JobKind) -> bool {
    work.queue == Queue::PlanJobs(kind) && plans.iter().any(|plan| plan.0 == work.id)
}

impl JobRepository for MemoryUnit<'_> {
    fn add(&mut self, job: &Job) -> Result<(), Error> {
        let queue = &mut self.written()?.queue;
        let (kind, id) = (Queue::PlanJobs(job.kind), job.plan.0);
        let new = Work::Job(job.clone());
        match queue.iter_mut().find(|work| work.queue == kind && work.id == id) {
            Some(work) => work.work = new,
            None => queue.push(QueuedWork::new(kind, id, new, job.requested_at)),
        }
        Ok(())
    }

    fn add_to_plans(&mut self, plans: &[PlanId], kind: JobKind, change: &Change) -> Result<(), Error> {
        let reason = change.reason.as_deref().map(str::to_owned);
        plans.iter().try_for_each(|&plan| {
            let (requested_by, reason) = (change.by.clone(), reason.clone());
            JobRepository::add(self, &Job { requested_by, reason, ..Job::new(plan, kind, change.at) })
        })
    }

    fn hurry(&mut self, plans: &[PlanId], kind: JobKind, now: DateTime<Utc>) -> Result<usize, Error> {
        let jobs = self.written()?.queue.iter_mut().filter(|work| is_job_of(work, plans, kind));
        let waiting = jobs.filter(|work| work.claimed_by.is_none() || work.not_before <= now);
        Ok(waiting.map(|work| (work.not_before, work.attempts, work.claimed_by) = (now, 0, None)).count())
    }

    fn remove(&mut self, plans: &[PlanId], kind: JobKind) -> Result<usize, Error> {
        let queue = &mut self.written()?.queue;
        let before = queue.len();
        queue.retain(|work| !is_job_of(work, plans, kind));
        Ok(before - queue.len())
    }

    fn find(&mut self, plan: PlanId, kind: JobKind) -> Result<Option<Job>, Error> {
        let own = self.tables.queue.iter().find(|work| work.queue == Queue::PlanJobs(kind) && work.id == plan.0);
        Ok(own.and_then(|work| match &work.work {
            Work::Job(job) => Some(job.clone()),
            _ => None,
        }))
    }

    fn counts(&mut self) -> Result<BTreeMap<JobKind, i64>, Error> {
        let number = |kind| self.tables.queue.iter().filter(|work| work.queue == Queue::PlanJobs(kind)).count() as i64;
        Ok(JobKind::ALL.into_iter().map(|kind| (kind, number(kind))).collect())
    }
}

//! Calls to upstreams, and their failures.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use super::results::{Completion, StepResult};
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LmsUserId};
use crate::ports::{CustomItem, Mail, MailKind, PendingLearner, TrackedEvent, Undelivered, UnsentMail};
use crate::use_cases::manager::LicenseManager;

/// The longest pause that an upstream can request.
const LONGEST_PAUSE: Duration = Duration::minutes(10);

/// The shortest pause that an upstream can request.
const SHORTEST_PAUSE: Duration = Duration::seconds(1);

/// The payload of a call.
pub(super) enum CallPayload {
    Learners(Vec<PendingLearner>),
    EndedEnrollments(CustomerId, LmsUserId),
    Identities(Vec<(Email, LmsUserId)>),
    Mails(MailKind, Vec<Mail>),
    Events(Vec<TrackedEvent>),
    Custom(Vec<CustomItem>),
}

impl CallPayload {
    fn len(&self) -> usize {
        match self {
            Self::Learners(learners) => learners.len(),
            Self::EndedEnrollments(..) => 1,
            Self::Identities(people) => people.len(),
            Self::Mails(_, mails) => mails.len(),
            Self::Events(events) => events.len(),
            Self::Custom(items) => items.len(),
        }
    }

    /// Its name in the log.
    fn kind(&self) -> &'static str {
        match self {
            Self::Learners(_) => "learners to be linked",
            Self::EndedEnrollments(..) => "enrollments to be ended",
            Self::Identities(_) => "identities",
            Self::Mails(kind, _) => kind.as_str(),
            Self::Events(_) => "events",
            Self::Custom(_) => "messages of the embedding program",
        }
    }

    /// Returns the mails that were not sent.
    async fn send(&self, manager: &LicenseManager, part: Range<usize>) -> Result<Vec<UnsentMail>, Undelivered> {
        match self {
            Self::Mails(kind, mails) => return manager.mail.send(*kind, &mails[part]).await,
            Self::Learners(learners) => manager.learners.link(&learners[part]).await,
            Self::EndedEnrollments(customer, learner) => manager.learners.end_enrollments(*customer, *learner).await,
            Self::Identities(people) => manager.mail.identify(&people[part]).await,
            Self::Events(events) => manager.events.track(&events[part]).await,
            Self::Custom(items) => manager.custom.deliver(&items[part]).await,
        }?;
        Ok(Vec::new())
    }
}

/// A call to an upstream.
pub(super) struct OutboundCall {
    pub(super) payload: CallPayload,
    /// For each item of the payload, the index of its message in the batch.
    pub(super) places: Vec<usize>,
}

impl OutboundCall {
    /// Sends the call. If the upstream refuses it, halves are sent again until the refused item is found. If the
    /// upstream is busy, sends no more and returns the end of the pause.
    pub(super) async fn send(
        &self,
        manager: &LicenseManager,
        results: &mut [Option<StepResult>],
    ) -> Option<DateTime<Utc>> {
        let mut parts: Vec<_> = std::iter::once(0..self.payload.len()).collect();
        while let Some(part) = parts.pop() {
            let (mut unsent, mut result) = (Vec::new(), StepResult::Done(Completion::Nothing));
            match self.payload.send(manager, part.clone()).await {
                Ok(mails) => unsent = mails,
                Err(Undelivered::Refused(_)) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                    continue;
                }
                Err(Undelivered::Busy(until)) => {
                    let until = end_of_pause(until, manager.now());
                    tracing::info!(kind = self.payload.kind(), %until, "an upstream is busy");
                    parts.push(part);
                    for place in parts.into_iter().flatten().map(|index| self.places[index]) {
                        results[place] = Some(StepResult::Postponed(until, None));
                    }
                    return Some(until);
                }
                Err(undelivered) => {
                    tracing::warn!(kind = self.payload.kind(), number = part.len(), problem = %undelivered, "not delivered");
                    result = undelivered.into();
                }
            }
            for index in part.clone() {
                results[self.places[index]] = Some(result.clone());
            }
            for UnsentMail { place, problem } in unsent {
                let result = match problem {
                    Undelivered::Busy(until) => StepResult::Postponed(end_of_pause(until, manager.now()), None),
                    problem => problem.into(),
                };
                results[self.places[part.start + place]] = Some(result);
            }
        }
        None
    }
}

/// The end of the pause that an upstream requested.
pub(super) fn end_of_pause(until: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    until.clamp(now + SHORTEST_PAUSE, now + LONGEST_PAUSE)
}

impl From<Undelivered> for StepResult {
    fn from(undelivered: Undelivered) -> Self {
        match undelivered {
            Undelivered::Unavailable(problem) => Self::Failed(problem.into()),
            Undelivered::Busy(until) => Self::Postponed(until, None),
            Undelivered::Refused(problem) => Self::Refused(problem.into()),
            Undelivered::Untried(problem) => Self::Untried(problem.into()),
        }
    }
}

//! Things that go to an upstream in one call, and what is done when it does not take them.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use super::deliveries::{Effect, Verdict};
use crate::model::email::Email;
use crate::model::ids::CustomerId;
use crate::model::ids::LmsUserId;
use crate::ports::{Mail, MailKind, PendingLearner, TrackedEvent, Undelivered};
use crate::use_cases::manager::LicenseManager;

/// However long an upstream wants to be left alone, it is asked again after this time: the moment it names may be nonsense.
const LONGEST_REST: Duration = Duration::minutes(10);

/// And not sooner than after this time.
const SHORTEST_REST: Duration = Duration::seconds(1);

/// What goes to an upstream in one call.
pub(super) enum Goods {
    Learners(Vec<PendingLearner>),
    EndedEnrollments(CustomerId, LmsUserId),
    Identities(Vec<(Email, LmsUserId)>),
    Mails(MailKind, Vec<Mail>),
    Events(Vec<TrackedEvent>),
}

impl Goods {
    fn len(&self) -> usize {
        match self {
            Self::Learners(learners) => learners.len(),
            Self::EndedEnrollments(..) => 1,
            Self::Identities(people) => people.len(),
            Self::Mails(_, mails) => mails.len(),
            Self::Events(events) => events.len(),
        }
    }

    /// What the log calls it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Learners(_) => "learners to be linked",
            Self::EndedEnrollments(..) => "enrollments to be ended",
            Self::Identities(_) => "identities",
            Self::Mails(kind, _) => kind.as_str(),
            Self::Events(_) => "events",
        }
    }

    async fn send(&self, manager: &LicenseManager, part: Range<usize>) -> Result<(), Undelivered> {
        match self {
            Self::Learners(learners) => manager.learners.link(&learners[part]).await,
            Self::EndedEnrollments(customer, learner) => manager.learners.end_enrollments(*customer, *learner).await,
            Self::Identities(people) => manager.mail.identify(&people[part]).await,
            Self::Mails(kind, mails) => manager.mail.send(*kind, &mails[part]).await,
            Self::Events(events) => manager.events.track(&events[part]).await,
        }
    }
}

/// Goods, and the place in the batch of the parcel that each of them is for.
pub(super) struct Shipment {
    pub(super) goods: Goods,
    pub(super) places: Vec<usize>,
}

impl Shipment {
    /// Sends them. What is refused is sent again in halves, until the one is alone that is refused. An upstream that is busy is
    /// sent nothing more: until when is returned.
    pub(super) async fn send(
        &self,
        manager: &LicenseManager,
        verdicts: &mut [Option<Verdict>],
    ) -> Option<DateTime<Utc>> {
        let mut parts: Vec<_> = std::iter::once(0..self.goods.len()).collect();
        while let Some(part) = parts.pop() {
            let verdict = match self.goods.send(manager, part.clone()).await {
                Ok(()) => Verdict::Done(Effect::Nothing),
                Err(Undelivered::Refused(_)) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                    continue;
                }
                Err(Undelivered::Busy(until)) => {
                    let until = rest(until, manager.now());
                    tracing::info!(kind = self.goods.kind(), %until, "an upstream wants to be left alone");
                    parts.push(part);
                    for place in parts.into_iter().flatten().map(|index| self.places[index]) {
                        verdicts[place] = Some(Verdict::Postponed(until));
                    }
                    return Some(until);
                }
                Err(undelivered) => {
                    tracing::warn!(kind = self.goods.kind(), number = part.len(), problem = %undelivered, "not delivered");
                    undelivered.into()
                }
            };
            for index in part {
                verdicts[self.places[index]] = Some(verdict.clone());
            }
        }
        None
    }
}

/// Until when an upstream is left alone that asked for it.
pub(super) fn rest(until: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    until.clamp(now + SHORTEST_REST, now + LONGEST_REST)
}

impl From<Undelivered> for Verdict {
    fn from(undelivered: Undelivered) -> Self {
        match undelivered {
            Undelivered::Unavailable(problem) => Self::Failed(problem),
            Undelivered::Busy(until) => Self::Postponed(until),
            Undelivered::Refused(problem) => Self::Refused(problem),
        }
    }
}

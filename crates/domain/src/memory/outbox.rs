use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{MemoryUnit, Owed};
use crate::delivery::{Backlog, DeliveryClaim, Lane, OutboxSelection, Parcel, Standing, Waiting};
use crate::error::Error;
use crate::model::ids::MessageId;
use crate::outbox::{Message, Topic};
use crate::ports::{OutboxFilter, OutboxRepository};

impl Owed {
    fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        self.claimed_by.is_some() && self.not_before > now
    }

    /// Whether this one, which comes before the other one, has to be delivered first.
    fn precedes(&self, other: &Owed, lane: Lane) -> bool {
        let (earlier, later) = (&self.message, &other.message);
        let same_license = later.license.is_some() && earlier.license == later.license && self.lanes.contain(lane);
        let same_look = later.topic == Topic::UtilizationThresholds
            && earlier.topic == Topic::UtilizationThresholds
            && earlier.plan == later.plan;
        self.parked_at.is_none() && (same_license || same_look)
    }
}

/// The places of the messages that may be claimed, the one due longest first.
fn claimable(outbox: &[Owed], lane: Lane, now: DateTime<Utc>) -> Vec<usize> {
    let due = |owed: &Owed| owed.lanes.current() == Some(lane) && owed.parked_at.is_none() && owed.not_before <= now;
    let mut places: Vec<usize> = (0..outbox.len())
        .filter(|&place| due(&outbox[place]))
        .filter(|&place| !outbox[..place].iter().any(|earlier| earlier.precedes(&outbox[place], lane)))
        .collect();
    places.sort_by_key(|&place| (outbox[place].not_before, place));
    places
}

/// The messages an operator means that nobody delivers now.
fn is_meant(owed: &Owed, selection: &OutboxSelection, now: DateTime<Utc>) -> bool {
    let chosen = match selection {
        OutboxSelection::Messages(ids) => ids.contains(&owed.message.id),
        OutboxSelection::Parked(topic) => {
            owed.parked_at.is_some() && topic.as_ref().is_none_or(|topic| topic == owed.message.topic.as_str())
        }
    };
    chosen && !owed.is_claimed(now)
}

impl OutboxRepository for MemoryUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        let owed = messages.iter().map(|message| Owed {
            message: message.clone(),
            lanes: message.lanes(),
            attempts: 0,
            not_before: message.created,
            claimed_by: None,
            last_error: None,
            parked_at: None,
        });
        let tables = self.written()?;
        tables.outbox.extend(owed);
        tables.tell_webhooks(messages)
    }

    fn count(&mut self) -> Result<i64, Error> {
        Ok(self.tables.outbox.len() as i64)
    }

    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<Lane>, Error> {
        let is_due = |lane: &Lane| !claimable(&self.tables.outbox, *lane, now).is_empty();
        Ok(Lane::ALL.into_iter().filter(is_due).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Backlog>, Error> {
        let outbox = &self.tables.outbox;
        let parked =
            outbox.iter().filter(|owed| owed.parked_at.is_some()).take(usize::try_from(limit).unwrap_or_default());
        let parked: Vec<_> = parked.map(|owed| owed.lanes.current()).collect();
        let backlog = |lane: Lane| {
            let here = |owed: &&Owed| owed.parked_at.is_none() && owed.lanes.current() == Some(lane);
            Backlog {
                lane,
                waiting: (outbox.iter().filter(here).count() as i64).min(limit),
                parked: parked.iter().filter(|parked| **parked == Some(lane)).count() as i64,
                due_since: claimable(outbox, lane, now).first().map(|&place| outbox[place].not_before),
            }
        };
        Ok(Lane::ALL.into_iter().map(backlog).collect())
    }

    fn claim(&mut self, claim: &DeliveryClaim) -> Result<Vec<Parcel>, Error> {
        let outbox = &mut self.written()?.outbox;
        let mut parcels = Vec::new();
        let mut looks = HashSet::new();
        for place in claimable(outbox, claim.lane, claim.now).into_iter().take(claim.limit) {
            let owed = &mut outbox[place];
            owed.claimed_by = Some(claim.id);
            owed.not_before = claim.until;
            if owed.message.topic == Topic::UtilizationThresholds {
                looks.insert(owed.message.plan);
            }
            let Owed { message, lanes, attempts, .. } = owed.clone();
            // Nothing that uses this store records traces.
            parcels.push(Parcel { message, lanes, attempts, trace_parent: None });
        }
        outbox.retain(|owed| {
            owed.message.topic != Topic::UtilizationThresholds
                || owed.claimed_by == Some(claim.id)
                || owed.parked_at.is_some()
                || !looks.contains(&owed.message.plan)
        });
        Ok(parcels)
    }

    fn extend(&mut self, claim: Uuid, messages: &[MessageId], until: DateTime<Utc>) -> Result<(), Error> {
        let held = self.written()?.outbox.iter_mut();
        held.filter(|owed| owed.claimed_by == Some(claim) && messages.contains(&owed.message.id))
            .for_each(|owed| owed.not_before = until);
        Ok(())
    }

    fn held(&mut self, claim: Uuid, messages: &[MessageId]) -> Result<Vec<MessageId>, Error> {
        let held = self.written()?.outbox.iter().filter(|owed| owed.claimed_by == Some(claim));
        Ok(held.map(|owed| owed.message.id).filter(|id| messages.contains(id)).collect())
    }

    fn settle(&mut self, claim: Uuid, done: &[MessageId], standing: &[Standing]) -> Result<(), Error> {
        let outbox = &mut self.written()?.outbox;
        outbox.retain(|owed| owed.claimed_by != Some(claim) || !done.contains(&owed.message.id));
        for owed in outbox.iter_mut().filter(|owed| owed.claimed_by == Some(claim)) {
            let Some(stand) = standing.iter().find(|stand| stand.id == owed.message.id) else { continue };
            owed.lanes = stand.lanes.clone();
            owed.attempts = stand.attempts;
            owed.not_before = stand.not_before;
            owed.last_error = stand.last_error.clone();
            owed.parked_at = stand.parked_at;
            owed.claimed_by = None;
        }
        Ok(())
    }

    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<Waiting>, Error> {
        let matches = |owed: &&Owed| {
            (!filter.parked_only || owed.parked_at.is_some())
                && filter.topic.as_ref().is_none_or(|topic| topic == owed.message.topic.as_str())
        };
        let found = self.tables.outbox.iter().filter(matches).take(usize::try_from(limit).unwrap_or(0));
        let waiting = found.map(|owed| Waiting {
            id: owed.message.id,
            topic: owed.message.topic.as_str().to_owned(),
            lane: owed.lanes.current().map_or("", Lane::as_str).to_owned(),
            license: owed.message.license,
            plan: owed.message.plan,
            customer: owed.message.customer,
            created: owed.message.created,
            attempts: owed.attempts,
            not_before: owed.not_before,
            last_error: owed.last_error.clone(),
            parked_at: owed.parked_at,
        });
        Ok(waiting.collect())
    }

    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let mut number = 0;
        for owed in self.written()?.outbox.iter_mut().filter(|owed| is_meant(owed, selection, now)) {
            owed.attempts = 0;
            owed.not_before = now;
            owed.claimed_by = None;
            owed.parked_at = None;
            number += 1;
        }
        Ok(number)
    }

    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let outbox = &mut self.written()?.outbox;
        let before = outbox.len();
        outbox.retain(|owed| !is_meant(owed, selection, now));
        Ok(before - outbox.len())
    }
}

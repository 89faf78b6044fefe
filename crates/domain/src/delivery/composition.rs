//! What each claimed message becomes: what goes to which upstream, together with what else goes there.

use std::collections::BTreeMap;

use super::deliveries::{Batch, Deliveries, Effect, Outcome, Verdict};
use super::payloads::{self, Invitation, LicenseEvent, RevokedEnrollments, UNREADABLE, Welcome};
use super::shipments::{Goods, Shipment, rest};
use crate::delivery::{Parcel, Step};
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LmsUserId};
use crate::outbox::Message;
use crate::ports::{Mail, MailKind, PendingLearner, TrackedEvent};

/// What of a batch goes out, by what can go together; each with the place of its parcel.
#[derive(Default)]
pub(super) struct Composition {
    learners: BTreeMap<CustomerId, Vec<(usize, PendingLearner)>>,
    ended_enrollments: Vec<(usize, CustomerId, LmsUserId)>,
    identities: Vec<(usize, (Email, LmsUserId))>,
    mails: BTreeMap<MailKind, Vec<(usize, Mail)>>,
    events: Vec<(usize, TrackedEvent)>,
}

fn shipment<T>(goods: Vec<(usize, T)>, pack: impl FnOnce(Vec<T>) -> Goods) -> Option<Shipment> {
    if goods.is_empty() {
        return None;
    }
    let (places, goods) = goods.into_iter().unzip();
    Some(Shipment { goods: pack(goods), places })
}

impl Composition {
    pub(super) fn add_mail(&mut self, place: usize, mail: Mail) {
        self.mails.entry(mail.kind).or_default().push((place, mail));
    }

    /// Adds what a message becomes that needs nothing but itself; a verdict where that is nothing.
    fn add(&mut self, place: usize, parcel: &Parcel) -> Result<(), Verdict> {
        let message = &parcel.message;
        match parcel.step() {
            Step::Link => {
                let Invitation { email, .. } = read(message)?;
                let learner = PendingLearner { customer: message.customer, email };
                self.learners.entry(message.customer).or_default().push((place, learner));
            }
            Step::EndEnrollments => {
                let RevokedEnrollments { lms_user_id } = read(message)?;
                self.ended_enrollments.push((place, message.customer, lms_user_id));
            }
            Step::Identify => {
                let Welcome { email, lms_user_id } = read(message)?;
                // An address without an account has nothing to be joined with.
                let account = lms_user_id.ok_or(Verdict::Done(Effect::Nothing))?;
                self.identities.push((place, (email, account)));
            }
            Step::Track | Step::TrackAddress => {
                let event: LicenseEvent = read(message)?;
                let tracked = TrackedEvent {
                    id: message.id,
                    lms_user_id: event.lms_user_id(),
                    email: event.email(),
                    name: event.event,
                    properties: event.properties,
                    at: message.created,
                };
                self.events.push((place, tracked));
            }
            // Another version may know; it has as long as the tries take.
            Step::Unknown => {
                return Err(Verdict::Failed("this version does not know what its topic asks for".to_owned()));
            }
            Step::Mail | Step::Thresholds | Step::Enroll | Step::File => {}
        }
        Ok(())
    }

    fn into_shipments(self) -> Vec<Shipment> {
        let learners = self.learners.into_values().filter_map(|learners| shipment(learners, Goods::Learners));
        let ended = self.ended_enrollments.into_iter().map(|(place, customer, learner)| Shipment {
            goods: Goods::EndedEnrollments(customer, learner),
            places: vec![place],
        });
        let identities = shipment(self.identities, Goods::Identities);
        let mails =
            self.mails.into_iter().filter_map(|(kind, mails)| shipment(mails, |mails| Goods::Mails(kind, mails)));
        let events = shipment(self.events, Goods::Events);
        learners.chain(ended).chain(identities).chain(mails).chain(events).collect()
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(message: &Message) -> Result<T, Verdict> {
    payloads::read(message).ok_or_else(|| Verdict::Refused(UNREADABLE.to_owned()))
}

impl Deliveries {
    /// Delivers a batch to the upstreams, and touches no storage. Something comes of every message.
    pub async fn deliver(&self, batch: &Batch) -> Outcome {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.parcels.len()];
        let mut composition = Composition::default();
        for (place, parcel) in batch.parcels.iter().enumerate() {
            let added = match parcel.step() {
                Step::Mail => match self.compose_mail(&batch.facts, &parcel.message).await {
                    Ok(mail) => {
                        composition.add_mail(place, mail);
                        Ok(())
                    }
                    Err(verdict) => Err(verdict),
                },
                Step::Thresholds => Err(self.tell_thresholds(&batch.facts, &parcel.message).await),
                Step::File => Err(self.put_file(&batch.facts, &parcel.message).await),
                Step::Enroll => Err(self.enroll(&batch.facts, &parcel.message).await),
                _ => composition.add(place, parcel),
            };
            verdicts[place] = added.err();
        }
        let now = self.manager.now();
        let postponed = verdicts.iter_mut().flatten().filter_map(|verdict| match verdict {
            Verdict::Postponed(until) => {
                *until = rest(*until, now);
                Some(*until)
            }
            _ => None,
        });
        let mut rest_until = postponed.max();
        for shipment in composition.into_shipments() {
            match rest_until {
                // The others of this lane go to the same upstream.
                Some(until) => {
                    shipment.places.iter().for_each(|&place| verdicts[place] = Some(Verdict::Postponed(until)));
                }
                None => rest_until = shipment.send(&self.manager, &mut verdicts).await,
            }
        }
        let undecided = || Verdict::Failed("nothing came of it".to_owned());
        let verdicts = verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(undecided)).collect();
        Outcome { verdicts, rest_until }
    }
}

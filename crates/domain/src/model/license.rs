//! Licenses and their states.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};

/// A license of a subscription plan. [`crate::rules`], "License states", has the table of its states and actions.
///
/// Each action is a method that consumes the license and returns the new one, or an error. The fields are public for
/// storage: nothing checks a license built by hand, and an action here is neither stored nor announced. Use
/// [`crate::LicenseManager`] for that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct License {
    /// Its id. It stays the same when the license moves to another plan.
    pub id: LicenseId,
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Its status, with the data of that status.
    pub state: LicenseState,
    /// The license in the next plan that replaces this one, once the plan is renewed.
    pub renewed_to: Option<LicenseId>,
    /// The license in the prior plan that this one continues, if a renewal made it. The link stays when that license
    /// gets another holder or is deleted. It is cleared when this license loses its holder.
    pub renewed_from: Option<LicenseId>,
    /// Whether it was auto-applied; `None` if it was never assigned.
    pub auto_applied: Option<bool>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// The status of a license and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LicenseState {
    /// Can be assigned.
    Unassigned,
    /// Assigned to a learner, but not activated yet.
    Assigned(Seat),
    /// Activated.
    Activated {
        /// The holder.
        seat: Seat,
        /// When it was activated.
        activation_date: DateTime<Utc>,
    },
    /// Revoked for good; a learner who returns gets another license.
    Revoked {
        /// The former holder; without an address after the person was retired or the retention period ended.
        former: FormerSeat,
        /// When it was revoked.
        revoked_date: DateTime<Utc>,
    },
}

/// The holder of a live license.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Seat {
    /// The learner's email address.
    pub email: Email,
    /// The learner's LMS user id, known from activation on.
    pub lms_user_id: Option<LmsUserId>,
    /// The secret in the activation link.
    pub activation_key: ActivationKey,
    /// When it was assigned.
    pub assigned_date: DateTime<Utc>,
    /// When the learner was last reminded. Empty for a renewed license.
    pub last_remind_date: Option<DateTime<Utc>>,
}

/// The former holder of a revoked license.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FormerSeat {
    /// The learner's email address; removed when the person is retired, and by [`License::purge`].
    pub email: Option<Email>,
    /// The learner's LMS user id; removed when the person is retired.
    pub lms_user_id: Option<LmsUserId>,
    /// The secret in the activation link, which no longer works.
    pub activation_key: Option<ActivationKey>,
    /// When it was assigned.
    pub assigned_date: Option<DateTime<Utc>>,
    /// When the learner was last reminded.
    pub last_remind_date: Option<DateTime<Utc>>,
    /// When it was activated, if it ever was.
    pub activation_date: Option<DateTime<Utc>>,
}

impl From<Seat> for FormerSeat {
    fn from(seat: Seat) -> Self {
        Self {
            email: Some(seat.email),
            lms_user_id: seat.lms_user_id,
            activation_key: Some(seat.activation_key),
            assigned_date: Some(seat.assigned_date),
            last_remind_date: seat.last_remind_date,
            activation_date: None,
        }
    }
}

/// A license's status without data, as in filters and on the wire. Lists sort by it in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LicenseStatus {
    /// In use.
    Activated,
    /// Assigned, not activated yet.
    Assigned,
    /// Revoked.
    Revoked,
    /// Can be assigned.
    #[default]
    Unassigned,
}

names!(LicenseStatus {
    Activated => "activated",
    Assigned => "assigned",
    Revoked => "revoked",
    Unassigned => "unassigned",
});

impl LicenseStatus {
    /// The statuses of live licenses.
    pub const LIVE: [Self; 2] = [Self::Activated, Self::Assigned];
}

impl std::fmt::Display for LicenseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A transition that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A license that is {from} cannot be {step}.")]
pub struct ImpossibleTransition {
    /// The license's status.
    pub from: LicenseStatus,
    /// The transition as a past participle.
    pub step: &'static str,
}

impl License {
    /// A new license without a holder.
    pub fn unassigned(id: LicenseId, plan: PlanId, now: DateTime<Utc>) -> Self {
        let state = LicenseState::Unassigned;
        Self { id, plan, state, renewed_to: None, renewed_from: None, auto_applied: None, created: now, modified: now }
    }

    /// Assigns an unassigned license to a learner. Counts as reminding them now.
    ///
    /// # Errors
    /// If it is not unassigned.
    pub fn assign(self, email: Email, key: ActivationKey, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        match self.state {
            LicenseState::Unassigned => {
                let seat = Seat {
                    email,
                    lms_user_id: None,
                    activation_key: key,
                    assigned_date: now,
                    last_remind_date: Some(now),
                };
                Ok(Self { state: LicenseState::Assigned(seat), modified: now, ..self })
            }
            _ => Err(self.impossible("assigned")),
        }
    }

    /// Activates an assigned license. One that is already activated stays unchanged.
    ///
    /// # Errors
    /// If it is unassigned or revoked.
    pub fn activate(self, user: Option<LmsUserId>, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        match self.state {
            LicenseState::Assigned(seat) => {
                let seat = Seat { lms_user_id: user.or(seat.lms_user_id), ..seat };
                Ok(Self { state: LicenseState::Activated { seat, activation_date: now }, modified: now, ..self })
            }
            LicenseState::Activated { .. } => Ok(self),
            _ => Err(self.impossible("activated")),
        }
    }

    /// Assigns an unassigned license to a learner and activates it at once.
    ///
    /// # Errors
    /// If it is not unassigned.
    pub fn auto_apply(
        self,
        email: Email,
        user: Option<LmsUserId>,
        key: ActivationKey,
        now: DateTime<Utc>,
    ) -> Result<Self, ImpossibleTransition> {
        match self.state {
            LicenseState::Unassigned => {
                let license = self.assign(email, key, now)?.activate(user, now)?;
                Ok(Self { auto_applied: Some(true), ..license })
            }
            _ => Err(self.impossible("applied by itself")),
        }
    }

    /// Revokes an assigned or activated license.
    ///
    /// # Errors
    /// If it is unassigned or revoked.
    pub fn revoke(self, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        let (seat, activation_date) = match self.state {
            LicenseState::Assigned(seat) => (seat, None),
            LicenseState::Activated { seat, activation_date } => (seat, Some(activation_date)),
            _ => return Err(self.impossible("revoked")),
        };
        let former = FormerSeat { activation_date, ..seat.into() };
        Ok(Self { state: LicenseState::Revoked { former, revoked_date: now }, modified: now, ..self })
    }

    /// Makes an assigned or activated license unassigned, without data of the holder.
    ///
    /// # Errors
    /// If it is unassigned or revoked.
    pub fn reset(self, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        match self.state {
            LicenseState::Assigned(_) | LicenseState::Activated { .. } => Ok(self.freed(now)),
            _ => Err(self.impossible("reset")),
        }
    }

    /// The license without its holder and without its links to the licenses of other plans, which belong to the old
    /// holder.
    fn freed(self, now: DateTime<Utc>) -> Self {
        let state = LicenseState::Unassigned;
        Self { state, auto_applied: None, renewed_to: None, renewed_from: None, modified: now, ..self }
    }

    /// Removes a retired person: a revoked license loses address and LMS user id, and keeps its dates and its
    /// activation key; any other license becomes unassigned.
    pub fn retire(self, now: DateTime<Utc>) -> Self {
        let mut license = self.clone().reset(now).unwrap_or(self);
        if let LicenseState::Revoked { former, .. } = &mut license.state {
            (former.email, former.lms_user_id) = (None, None);
            license.modified = now;
        }
        license
    }

    /// Removes the address from a license after the retention period. The license is revoked, if it is live, and keeps
    /// its dates, its activation key and the LMS user id, which identifies nobody outside the LMS. An unassigned
    /// license does not change.
    pub fn purge(self, now: DateTime<Utc>) -> Self {
        let mut license = self.clone().revoke(now).unwrap_or(self);
        if let LicenseState::Revoked { former, .. } = &mut license.state {
            former.email = None;
            license.modified = now;
        }
        license
    }

    /// Renews a live license into an unassigned one of the next plan, which starts at `start`. The holder and the
    /// activation key are copied; the dates start anew. Returns this license and the other, which name each other.
    ///
    /// # Errors
    /// If this license is not live, or the other is not unassigned.
    pub fn renew(
        self,
        onto: License,
        start: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(License, License), ImpossibleTransition> {
        if onto.status() != LicenseStatus::Unassigned {
            return Err(onto.impossible("carried over onto"));
        }
        let state = self.renewed_state(start, now, None).ok_or_else(|| self.impossible("carried over"))?;
        let (renewed_to, renewed_from) = (Some(onto.id), Some(self.id));
        Ok((Self { renewed_to, modified: now, ..self }, Self { state, renewed_from, modified: now, ..onto }))
    }

    /// This live copy with the holder, key and status of its live original. Its own dates stay. A copy that was
    /// activated itself, whose activation date is then not the start of its plan, stays activated.
    pub fn following(self, original: &License, start: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let dates = self.seat().map(|seat| (seat.assigned_date, seat.last_remind_date));
        let Some(state) = dates.and_then(|(assigned, reminded)| original.renewed_state(start, assigned, reminded))
        else {
            return self;
        };
        let state = match (&self.state, state) {
            (&LicenseState::Activated { ref seat, activation_date }, LicenseState::Assigned(renewed))
                if activation_date != start =>
            {
                let lms_user_id = renewed.lms_user_id.or(seat.lms_user_id);
                LicenseState::Activated { seat: Seat { lms_user_id, ..renewed }, activation_date }
            }
            (_, renewed) => renewed,
        };
        if state == self.state { self } else { Self { state, modified: now, ..self } }
    }

    /// The state of this live license in a plan that starts at `start`.
    fn renewed_state(
        &self,
        start: DateTime<Utc>,
        assigned_date: DateTime<Utc>,
        last_remind_date: Option<DateTime<Utc>>,
    ) -> Option<LicenseState> {
        let seat = Seat { assigned_date, last_remind_date, ..self.seat()?.clone() };
        Some(match self.status() {
            LicenseStatus::Activated => LicenseState::Activated { seat, activation_date: start },
            _ => LicenseState::Assigned(seat),
        })
    }

    /// Changes the email address of the current or former holder.
    pub fn with_email(mut self, email: Email, now: DateTime<Utc>) -> Self {
        match &mut self.state {
            LicenseState::Unassigned => return self,
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => seat.email = email,
            LicenseState::Revoked { former, .. } => former.email = Some(email),
        }
        Self { modified: now, ..self }
    }

    /// Changes or removes the LMS user id of the current or former holder.
    pub fn with_lms_user_id(mut self, user: Option<LmsUserId>, now: DateTime<Utc>) -> Self {
        match &mut self.state {
            LicenseState::Unassigned => return self,
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => seat.lms_user_id = user,
            LicenseState::Revoked { former, .. } => former.lms_user_id = user,
        }
        Self { modified: now, ..self }
    }

    /// The license after a reminder; `None` if it is not assigned to this learner any more.
    pub fn reminded(mut self, learner: &Email, now: DateTime<Utc>) -> Option<Self> {
        match &mut self.state {
            LicenseState::Assigned(seat) if seat.email == *learner => seat.last_remind_date = Some(now),
            _ => return None,
        }
        self.modified = now;
        Some(self)
    }

    /// The status without its data.
    pub fn status(&self) -> LicenseStatus {
        match self.state {
            LicenseState::Unassigned => LicenseStatus::Unassigned,
            LicenseState::Assigned(_) => LicenseStatus::Assigned,
            LicenseState::Activated { .. } => LicenseStatus::Activated,
            LicenseState::Revoked { .. } => LicenseStatus::Revoked,
        }
    }

    /// Whether it is assigned or activated. A person has at most one live license per plan.
    pub fn is_live(&self) -> bool {
        LicenseStatus::LIVE.contains(&self.status())
    }

    /// The email address of its holder, or of the former one if it is revoked.
    pub fn holder_email(&self) -> Option<&Email> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.email.as_ref(),
            _ => self.seat().map(|seat| &seat.email),
        }
    }

    /// Whether its holder, or the former one if it is revoked, has this address in one of its
    /// [stored forms](Email::stored_forms).
    pub fn has_address(&self, email: &Email) -> bool {
        self.holder_email().is_some_and(|held| email.is_same(held))
    }

    /// The LMS user id of its holder, or of the former one if it is revoked.
    pub fn lms_user_id(&self) -> Option<LmsUserId> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.lms_user_id,
            _ => self.seat()?.lms_user_id,
        }
    }

    /// The secret in its activation link, which no longer works if it is revoked.
    pub fn activation_key(&self) -> Option<ActivationKey> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.activation_key,
            _ => self.seat().map(|seat| seat.activation_key),
        }
    }

    /// When it was last assigned.
    pub fn assigned_date(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.assigned_date,
            _ => self.seat().map(|seat| seat.assigned_date),
        }
    }

    /// When it was activated.
    pub fn activation_date(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            LicenseState::Activated { activation_date, .. } => Some(*activation_date),
            LicenseState::Revoked { former, .. } => former.activation_date,
            LicenseState::Unassigned | LicenseState::Assigned(_) => None,
        }
    }

    /// When its learner was last reminded.
    pub fn last_remind_date(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.last_remind_date,
            _ => self.seat()?.last_remind_date,
        }
    }

    /// The holder of a live license.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        match &self.state {
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => Some(seat),
            LicenseState::Unassigned | LicenseState::Revoked { .. } => None,
        }
    }

    fn impossible(&self, step: &'static str) -> ImpossibleTransition {
        ImpossibleTransition { from: self.status(), step }
    }
}

//! A license and its life.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::history::Row;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};

/// One seat of a subscription plan, and its life:
///
/// ```text
/// unassigned ──assign──▶ assigned ──activate──▶ activated
///     ▲                     │ │                   │ │
///     └───────reset─────────┘ └───revoke──▶ revoked ◀┘ │
///     └───────reset────────────────────────────────────┘
/// ```
///
/// Each step is a method that consumes the license it starts from and answers with the one it leads to, or says why it cannot; the
/// rules are those of [`crate::rules`], "The license's life". The fields are open to whoever stores licenses: a license that is put
/// together by hand is checked by nobody, and a step that is taken here is neither stored nor owed to anybody. Go through
/// [`crate::LicenseManager`] for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Its id, kept for life, also when it moves to another plan.
    pub id: LicenseId,
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Where it stands in its life, with what belongs to that stand.
    pub state: LicenseState,
    /// The license of the next plan that carries this one on, once the plan was renewed.
    pub renewed_to: Option<LicenseId>,
    /// Whether the learner got it by logging in; nobody knows for licenses never handed out.
    pub auto_applied: Option<bool>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// The stand of a license, each with the data it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenseState {
    /// Free to be handed out.
    Unassigned,
    /// Handed to a learner, who has yet to activate it.
    Assigned(Seat),
    /// In use.
    Activated {
        /// Whose it is.
        seat: Seat,
        /// Since when.
        activation_date: DateTime<Utc>,
    },
    /// Taken back for good; a learner who returns gets another license.
    Revoked {
        /// Whose it was. Empty once the person was retired.
        former: FormerSeat,
        /// Since when.
        revoked_date: DateTime<Utc>,
    },
}

/// What a license in a learner's hands knows of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The learner's address.
    pub email: Email,
    /// The learner in the LMS, known from activation on.
    pub lms_user_id: Option<LmsUserId>,
    /// The secret of the activation link.
    pub activation_key: ActivationKey,
    /// When it was handed out.
    pub assigned_date: DateTime<Utc>,
    /// When the learner was last asked to activate it; a renewed license starts without.
    pub last_remind_date: Option<DateTime<Utc>>,
}

/// What a revoked license still knows of its last holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormerSeat {
    /// The learner's address, until the person is retired.
    pub email: Option<Email>,
    /// The learner in the LMS, until the person is retired.
    pub lms_user_id: Option<LmsUserId>,
    /// The secret of the activation link, which activates nothing any more.
    pub activation_key: Option<ActivationKey>,
    /// When it was handed out.
    pub assigned_date: Option<DateTime<Utc>>,
    /// When the learner was last asked to activate it.
    pub last_remind_date: Option<DateTime<Utc>>,
    /// When it was activated, if it ever was.
    pub activation_date: Option<DateTime<Utc>>,
}

/// A license's stand without its data, as it is filtered by and written on the wire. Lists sort by it in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LicenseStatus {
    /// In use.
    Activated,
    /// Handed out.
    Assigned,
    /// Taken back.
    Revoked,
    /// Free.
    Unassigned,
}

names!(LicenseStatus {
    Activated => "activated",
    Assigned => "assigned",
    Revoked => "revoked",
    Unassigned => "unassigned",
});

impl LicenseStatus {
    /// The statuses of a license in somebody's hands.
    pub const LIVE: [Self; 2] = [Self::Activated, Self::Assigned];
}

impl std::fmt::Display for LicenseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step that a license's life does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A license that is {from} cannot be {step}.")]
pub struct ImpossibleTransition {
    /// Where the license stands.
    pub from: LicenseStatus,
    /// What was asked for, as a past participle.
    pub step: &'static str,
}

impl License {
    /// A fresh license that belongs to nobody.
    pub fn unassigned(id: LicenseId, plan: PlanId, now: DateTime<Utc>) -> Self {
        let state = LicenseState::Unassigned;
        Self { id, plan, state, renewed_to: None, auto_applied: None, created: now, modified: now }
    }

    /// Hands an unassigned license to a learner, who counts as reminded from now.
    ///
    /// # Errors
    /// Where it is not unassigned.
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

    /// Starts an assigned license's use. One that is activated already stays exactly as it is.
    ///
    /// # Errors
    /// Where it is unassigned or revoked.
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

    /// Hands an unassigned license to a learner who is here and takes it into use at once.
    ///
    /// # Errors
    /// Where it is not unassigned.
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

    /// Takes an assigned or activated license back for good.
    ///
    /// # Errors
    /// Where it is unassigned or revoked.
    pub fn revoke(self, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        let (seat, activation_date) = match self.state {
            LicenseState::Assigned(seat) => (seat, None),
            LicenseState::Activated { seat, activation_date } => (seat, Some(activation_date)),
            _ => return Err(self.impossible("revoked")),
        };
        let former = FormerSeat {
            email: Some(seat.email),
            lms_user_id: seat.lms_user_id,
            activation_key: Some(seat.activation_key),
            assigned_date: Some(seat.assigned_date),
            last_remind_date: seat.last_remind_date,
            activation_date,
        };
        Ok(Self { state: LicenseState::Revoked { former, revoked_date: now }, modified: now, ..self })
    }

    /// Frees an assigned or activated license for another learner; nothing of the holder remains.
    ///
    /// # Errors
    /// Where it is unassigned or revoked.
    pub fn reset(self, now: DateTime<Utc>) -> Result<Self, ImpossibleTransition> {
        match self.state {
            LicenseState::Assigned(_) | LicenseState::Activated { .. } => Ok(self.freed(now)),
            _ => Err(self.impossible("reset")),
        }
    }

    /// The license without its holder. That it was carried on was about the holder too: whoever gets it next has nothing yet in
    /// the next plan.
    fn freed(self, now: DateTime<Utc>) -> Self {
        Self { state: LicenseState::Unassigned, auto_applied: None, renewed_to: None, modified: now, ..self }
    }

    /// Forgets the person: a revoked license stays revoked and knows nobody any more, every other one is free again.
    pub fn retire(self, now: DateTime<Utc>) -> Self {
        match self.state {
            LicenseState::Unassigned => self,
            LicenseState::Assigned(_) | LicenseState::Activated { .. } => self.freed(now),
            LicenseState::Revoked { revoked_date, .. } => {
                let state = LicenseState::Revoked { former: FormerSeat::default(), revoked_date };
                Self { state, modified: now, ..self }
            }
        }
    }

    /// Ends a license whose plan is long past, and forgets the person: it is revoked and knows nobody any more. A free one stays
    /// free.
    pub fn purge(self, now: DateTime<Utc>) -> Self {
        match self.state {
            LicenseState::Assigned(_) | LicenseState::Activated { .. } => {
                let state = LicenseState::Revoked { former: FormerSeat::default(), revoked_date: now };
                Self { state, modified: now, ..self }
            }
            LicenseState::Unassigned | LicenseState::Revoked { .. } => self.retire(now),
        }
    }

    /// Carries a license in somebody's hands over onto an unassigned one of the next plan, which starts at `start`: who holds it
    /// and the activation key go along, the dates start anew. Returns this license, which stays as it is but for knowing the
    /// other one, and the other one.
    ///
    /// # Errors
    /// Where this license is in nobody's hands, or the other one is not unassigned.
    pub fn renew(
        self,
        onto: License,
        start: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(License, License), ImpossibleTransition> {
        if onto.status() != LicenseStatus::Unassigned {
            return Err(onto.impossible("carried over onto"));
        }
        let anew = |seat: &Seat| Seat { assigned_date: now, last_remind_date: None, ..seat.clone() };
        let state = match &self.state {
            LicenseState::Assigned(seat) => LicenseState::Assigned(anew(seat)),
            LicenseState::Activated { seat, .. } => {
                LicenseState::Activated { seat: anew(seat), activation_date: start }
            }
            _ => return Err(self.impossible("carried over")),
        };
        let renewed_to = Some(onto.id);
        Ok((Self { renewed_to, modified: now, ..self }, Self { state, modified: now, ..onto }))
    }

    /// Gives a license in somebody's hands, or last in their hands, the holder's new address.
    pub fn with_email(mut self, email: Email, now: DateTime<Utc>) -> Self {
        match &mut self.state {
            LicenseState::Unassigned => return self,
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => seat.email = email,
            LicenseState::Revoked { former, .. } => former.email = Some(email),
        }
        Self { modified: now, ..self }
    }

    /// Gives a license in somebody's hands, or last in their hands, the holder's id in the LMS, or none.
    pub fn with_lms_user_id(mut self, user: Option<LmsUserId>, now: DateTime<Utc>) -> Self {
        match &mut self.state {
            LicenseState::Unassigned => return self,
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => seat.lms_user_id = user,
            LicenseState::Revoked { former, .. } => former.lms_user_id = user,
        }
        Self { modified: now, ..self }
    }

    /// The license after its learner was asked once more to activate it; `None` where it does not wait for this learner any more.
    pub fn reminded(mut self, learner: &Email, now: DateTime<Utc>) -> Option<Self> {
        match &mut self.state {
            LicenseState::Assigned(seat) if seat.email == *learner => seat.last_remind_date = Some(now),
            _ => return None,
        }
        self.modified = now;
        Some(self)
    }

    /// The stand without its data.
    pub fn status(&self) -> LicenseStatus {
        match self.state {
            LicenseState::Unassigned => LicenseStatus::Unassigned,
            LicenseState::Assigned(_) => LicenseStatus::Assigned,
            LicenseState::Activated { .. } => LicenseStatus::Activated,
            LicenseState::Revoked { .. } => LicenseStatus::Revoked,
        }
    }

    /// Whether it is in somebody's hands. A person holds at most one live license of a plan.
    pub fn is_live(&self) -> bool {
        LicenseStatus::LIVE.contains(&self.status())
    }

    /// The address of its holder, or of its last one where it is revoked.
    pub fn holder_email(&self) -> Option<&Email> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.email.as_ref(),
            _ => self.seat().map(|seat| &seat.email),
        }
    }

    /// The id of its holder in the LMS, or of its last one where it is revoked.
    pub fn lms_user_id(&self) -> Option<LmsUserId> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.lms_user_id,
            _ => self.seat()?.lms_user_id,
        }
    }

    /// The secret of its activation link, which activates nothing any more where it is revoked.
    pub fn activation_key(&self) -> Option<ActivationKey> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.activation_key,
            _ => self.seat().map(|seat| seat.activation_key),
        }
    }

    /// When it was handed out last.
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

    /// When its learner was last asked to activate it.
    pub fn last_remind_date(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            LicenseState::Revoked { former, .. } => former.last_remind_date,
            _ => self.seat()?.last_remind_date,
        }
    }

    fn seat(&self) -> Option<&Seat> {
        match &self.state {
            LicenseState::Assigned(seat) | LicenseState::Activated { seat, .. } => Some(seat),
            LicenseState::Unassigned | LicenseState::Revoked { .. } => None,
        }
    }

    /// Its data in one row, as storage and the wire have it.
    pub fn columns(&self) -> LicenseColumns {
        let mut columns = LicenseColumns { status: self.status(), ..LicenseColumns::default() };
        match self.state.clone() {
            LicenseState::Unassigned => {}
            LicenseState::Assigned(seat) => columns.take(seat),
            LicenseState::Activated { seat, activation_date } => {
                columns.take(seat);
                columns.activation_date = Some(activation_date);
            }
            LicenseState::Revoked { former, revoked_date } => {
                columns.user_email = former.email;
                columns.lms_user_id = former.lms_user_id;
                columns.activation_key = former.activation_key;
                columns.assigned_date = former.assigned_date;
                columns.last_remind_date = former.last_remind_date;
                columns.activation_date = former.activation_date;
                columns.revoked_date = Some(revoked_date);
            }
        }
        columns
    }

    fn impossible(&self, step: &'static str) -> ImpossibleTransition {
        ImpossibleTransition { from: self.status(), step }
    }
}

/// A license's state spread over columns, where what a state does not carry is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in LicenseState
pub struct LicenseColumns {
    pub status: LicenseStatus,
    pub user_email: Option<Email>,
    pub lms_user_id: Option<LmsUserId>,
    pub activation_key: Option<ActivationKey>,
    pub assigned_date: Option<DateTime<Utc>>,
    pub last_remind_date: Option<DateTime<Utc>>,
    pub activation_date: Option<DateTime<Utc>>,
    pub revoked_date: Option<DateTime<Utc>>,
}

impl Default for LicenseColumns {
    fn default() -> Self {
        Self {
            status: LicenseStatus::Unassigned,
            user_email: None,
            lms_user_id: None,
            activation_key: None,
            assigned_date: None,
            last_remind_date: None,
            activation_date: None,
            revoked_date: None,
        }
    }
}

impl LicenseColumns {
    fn take(&mut self, seat: Seat) {
        self.user_email = Some(seat.email);
        self.lms_user_id = seat.lms_user_id;
        self.activation_key = Some(seat.activation_key);
        self.assigned_date = Some(seat.assigned_date);
        self.last_remind_date = seat.last_remind_date;
    }

    /// The state these columns spell, or `None` where the status lacks what it must carry. The tables' check constraints
    /// keep such rows out.
    pub fn into_state(self) -> Option<LicenseState> {
        let seat = || {
            Some(Seat {
                email: self.user_email.clone()?,
                lms_user_id: self.lms_user_id,
                activation_key: self.activation_key?,
                assigned_date: self.assigned_date?,
                last_remind_date: self.last_remind_date,
            })
        };
        match self.status {
            LicenseStatus::Unassigned => Some(LicenseState::Unassigned),
            LicenseStatus::Assigned => Some(LicenseState::Assigned(seat()?)),
            LicenseStatus::Activated => {
                Some(LicenseState::Activated { seat: seat()?, activation_date: self.activation_date? })
            }
            LicenseStatus::Revoked => Some(LicenseState::Revoked {
                former: FormerSeat {
                    email: self.user_email,
                    lms_user_id: self.lms_user_id,
                    activation_key: self.activation_key,
                    assigned_date: self.assigned_date,
                    last_remind_date: self.last_remind_date,
                    activation_date: self.activation_date,
                },
                revoked_date: self.revoked_date?,
            }),
        }
    }
}

/// What history keeps of a license.
impl From<&License> for Row {
    fn from(license: &License) -> Self {
        let columns = license.columns();
        Self::from([
            ("uuid", license.id.0.into()),
            ("subscription_plan_uuid", license.plan.0.into()),
            ("status", columns.status.as_str().into()),
            ("user_email", columns.user_email.as_ref().map(|email| email.as_str()).into()),
            ("lms_user_id", columns.lms_user_id.map(|id| id.0).into()),
            ("activation_key", columns.activation_key.map(|key| key.0).into()),
            ("assigned_date", columns.assigned_date.into()),
            ("activation_date", columns.activation_date.into()),
            ("last_remind_date", columns.last_remind_date.into()),
            ("revoked_date", columns.revoked_date.into()),
            ("renewed_to_uuid", license.renewed_to.map(|id| id.0).into()),
            ("auto_applied", license.auto_applied.into()),
            ("created", license.created.into()),
            ("modified", license.modified.into()),
        ])
    }
}

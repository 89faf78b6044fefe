//! Permissions as extractors: the permission an endpoint needs is in its handler's signature.
//!
//! | extractor | who is admitted |
//! |---|---|
//! | [`Caller`] | everybody with a valid token |
//! | [`Listing<P>`] | whoever may do `P` for any customer; lists show these customers |
//! | [`OfPlan<P>`] | whoever may do `P` for the customer of the plan in the path |
//! | [`OfAgreement<P>`] | whoever may do `P` for the customer of the agreement in the path |
//! | [`Provisioner`] | whoever may provision |
//! | [`ProvisionerOrStaff`] | whoever may do the manual work: provisioning admins and support staff |
//! | [`Staff`] | whoever may look people up: support staff |
//! | [`RetirementWorker`] | whoever may retire people |
//! | [`HistoryReader`] | [`ProvisionerOrStaff`]; for a plan or license also whoever may read it |
//! | [`CheckedRead<A>`](super::caller::CheckedRead) | as `A`; checked in the turn in which the handler reads |
//!
//! [`license_manager_domain::permissions`] says which role permits which action; superusers may do everything. The rules
//! are in crates/domain/RULES.md, "Permissions".

use std::marker::PhantomData;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use license_manager_domain::history::EntityRef;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{AgreementId, CustomerId, Entity, Error, LicenseId, PlanId};
use uuid::Uuid;

use crate::auth::caller::{Caller, Check, Checked, Extraction, extract};
use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::http::response::{ApiResult, checking};
use crate::state::{AppState, State};

/// A permission that depends on the customer.
pub trait Permission: Send + 'static {
    /// What it permits.
    const ACTION: Action;
}

/// Defines permissions.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $action:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Permission for $name {
            const ACTION: Action = Action::$action;
        }
    )+};
}

permissions! {
    /// For subscriptions admins.
    Admin: Administer,
    /// For subscriptions admins and support staff.
    Reader: Read,
    /// For learners, subscriptions admins and support staff.
    OfferReader: ReadOffers,
    /// For learners and subscriptions admins.
    AdminOrLearner: Learn,
}

/// A caller who may do `P` for some customer.
#[derive(Debug)]
pub struct Listing<P> {
    /// The caller.
    pub caller: Caller,
    /// The customers they may see.
    pub scope: CustomerScope,
    permission: PhantomData<P>,
}

impl<P: Permission> Checked for Listing<P> {
    fn of_request(_: &HttpRequest) -> Check<Self> {
        Box::new(|_, caller| Self::of(caller))
    }
}

/// A caller who may do `P` for the customer of the plan in the path.
#[derive(Debug)]
pub struct OfPlan<P> {
    /// The caller.
    pub caller: Caller,
    /// The plan.
    pub plan: PlanId,
    permission: PhantomData<P>,
}

impl<P: Permission> Checked for OfPlan<P> {
    fn of_request(request: &HttpRequest) -> Check<Self> {
        let plan = path_uuid(request, "subscription_uuid");
        Box::new(move |state, caller| Self::of(Listing::of(caller)?, PlanId(plan?), state))
    }
}

impl<P: Permission> OfPlan<P> {
    /// The same check for a plan that is not in the path.
    ///
    /// # Errors
    /// 403 if the plan belongs to another customer or does not exist; 404 for superusers if it does not exist.
    pub async fn checked(listing: Listing<P>, plan: PlanId, state: State) -> ApiResult<Self> {
        checking(move || Self::of(listing, plan, &state)).await
    }

    fn of(listing: Listing<P>, plan: PlanId, state: &AppState) -> ApiResult<Self> {
        listing.check(state.manager.customer_of_plan(plan)?, Entity::Plan)?;
        Ok(Self { caller: listing.caller, plan, permission: PhantomData })
    }
}

/// A caller who may do `P` for the customer of the agreement in the path.
#[derive(Debug)]
pub struct OfAgreement<P> {
    /// The caller.
    pub caller: Caller,
    /// The agreement.
    pub agreement: AgreementId,
    permission: PhantomData<P>,
}

impl<P: Permission> Checked for OfAgreement<P> {
    fn of_request(request: &HttpRequest) -> Check<Self> {
        let agreement = path_uuid(request, "customer_agreement_uuid");
        Box::new(move |state, caller| {
            let listing = Listing::<P>::of(caller)?;
            let agreement = AgreementId(agreement?);
            listing.check(state.manager.customer_of_agreement(agreement)?, Entity::Agreement)?;
            Ok(Self { caller: listing.caller, agreement, permission: PhantomData })
        })
    }
}

impl<P: Permission> Listing<P> {
    /// The customers for which the caller may do `P`.
    ///
    /// # Errors
    /// 403 if there is none.
    pub fn of(caller: Caller) -> Result<Self, ApiError> {
        let scope = caller.scope(P::ACTION).ok_or_else(ApiError::forbidden)?;
        Ok(Self { caller, scope, permission: PhantomData })
    }

    /// Refuses customers outside the scope. Only superusers get 404 for a missing entity; others get 403, so that they
    /// cannot probe ids.
    pub fn check(&self, customer: Option<CustomerId>, entity: Entity) -> Result<(), ApiError> {
        match customer {
            Some(customer) if self.scope.covers(customer) => Ok(()),
            None if self.caller.is_superuser() => Err(Error::NotFound(entity).into()),
            _ => Err(ApiError::forbidden()),
        }
    }
}

/// Defines an extractor of callers who may do something for all customers. Its refusal is 403.
macro_rules! permitted {
    ($($(#[$doc:meta])* $name:ident: $action:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            /// The caller.
            pub caller: Caller,
        }

        impl Checked for $name {
            fn of_request(_: &HttpRequest) -> Check<Self> {
                Box::new(|_, caller| match caller.may(Action::$action) {
                    true => Ok(Self { caller }),
                    false => Err(ApiError::forbidden()),
                })
            }
        }
    )+};
}

permitted! {
    /// A provisioning admin, who creates and edits agreements, plans and renewals of every customer.
    Provisioner: Provision,
    /// A provisioning admin or support staff, who read everything that was provisioned, and correct it by hand.
    ProvisionerOrStaff: Support,
    /// Support staff, who may look up every customer's licenses.
    Staff: LookUp,
    /// The service that retires people.
    RetirementWorker: Retire,
}

/// A caller who may read the history of the entity in the path: a `license_uuid`, `subscription_uuid` or
/// `customer_agreement_uuid`.
#[derive(Debug)]
pub struct HistoryReader {
    /// The entity in the path.
    pub of: EntityRef,
}

impl Checked for HistoryReader {
    fn of_request(request: &HttpRequest) -> Check<Self> {
        let of = entity_in_path(request);
        Box::new(move |state, caller| {
            let of = of?;
            if caller.may(Action::Support) {
                return Ok(Self { of });
            }
            let listing = Listing::<Reader>::of(caller)?;
            let customer = match of {
                EntityRef::License(license) => state.manager.customer_of_recorded_license(license)?,
                EntityRef::Plan(plan) => state.manager.customer_of_plan(plan)?,
                _ => None,
            };
            listing.check(customer, of.entity())?;
            Ok(Self { of })
        })
    }
}

fn entity_in_path(request: &HttpRequest) -> ApiResult<EntityRef> {
    let names = |name| request.match_info().get(name).is_some();
    if names("license_uuid") {
        Ok(EntityRef::License(LicenseId(path_uuid(request, "license_uuid")?)))
    } else if names("subscription_uuid") {
        Ok(EntityRef::Plan(PlanId(path_uuid(request, "subscription_uuid")?)))
    } else {
        Ok(EntityRef::Agreement(AgreementId(path_uuid(request, "customer_agreement_uuid")?)))
    }
}

/// Makes permissions the extractors of handlers.
macro_rules! extracted {
    ($($permission:ident $(<$parameter:ident>)?),+ $(,)?) => {$(
        impl $(<$parameter: Permission>)? FromRequest for $permission $(<$parameter>)? {
            type Error = ApiError;
            type Future = Extraction<Self>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                extract(request)
            }
        }

        impl $(<$parameter: Permission>)? Guarded for $permission $(<$parameter>)? {
            type Access = Self;
            type Whole = Self;
        }
    )+};
}

extracted! {
    Listing<P>, OfPlan<P>, OfAgreement<P>, Provisioner, ProvisionerOrStaff, Staff, RetirementWorker, HistoryReader,
}

/// A UUID in the path.
///
/// # Errors
/// 404 for anything else.
pub fn path_uuid(request: &HttpRequest, name: &str) -> Result<Uuid, ApiError> {
    request.match_info().get(name).and_then(|text| Uuid::parse_str(text).ok()).ok_or_else(ApiError::no_such_page)
}

/// A positive whole number in the path.
///
/// # Errors
/// 404 for anything else.
pub fn path_integer(request: &HttpRequest, name: &str) -> Result<i64, ApiError> {
    let number = request.match_info().get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(ApiError::no_such_page)
}

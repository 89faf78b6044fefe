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
//!
//! [`license_manager_domain::permissions`] says which role permits which action; superusers may do everything. The rules
//! are in crates/domain/RULES.md, "Permissions".

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use license_manager_domain::history::EntityRef;
use license_manager_domain::permissions::{Action, HeldRole, Rights, Role};
use license_manager_domain::ports::{CustomerScope, Person, StoreExt, User};
use license_manager_domain::{
    Actor, AgreementId, CustomerId, Email, Entity, Error, LicenseId, LicenseManager, LmsUserId, PlanId,
};
use uuid::Uuid;

use crate::auth::identity;
use crate::auth::user_updates::{PendingUpdate, UserUpdate};
use crate::auth::{AccessToken, Context};
use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::http::response::reading;
use crate::state::AppState;

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller with a valid token, and what the database knows about them.
#[derive(Debug, Clone)]
pub struct Caller {
    token: AccessToken,
    user: Option<User>,
    rights: Rights,
}

impl Caller {
    /// The name recorded in history.
    pub fn actor(&self) -> Actor {
        Actor::user(&self.token.username)
    }

    /// The caller as a learner, without an address that is unverified or that this service does not accept.
    ///
    /// # Errors
    /// 400 without such an address, in the token or the database, and without an LMS user id.
    pub fn person(&self) -> Result<Person, ApiError> {
        self.person_with(self.address().filter(|_| self.token.email_is_verified))
    }

    /// The caller as the learner who got a mail to the token's address. What was in the mail proves that the address is
    /// theirs, so it may be unverified.
    ///
    /// # Errors
    /// As [`Caller::person`].
    pub fn recipient(&self) -> Result<Person, ApiError> {
        self.person_with(self.address())
    }

    fn address(&self) -> Option<Email> {
        let remembered = || self.user.as_ref().and_then(|user| user.email.as_deref());
        self.token.email.as_deref().or_else(remembered).and_then(|text| text.parse().ok())
    }

    fn person_with(&self, email: Option<Email>) -> Result<Person, ApiError> {
        let person = Person { email, lms_user_id: self.lms_user_id() };
        if person.email.is_none() && person.lms_user_id.is_none() {
            let message = "Your token names neither a user_id nor a verified email address that this service accepts.";
            return Err(ApiError::text(StatusCode::BAD_REQUEST, message));
        }
        Ok(person)
    }

    /// Their LMS user id, if the token has it.
    pub fn lms_user_id(&self) -> Option<LmsUserId> {
        self.token.lms_user_id.map(LmsUserId)
    }

    /// Whether they may do everything.
    pub fn is_superuser(&self) -> bool {
        self.rights.is_superuser
    }

    /// The customers for which they may do this; `None` for no customer.
    fn scope(&self, action: Action) -> Option<CustomerScope> {
        self.rights.scope(action)
    }

    /// Whether they may do this for all customers.
    pub fn may(&self, action: Action) -> bool {
        self.rights.may(action)
    }
}

/// The roles that a token gives. Only this token makes somebody staff: the database's flag comes from an earlier token,
/// and may have been withdrawn since.
pub fn roles_in_token(token: &AccessToken) -> impl Iterator<Item = HeldRole> {
    let named = token.roles.iter().filter_map(|role| {
        let customer = match role.context {
            Context::All => None,
            Context::Customer(customer) => Some(CustomerId(customer)),
        };
        HeldRole::new(Role::in_token(&role.name)?, customer)
    });
    named.chain(token.is_staff.then_some(HeldRole { role: Role::Staff, customer: None }))
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Caller::looked_up_with(&request, |_, _| ()).await?.0) })
    }
}

impl Caller {
    /// The caller, and what else their permission depends on, in one turn at the database and on one thread.
    ///
    /// # Errors
    /// 401 without a valid token; 503 if the turn does not come.
    pub async fn looked_up_with<T: Send + 'static>(
        request: &HttpRequest,
        look_up: impl FnOnce(&LicenseManager, &Caller) -> T + Send + 'static,
    ) -> Result<(Self, T), ApiError> {
        let state = AppState::of(request)?;
        let token = identity::token(request)?;
        let looked_up = reading(move || {
            let (caller, update) = recognize(&state, token)?;
            let found = look_up(&state.manager, &caller);
            Ok((caller, update, found))
        });
        let (caller, update, found) = looked_up.await?;
        if let (Some(update), Some(pending)) = (update, PendingUpdate::of_request()) {
            pending.set(update);
        }
        Ok((caller, found))
    }
}

/// Looks up the token's user. Returns also the update that the token brings, if it brings one.
fn recognize(state: &AppState, token: AccessToken) -> Result<(Caller, Option<UserUpdate>), ApiError> {
    let user = state.manager.store().read(|unit| unit.users().find(&token.username))?;
    let update = UserUpdate::from_token(&token, user.as_ref());
    let is_retirement_worker = state.retirement_worker.as_ref() == Some(&token.username);
    let worker = is_retirement_worker.then_some(HeldRole { role: Role::RetirementWorker, customer: None });
    let rights = Rights::new(roles_in_token(&token).chain(worker), user.as_ref());
    Ok((Caller { token, user, rights }, update))
}

/// A permission that depends on the customer.
pub trait Permission: 'static {
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

impl<P: Permission> FromRequest for Listing<P> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move { Self::of(caller.await?) })
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

impl<P: Permission> FromRequest for OfPlan<P> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let find = |manager: &LicenseManager, plan| manager.customer_of_plan(PlanId(plan));
            let (listing, plan) = Listing::<P>::of_entity(&request, "subscription_uuid", Entity::Plan, find).await?;
            Ok(Self { caller: listing.caller, plan: PlanId(plan), permission: PhantomData })
        })
    }
}

impl<P: Permission> OfPlan<P> {
    /// The same check for a plan that is not in the path.
    ///
    /// # Errors
    /// 403 if the plan belongs to another customer or does not exist; 404 for superusers if it does not exist.
    pub async fn checked(listing: Listing<P>, plan: PlanId, state: web::Data<AppState>) -> Result<Self, ApiError> {
        let customer = reading(move || Ok(state.manager.customer_of_plan(plan)?)).await?;
        listing.check(customer, Entity::Plan)?;
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

impl<P: Permission> FromRequest for OfAgreement<P> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let find = |manager: &LicenseManager, agreement| manager.customer_of_agreement(AgreementId(agreement));
            let (listing, agreement) =
                Listing::<P>::of_entity(&request, "customer_agreement_uuid", Entity::Agreement, find).await?;
            Ok(Self { caller: listing.caller, agreement: AgreementId(agreement), permission: PhantomData })
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

    /// A caller who may do `P` for the customer of the entity whose id is in the path under this name, and the id.
    async fn of_entity(
        request: &HttpRequest,
        name: &str,
        entity: Entity,
        customer_of: impl FnOnce(&LicenseManager, Uuid) -> Result<Option<CustomerId>, Error> + Send + 'static,
    ) -> Result<(Self, Uuid), ApiError> {
        let id = path_uuid(request, name);
        let named = id.as_ref().ok().copied();
        let look_up = move |manager: &LicenseManager, caller: &Caller| match named {
            Some(id) if caller.scope(P::ACTION).is_some() => customer_of(manager, id),
            _ => Ok(None),
        };
        let (caller, customer) = Caller::looked_up_with(request, look_up).await?;
        let listing = Self::of(caller)?;
        let id = id?;
        listing.check(customer?, entity)?;
        Ok((listing, id))
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

        impl Guarded for $name {
            type Access = Self;
        }

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = Extraction<Self>;

            fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
                let caller = Caller::from_request(request, payload);
                Box::pin(async move {
                    let caller = caller.await?;
                    if caller.may(Action::$action) { Ok(Self { caller }) } else { Err(ApiError::forbidden()) }
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

impl FromRequest for HistoryReader {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            let names = |name| request.match_info().get(name).is_some();
            let of = if names("license_uuid") {
                EntityRef::License(LicenseId(path_uuid(&request, "license_uuid")?))
            } else if names("subscription_uuid") {
                EntityRef::Plan(PlanId(path_uuid(&request, "subscription_uuid")?))
            } else {
                EntityRef::Agreement(AgreementId(path_uuid(&request, "customer_agreement_uuid")?))
            };
            if caller.may(Action::Support) {
                return Ok(Self { of });
            }
            let listing = Listing::<Reader>::of(caller)?;
            let state = AppState::of(&request)?;
            let customer = reading(move || {
                Ok(match of {
                    EntityRef::License(license) => state.manager.customer_of_recorded_license(license)?,
                    EntityRef::Plan(plan) => state.manager.customer_of_plan(plan)?,
                    _ => None,
                })
            });
            listing.check(customer.await?, of.entity())?;
            Ok(Self { of })
        })
    }
}

impl<P: Permission> Guarded for Listing<P> {
    type Access = Self;
}

impl<P: Permission> Guarded for OfPlan<P> {
    type Access = Self;
}

impl<P: Permission> Guarded for OfAgreement<P> {
    type Access = Self;
}

impl Guarded for HistoryReader {
    type Access = Self;
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

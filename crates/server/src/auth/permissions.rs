//! Permissions as extractors: the permission an endpoint needs is in its handler's signature.
//!
//! || extractor | who is admitted ||
//! |---|---|
//! | [`Caller`] | anybody with a valid token |
//! | [`Listing<R>`] | holders of role set `R` for any customer; lists show the customers of their roles |
//! | [`OfPlan<R>`] | holders of `R` for the customer of the plan in the path |
//! | [`OfAgreement<R>`] | holders of `R` for the customer of the agreement in the path |
//! | [`Provisioner`] | provisioning admins |
//! | [`ProvisionerOrStaff`] | provisioning admins and support staff |
//! | [`Staff`] | support staff: administrators by their token, and superusers |
//! | [`RetirementWorker`] | the service that retires people, and superusers |
//! | [`HistoryReader`] | provisioning admins and support staff; for a plan or license also its customer's subscriptions admins |
//!
//! The rules are in docs/RULES.md, "Permissions".

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use license_manager_domain::history::EntityRef;
use license_manager_domain::ports::{CustomerScope, Person, StoreExt, User};
use license_manager_domain::{Actor, AgreementId, CustomerId, Email, Entity, Error, LicenseId, LmsUserId, PlanId};
use uuid::Uuid;

use crate::auth::identity;
use crate::auth::{AccessToken, Context};
use crate::http::answer::blocking;
use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::state::AppState;

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller with a valid token, and what the database knows about them.
#[derive(Debug, Clone)]
pub struct Caller {
    token: AccessToken,
    user: Option<User>,
}

impl Caller {
    /// The name recorded in history.
    pub fn actor(&self) -> Actor {
        Actor::user(&self.token.username)
    }

    /// The caller as a learner.
    ///
    /// # Errors
    /// 400 without a usable email address in the token or the database.
    pub fn person(&self) -> Result<Person, ApiError> {
        let remembered = || self.user.as_ref().and_then(|user| user.email.as_deref());
        let email = self.token.email.as_deref().or_else(remembered).and_then(|text| text.parse::<Email>().ok());
        let email =
            email.ok_or_else(|| ApiError::text(StatusCode::BAD_REQUEST, "Your token names no email address."))?;
        Ok(Person { email, lms_user_id: self.lms_user_id() })
    }

    /// Their LMS user id, if the token has it.
    pub fn lms_user_id(&self) -> Option<LmsUserId> {
        self.token.lms_user_id.map(LmsUserId)
    }

    /// Whether they may do everything.
    pub fn is_superuser(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.is_superuser)
    }

    /// Whether they are support staff. Only this token counts: the database's flag comes from an earlier token, and the
    /// role may have been withdrawn since.
    fn is_staff(&self) -> bool {
        self.token.is_staff || self.is_superuser()
    }

    /// Whether they are a provisioning admin.
    fn may_provision(&self) -> bool {
        matches!(self.scope(&["enterprise_provisioning_admin"], &[]), Some(CustomerScope::All))
    }

    /// The customers for which they hold one of the roles; `None` without any such role.
    fn scope(&self, token_roles: &[&str], database_roles: &[&str]) -> Option<CustomerScope> {
        if self.is_superuser() {
            return Some(CustomerScope::All);
        }
        let from_token = self.token.roles.iter().filter(|role| token_roles.contains(&role.name.as_str())).map(|role| {
            match role.context {
                Context::All => None,
                Context::Customer(customer) => Some(CustomerId(customer)),
            }
        });
        let from_database = self
            .user
            .iter()
            .flat_map(|user| &user.roles)
            .filter(|role| database_roles.contains(&role.role.as_str()))
            .map(|role| role.customer);
        let granted: Vec<Option<CustomerId>> = from_token.chain(from_database).collect();
        if granted.is_empty() {
            return None;
        }
        let customers: Option<Vec<CustomerId>> = granted.into_iter().collect();
        Some(customers.map_or(CustomerScope::All, CustomerScope::Only))
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = AppState::of(&request)?;
            let token = identity::token(&request)?;
            blocking(move || recognize(&state, token)).await
        })
    }
}

/// Looks up the token's user, and stores what is new in the token.
fn recognize(state: &AppState, token: AccessToken) -> Result<Caller, ApiError> {
    let store = state.manager.store();
    let user = store.read(|unit| unit.users().find(&token.username))?;
    let email = token.email.as_deref().or_else(|| user.as_ref().and_then(|user| user.email.as_deref()));
    let known = user.as_ref().is_some_and(|user| user.email.as_deref() == email && user.is_staff == token.is_staff);
    if !known {
        let now = state.manager.now();
        store.write(|unit| unit.users().remember(&token.username, email, token.is_staff, now))?;
    }
    Ok(Caller { token, user })
}

/// A set of roles that grant the same permission.
pub trait RoleSet: 'static {
    /// The names in tokens.
    const TOKEN_ROLES: &'static [&'static str];
    /// The names in the database.
    const DATABASE_ROLES: &'static [&'static str];
}

/// Subscriptions admins.
#[derive(Debug)]
pub struct Admin;

impl RoleSet for Admin {
    const TOKEN_ROLES: &'static [&'static str] = &["enterprise_openedx_operator", "enterprise_admin"];
    const DATABASE_ROLES: &'static [&'static str] = &["enterprise_subscriptions_admin"];
}

/// Subscriptions admins and learners.
#[derive(Debug)]
pub struct AdminOrLearner;

impl RoleSet for AdminOrLearner {
    const TOKEN_ROLES: &'static [&'static str] =
        &["enterprise_openedx_operator", "enterprise_admin", "enterprise_learner"];
    const DATABASE_ROLES: &'static [&'static str] =
        &["enterprise_subscriptions_admin", "enterprise_subscriptions_learner"];
}

/// A caller with a role of `R` for some customer.
#[derive(Debug)]
pub struct Listing<R> {
    /// The caller.
    pub caller: Caller,
    /// The customers they may see.
    pub scope: CustomerScope,
    role: PhantomData<R>,
}

impl<R: RoleSet> FromRequest for Listing<R> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move { Self::of(caller.await?) })
    }
}

/// A caller with a role of `R` for the customer of the plan in the path.
#[derive(Debug)]
pub struct OfPlan<R> {
    /// The caller.
    pub caller: Caller,
    /// The plan.
    pub plan: PlanId,
    role: PhantomData<R>,
}

impl<R: RoleSet> FromRequest for OfPlan<R> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let listing = Listing::<R>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let listing = listing.await?;
            let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
            Self::checked(listing, plan, AppState::of(&request)?).await
        })
    }
}

impl<R: RoleSet> OfPlan<R> {
    /// The same check for a plan that is not in the path.
    ///
    /// # Errors
    /// 403 if the plan belongs to another customer or does not exist; 404 for superusers if it does not exist.
    pub async fn checked(listing: Listing<R>, plan: PlanId, state: web::Data<AppState>) -> Result<Self, ApiError> {
        let customer = blocking(move || Ok(state.manager.customer_of_plan(plan)?)).await?;
        listing.check(customer, Entity::Plan)?;
        Ok(Self { caller: listing.caller, plan, role: PhantomData })
    }
}

/// A caller with a role of `R` for the customer of the agreement in the path.
#[derive(Debug)]
pub struct OfAgreement<R> {
    /// The caller.
    pub caller: Caller,
    /// The agreement.
    pub agreement: AgreementId,
    role: PhantomData<R>,
}

impl<R: RoleSet> FromRequest for OfAgreement<R> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let listing = Listing::<R>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let listing = listing.await?;
            let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
            let state = AppState::of(&request)?;
            let customer = blocking(move || Ok(state.manager.customer_of_agreement(agreement)?)).await?;
            listing.check(customer, Entity::Agreement)?;
            Ok(Self { caller: listing.caller, agreement, role: PhantomData })
        })
    }
}

impl<R: RoleSet> Listing<R> {
    /// The customers for which the caller holds a role of `R`.
    ///
    /// # Errors
    /// 403 without any such role.
    pub fn of(caller: Caller) -> Result<Self, ApiError> {
        let scope = caller.scope(R::TOKEN_ROLES, R::DATABASE_ROLES).ok_or_else(ApiError::forbidden)?;
        Ok(Self { caller, scope, role: PhantomData })
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

/// Defines an extractor that runs a check; its refusal is 403.
macro_rules! permitted {
    ($(#[$doc:meta])* $name:ident, $permits:expr) => {
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
                let request = request.clone();
                Box::pin(async move {
                    let permits: fn(&Caller, &AppState) -> bool = $permits;
                    let caller = caller.await?;
                    let state = AppState::of(&request)?;
                    if permits(&caller, &state) { Ok(Self { caller }) } else { Err(ApiError::forbidden()) }
                })
            }
        }
    };
}

permitted!(
    /// A provisioning admin, who creates and edits agreements, plans and renewals of every customer.
    Provisioner,
    |caller, _| caller.may_provision()
);
permitted!(
    /// A provisioning admin, or support staff, for manual corrections for any customer.
    ProvisionerOrStaff,
    |caller, _| caller.may_provision() || caller.is_staff()
);
permitted!(
    /// Support staff, who may look up every customer's licenses.
    Staff,
    |caller, _| caller.is_staff()
);
permitted!(
    /// The service that retires people.
    RetirementWorker,
    |caller, state| state.retirement_worker.as_ref() == Some(&caller.token.username) || caller.is_superuser()
);

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
            if caller.may_provision() || caller.is_staff() {
                return Ok(Self { of });
            }
            let listing = Listing::<Admin>::of(caller)?;
            let state = AppState::of(&request)?;
            let customer = blocking(move || {
                Ok(match of {
                    EntityRef::License(license) => state.manager.customer_of_recorded_license(license)?,
                    EntityRef::Plan(plan) => state.manager.customer_of_plan(plan)?,
                    EntityRef::Agreement(_) | EntityRef::Product(_) | EntityRef::Renewal(_) => None,
                })
            });
            listing.check(customer.await?, of.entity())?;
            Ok(Self { of })
        })
    }
}

impl<R: RoleSet> Guarded for Listing<R> {
    type Access = Self;
}

impl<R: RoleSet> Guarded for OfPlan<R> {
    type Access = Self;
}

impl<R: RoleSet> Guarded for OfAgreement<R> {
    type Access = Self;
}

impl Guarded for Caller {
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

//! Callers, and the reads that look up the caller, check the permission and read in one turn at the database.

use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use license_manager_domain::permissions::{Action, HeldRole, Rights, Role};
use license_manager_domain::ports::{CustomerScope, Person, StoreExt, User};
use license_manager_domain::{Actor, CustomerId, Email, LmsUserId};

use crate::auth::identity;
use crate::auth::user_updates::{PendingUpdate, UserUpdate};
use crate::auth::{AccessToken, Context};
use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::http::response::{ApiResult, checking, reading};
use crate::state::{AppState, State};

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
    pub fn scope(&self, action: Action) -> Option<CustomerScope> {
        self.rights.scope(action)
    }

    /// Whether they may do this for all customers.
    pub fn may(&self, action: Action) -> bool {
        self.rights.may(action)
    }
}

/// The roles that a token gives. Only this token makes somebody staff: the database's flag comes from an earlier token,
/// and may have been withdrawn since.
fn roles_in_token(token: &AccessToken) -> impl Iterator<Item = HeldRole> {
    let named = token.roles.iter().filter_map(|role| {
        let customer = match role.context {
            Context::All => None,
            Context::Customer(customer) => Some(CustomerId(customer)),
        };
        HeldRole::new(Role::in_token(&role.name)?, customer)
    });
    named.chain(token.is_staff.then_some(HeldRole { role: Role::Staff, customer: None }))
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

/// Makes a permission of a caller, or refuses the caller. It may read from the database, on a thread for blocking work.
pub type Check<A> = Box<dyn FnOnce(&State, Caller) -> ApiResult<A> + Send>;

/// What is known of a caller after a check.
pub trait Checked: Sized + Send + 'static {
    /// The check for the caller of this request.
    fn of_request(request: &HttpRequest) -> Check<Self>;
}

impl Checked for Caller {
    fn of_request(_: &HttpRequest) -> Check<Self> {
        Box::new(|_, caller| Ok(caller))
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request)
    }
}

/// A read that needs the permission `A`. The caller is looked up, the permission is checked, and the data is read in one
/// turn at the database and on one thread. With `A` itself as the extractor, the data would need another turn.
///
/// A handler with this argument has checked nothing before it calls [`CheckedRead::read`]. So it takes what depends on the
/// caller, and reports mistakes in the request, only there.
#[must_use = "the permission is not checked before `read`"]
pub struct CheckedRead<A> {
    state: State,
    token: AccessToken,
    check: Check<A>,
}

impl<A: Checked> CheckedRead<A> {
    fn of(request: &HttpRequest) -> ApiResult<Self> {
        Ok(Self { state: AppState::of(request)?, token: identity::token(request)?, check: A::of_request(request) })
    }

    /// Checks the permission, and then reads. `read` must not write: the turn is one to read.
    ///
    /// # Errors
    /// Those of the check, usually 403, before anything else is read; those of `read`; 503 if the turn does not come.
    pub async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&State, A) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        noted(reading(self.followed_by(read)).await?)
    }

    /// Checks the permission, and reads nothing else.
    async fn checked(self) -> ApiResult<A> {
        noted(checking(self.followed_by(|_, access| Ok(access))).await?)
    }

    /// The check, and then `read`: what it found, and the update that the token brings.
    fn followed_by<T: 'static>(
        self,
        read: impl FnOnce(&State, A) -> ApiResult<T> + Send + 'static,
    ) -> impl FnOnce() -> ApiResult<(ApiResult<T>, Option<UserUpdate>)> + Send + 'static {
        let Self { state, token, check } = self;
        move || {
            let (caller, update) = recognize(&state, token)?;
            let found = check(&state, caller).and_then(|access| read(&state, access));
            Ok((found, update))
        }
    }
}

/// What was found. The update of the caller is stored later.
fn noted<T>((found, update): (ApiResult<T>, Option<UserUpdate>)) -> ApiResult<T> {
    if let (Some(update), Some(pending)) = (update, PendingUpdate::of_request()) {
        pending.set(update);
    }
    found
}

impl<A: Checked> FromRequest for CheckedRead<A> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    /// 401 without a valid token.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl<A: Checked + FromRequest<Error = ApiError>> Guarded for CheckedRead<A> {
    type Access = A;
    type Whole = A;
}

/// The future of an extractor.
pub type Extraction<A> = Pin<Box<dyn Future<Output = ApiResult<A>>>>;

/// Extracts what is known of the caller after the check, and reads nothing else.
pub fn extract<A: Checked>(request: &HttpRequest) -> Extraction<A> {
    let read = CheckedRead::<A>::of(request);
    Box::pin(async move { read?.checked().await })
}

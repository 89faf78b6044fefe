//! Who is signed in: cookies, and the check of a session at every request.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::cookie::{Cookie, SameSite, time::Duration as CookieDuration};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, rt, web};
use chrono::{DateTime, Utc};
use license_manager_domain::console::{ConsoleSession, NewSession, RenewedSession, SessionLimits};
use license_manager_domain::permissions::{Action, HeldRole, Rights, Role};
use license_manager_domain::ports::{CustomerScope, StoreExt};
use license_manager_domain::{Actor, CustomerId, Error, LicenseManager};
use uuid::Uuid;

use crate::error::PageError;
use crate::host::{Access, TooMany, at_database};
use crate::provider::{ProviderError, SignedIn};
use crate::secrets::SessionId;
use crate::{Console, PATH, Source};

/// The cookie with the id of the session.
const COOKIE: &str = "license_manager_console";

/// The longest name of a browser that is kept, in characters.
const MAX_USER_AGENT: usize = 200;

/// The most ended sessions that a sign-in removes.
const SWEPT: i64 = 100;

/// Somebody who is signed in and has a role.
pub(crate) struct Visitor {
    /// What the pages need.
    pub(crate) console: web::Data<Console>,
    /// Their session.
    pub(crate) session: ConsoleSession,
    /// Its secret id.
    pub(crate) id: SessionId,
    /// What they may do.
    pub(crate) rights: Rights,
}

impl Visitor {
    /// The name recorded in history, and the reason.
    pub(crate) fn actor(&self, reason: Option<&str>) -> Actor {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        Actor::user(&self.session.username).because(reason.map(str::to_owned))
    }

    /// The customers for which they may do this.
    ///
    /// # Errors
    /// [`PageError::Forbidden`] if there are none.
    pub(crate) fn scope(&self, action: Action) -> Result<CustomerScope, PageError> {
        self.rights.scope(action).ok_or(PageError::Forbidden)
    }

    /// Refuses what they may not do for the customer.
    pub(crate) fn require(&self, action: Action, customer: CustomerId) -> Result<(), PageError> {
        match self.rights.may_for(action, customer) {
            true => Ok(()),
            false if self.rights.may_for(Action::Browse, customer) => Err(PageError::Forbidden),
            // They need not know that it exists.
            false => Err(PageError::NotFound),
        }
    }

    /// Refuses those who may not do this for every customer.
    pub(crate) fn require_everywhere(&self, action: Action) -> Result<(), PageError> {
        if self.rights.may(action) { Ok(()) } else { Err(PageError::Forbidden) }
    }

    /// Reads at the database.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Console) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, PageError> {
        at_database(&self.console, Access::Read, work).await
    }

    /// Reads a list, from the replica if that has what the visitor wrote.
    pub(crate) async fn list<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Source) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, PageError> {
        let username = self.session.username.clone();
        let read = move |console: &Console| match &console.replica {
            Some(replica) if !console.host.has_written(&username)? => work(replica),
            _ => work(&Source { manager: console.manager.clone(), store: console.store.clone() }),
        };
        at_database(&self.console, Access::Read, read).await
    }

    /// Writes at the database.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Console) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, PageError> {
        let username = self.session.username.clone();
        let write = move |console: &Console| {
            let done = work(console);
            if console.replica.is_some() {
                console.host.note_write(&username);
            }
            done
        };
        at_database(&self.console, Access::Write, write).await
    }

    /// Writes by a use case that may set a catalog. Whose catalog it is, the catalog service is asked outside of the
    /// transaction. Jobs that the use case left begin at once.
    pub(crate) async fn provision<T: Send + 'static>(
        &self,
        work: impl Fn(&LicenseManager) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, PageError> {
        let (work, manager) = (Arc::new(work), &self.console.manager);
        let run = |manager: LicenseManager| {
            let work = work.clone();
            self.write(move |_| work(&manager))
        };
        let done = match run(manager.clone()).await {
            Err(PageError::Domain(Error::UnknownCatalogOwner(catalog))) => {
                let owner = manager.catalog_owner(catalog).await?;
                run(manager.clone().with_catalog_owner(owner)).await
            }
            done => done,
        };
        self.console.host.wake_jobs();
        done
    }

    /// What they are, in words.
    pub(crate) fn title(&self) -> &'static str {
        let has = |role| self.rights.roles.iter().any(|held| held.role == role);
        match () {
            () if self.rights.is_superuser => "Superuser",
            () if has(Role::Operator) => "Operator",
            () if has(Role::ProvisioningAdmin) => "Provisioner",
            () if has(Role::Staff) => "Support staff",
            () if has(Role::SubscriptionsAdmin) => "Customer admin",
            () => "Viewer",
        }
    }
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let member = Member::of(&request).await?;
            if member.rights.scope(Action::Browse).is_none() {
                let form_token = member.id.form_token();
                return Err(PageError::NoRole { username: member.session.username, form_token });
            }
            let Member { console, session, id, rights } = member;
            Ok(Self { console, session, id, rights })
        })
    }
}

/// Somebody who is signed in, with a role or without.
pub(crate) struct Member {
    pub(crate) console: web::Data<Console>,
    pub(crate) session: ConsoleSession,
    pub(crate) id: SessionId,
    pub(crate) rights: Rights,
}

impl Member {
    /// The member whose cookie the request has.
    ///
    /// # Errors
    /// [`PageError::SignIn`] without a valid session.
    pub(crate) async fn of(request: &HttpRequest) -> Result<Self, PageError> {
        let console = console(request)?;
        let Some(id) = sent_id(request) else {
            admit(&console, request, None)?;
            return Err(sign_in(request));
        };
        let (hash, now) = (id.hash(), console.manager.now());
        let found = at_database(&console, Access::Check, move |console| console.store.session(&hash)).await?;
        let Some(session) = found.filter(|session| session.is_valid(now)) else {
            admit(&console, request, None)?;
            return Err(sign_in(request));
        };
        admit(&console, request, Some(&session.username))?;
        let session = with_current_roles(&console, request, &id, session, now).await?;
        let username = session.username.clone();
        let user = at_database(&console, Access::Check, move |console| {
            console.manager.store().read(|unit| unit.users().find(&username))
        });
        let rights = Rights::new(roles(&session), user.await?.as_ref());
        if session.last_used + SessionLimits::USE_RECORDED <= now {
            note_use(&console, &id, now);
        }
        Ok(Self { console, session, id, rights })
    }
}

/// Notes that a session is used, unless another request does so. Nobody waits for it, because a page that reads would
/// wait for those who write. If it fails, the next request does it.
fn note_use(console: &web::Data<Console>, id: &SessionId, now: DateTime<Utc>) {
    let Some(note) = console.session_notes.begin(id.hash()) else { return };
    let console = console.clone();
    rt::spawn(async move {
        // Dropped with the work, so the next request begins after it.
        let write = move |console: &Console| console.store.session_used(&note.session, now);
        if let Err(error) = at_database(&console, Access::Write, write).await {
            tracing::debug!(%error, "the use of a session was not noted; the next request does it");
        }
    });
}

/// What the pages need.
pub(crate) fn console(request: &HttpRequest) -> Result<web::Data<Console>, PageError> {
    let console = request.app_data::<web::Data<Console>>().cloned();
    console.ok_or_else(|| Error::internal("the application was built without its console").into())
}

/// Counts a request for the rate limits.
pub(crate) fn admit(console: &Console, request: &HttpRequest, user: Option<&str>) -> Result<(), PageError> {
    console.host.admit(request, user).map_err(|TooMany(seconds)| PageError::TooMany(seconds))
}

/// The id in the request's cookie.
pub(crate) fn sent_id(request: &HttpRequest) -> Option<SessionId> {
    request.cookie(COOKIE).map(|cookie| SessionId::sent(cookie.value()))
}

fn sign_in(request: &HttpRequest) -> PageError {
    // A form that was sent without a session is not repeated.
    let next = request.uri().path_and_query().filter(|_| request.method().is_safe());
    PageError::SignIn(next.map_or(PATH, |path| path.as_str()).to_owned())
}

/// The roles of the session's token.
fn roles(session: &ConsoleSession) -> impl Iterator<Item = HeldRole> {
    let named = session.roles.iter().filter_map(|text| {
        let (name, context) = text.split_once(':')?;
        let customer = match context {
            "*" => None,
            uuid => Some(CustomerId(Uuid::parse_str(uuid).ok()?)),
        };
        HeldRole::new(Role::in_token(name)?, customer)
    });
    named.chain(session.is_staff.then_some(HeldRole { role: Role::Staff, customer: None }))
}

/// The session with roles that count: after an hour, the provider is asked for them again.
async fn with_current_roles(
    console: &web::Data<Console>,
    request: &HttpRequest,
    id: &SessionId,
    session: ConsoleSession,
    now: DateTime<Utc>,
) -> Result<ConsoleSession, PageError> {
    if now < session.roles_until {
        return Ok(session);
    }
    let refresh_token = session.refresh_token.as_deref().and_then(|stored| id.decrypt(stored));
    let (Some(provider), Some(refresh_token)) = (console.provider.clone(), refresh_token) else {
        end(console, id).await?;
        return Err(sign_in(request));
    };
    let (hash, until) = (id.hash(), now + SessionLimits::RENEWAL);
    let begun =
        at_database(console, Access::Write, move |console| console.store.begin_renewal(&hash, now, until)).await?;
    if !begun {
        // Another request of the session is asking.
        let is_recent = now < session.roles_until + SessionLimits::RENEWAL;
        return if is_recent { Ok(session) } else { Err(PageError::ProviderUnavailable) };
    }
    match provider.refresh(&refresh_token).await {
        Ok(person) if person.username == session.username => {
            let renewed = RenewedSession {
                roles: person.roles,
                is_staff: person.is_staff,
                roles_until: now + SessionLimits::ROLES,
                // A provider that gives no new one lets the old one be used again.
                refresh_token: Some(id.encrypt(person.refresh_token.as_deref().unwrap_or(&refresh_token))?),
            };
            let (hash, stored) = (id.hash(), renewed.clone());
            at_database(console, Access::Write, move |console| console.store.renew_session(&hash, &stored)).await?;
            let RenewedSession { roles, is_staff, roles_until, refresh_token } = renewed;
            Ok(ConsoleSession { roles, is_staff, roles_until, refresh_token, ..session })
        }
        Ok(_) | Err(ProviderError::Refused(_)) => {
            // Not the user name, which may be an address.
            tracing::info!(session = %session.uuid, "a session ended: its roles were not renewed");
            end(console, id).await?;
            Err(sign_in(request))
        }
        Err(ProviderError::Unavailable(problem)) => {
            tracing::warn!(problem, "the roles of a session cannot be renewed");
            Err(PageError::ProviderUnavailable)
        }
    }
}

/// Ends a session.
pub(crate) async fn end(console: &web::Data<Console>, id: &SessionId) -> Result<(), PageError> {
    let hash = id.hash();
    at_database(console, Access::Write, move |console| console.store.end_session(&hash)).await
}

/// Ends the session of the request's cookie. A cookie of no session counts for the rate limits, and waits for no turn to
/// write.
pub(crate) async fn end_sent(console: &web::Data<Console>, request: &HttpRequest) -> Result<(), PageError> {
    let Some(id) = sent_id(request) else { return Ok(()) };
    let hash = id.hash();
    let found = at_database(console, Access::Check, move |console| console.store.session(&hash)).await?;
    if found.is_some() { end(console, &id).await } else { admit(console, request, None) }
}

/// Starts a session with a new id, and removes some that ended. Returns its cookie.
pub(crate) async fn start(
    console: &web::Data<Console>,
    request: &HttpRequest,
    person: SignedIn,
    roles_for: chrono::Duration,
) -> Result<Cookie<'static>, PageError> {
    let (id, now) = (SessionId::new()?, console.manager.now());
    let former = sent_id(request).map(|id| id.hash());
    let user_agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    let refresh_token = person.refresh_token.as_deref().map(|token| id.encrypt(token)).transpose()?;
    let new = NewSession {
        id_hash: id.hash(),
        session: ConsoleSession {
            uuid: console.ids.next(),
            username: person.username.clone(),
            roles: person.roles,
            is_staff: person.is_staff,
            roles_until: now + roles_for,
            refresh_token,
            user_agent: user_agent.chars().take(MAX_USER_AGENT).collect(),
            created: now,
            last_used: now,
        },
        provider: person.provider,
    };
    at_database(console, Access::Write, move |console| {
        console
            .manager
            .store()
            .write(|unit| unit.users().remember(&person.username, person.email.as_deref(), person.is_staff, now))?;
        if let Some(former) = &former {
            console.store.end_session(former)?;
        }
        console.store.remove_ended(now, SWEPT)?;
        console.store.add_session(&new)
    })
    .await?;
    let mut cookie = cookie(console, COOKIE, id.expose().to_owned(), "/");
    cookie.set_max_age(CookieDuration::seconds(SessionLimits::AT_MOST.num_seconds()));
    Ok(cookie)
}

/// A cookie that scripts cannot read.
pub(crate) fn cookie(console: &Console, name: &'static str, value: String, path: &'static str) -> Cookie<'static> {
    Cookie::build(name, value)
        .path(path)
        .http_only(true)
        .secure(console.secure_cookies)
        .same_site(SameSite::Lax)
        .finish()
}

/// What removes the cookie of a session.
pub(crate) fn no_session(console: &Console) -> Cookie<'static> {
    removed(cookie(console, COOKIE, String::new(), "/"))
}

/// What removes this cookie.
pub(crate) fn removed(mut cookie: Cookie<'static>) -> Cookie<'static> {
    cookie.set_value("");
    cookie.set_max_age(CookieDuration::ZERO);
    cookie
}

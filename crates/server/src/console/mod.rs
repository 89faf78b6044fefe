//! The web console within this server: its provider of identities, its turns at the database and its rate limits. The
//! pages are in `license-manager-console`.

mod host;
mod provider;

use std::sync::Arc;

use actix_web::web;
use license_manager_adapters::http::Client;
use license_manager_console::{Console, DemoPerson, IdentityProvider, ProviderIds, SessionNotes, SignedIn, Source};
use license_manager_domain::LicenseManager;

use self::host::ServerHost;
pub(crate) use self::provider::client_of;
use self::provider::{LmsProvider, OidcProvider};
use crate::auth::TokenVerifier;
use crate::cli::demo;
use crate::config::{Config, ProviderKind};
use crate::database::Database;
use crate::state::State;
use crate::system::RandomIds;

/// The console of this configuration; `None` if it is off. With `with_demo`, the demo's people can sign in.
pub fn console(
    config: &Config,
    manager: &LicenseManager,
    database: &Database,
    state: &State,
    client: Client,
    with_demo: bool,
) -> Option<web::Data<Console>> {
    let settings = &config.console;
    if !settings.enabled {
        return None;
    }
    let missing = settings.missing();
    let is_https = settings.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
    Some(web::Data::new(Console {
        manager: manager.clone(),
        store: database.console_store(),
        replica: state
            .replicated
            .as_ref()
            .map(|replicated| Source { manager: replicated.manager(manager), store: replicated.console_store() }),
        provider: provider(config, state.verifier.clone(), client),
        missing,
        demo: if with_demo { demo_people() } else { Vec::new() },
        secure_cookies: is_https,
        host: Arc::new(ServerHost::new(state.clone())),
        runs_schedule: config.schedule.enabled,
        ids: Arc::new(RandomIds),
        session_notes: SessionNotes::default(),
    }))
}

/// The configured provider, if its settings are complete.
fn provider(config: &Config, verifier: Arc<TokenVerifier>, client: Client) -> Option<Arc<dyn IdentityProvider>> {
    let settings = &config.console;
    let client = client_of(settings, client)?;
    let url = settings.provider_url.clone()?;
    Some(match settings.provider {
        ProviderKind::Lms => Arc::new(LmsProvider::new(&url, client, verifier)),
        ProviderKind::Oidc => {
            Arc::new(OidcProvider::new(url, settings.client_id.clone()?, client, config.auth.clone()))
        }
    })
}

/// Whom the demo signs in: one person of each kind.
fn demo_people() -> Vec<DemoPerson> {
    let person = |username: &str, is_staff, roles| SignedIn {
        username: username.to_owned(),
        email: Some(format!("{username}@example.com")),
        is_staff,
        roles,
        refresh_token: None,
        provider: ProviderIds::default(),
    };
    vec![
        DemoPerson { label: "support staff", person: person("demo-support", true, Vec::new()) },
        DemoPerson {
            label: "customer admin",
            person: person("demo-customer-admin", false, demo::customer_admin_roles()),
        },
        DemoPerson { label: "viewer", person: person(demo::VIEWER, false, Vec::new()) },
        DemoPerson { label: "provisioner", person: person("demo-provisioner", false, demo::provisioner_roles()) },
        DemoPerson { label: "operator", person: person(demo::OPERATOR, false, Vec::new()) },
        DemoPerson { label: "superuser", person: person(demo::SUPERUSER, false, Vec::new()) },
    ]
}

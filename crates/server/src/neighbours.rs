//! Connects the services around this one that are configured.

use std::sync::Arc;

use license_manager_adapters::http::{
    AccessTokens, Credentials, HttpCatalog, HttpDirectory, HttpNeighbour, Timeouts, client,
};
use license_manager_domain::{LicenseManager, Neighbour};

use crate::config::Config;

/// The license manager with the neighbours that the configuration names. None of them is called yet.
///
/// # Errors
/// Where the OAuth client is described by halves; one line that names the setting.
pub fn connect(mut manager: LicenseManager, config: &Config) -> Result<LicenseManager, String> {
    let client = client(Timeouts::default())?;
    let tokens = match &config.oauth.url {
        None => None,
        Some(url) => {
            let missing = |setting: &str| format!("oauth.url is set, and {setting} is not: set it, or leave both out");
            let credentials = Credentials {
                client_id: config.oauth.client_id.clone().ok_or_else(|| missing("oauth.client_id"))?,
                client_secret: config
                    .oauth
                    .client_secret
                    .as_ref()
                    .map(|secret| secret.expose().to_owned())
                    .ok_or_else(|| missing("oauth.client_secret"))?,
            };
            Some(Arc::new(AccessTokens::new(url, credentials, client.clone())))
        }
    };
    let neighbour = |which, url: &String| HttpNeighbour::new(which, url, client.clone(), tokens.clone());
    if let Some(url) = &config.catalog.url {
        manager = manager.with_catalog(Arc::new(HttpCatalog::new(neighbour(Neighbour::Catalog, url))));
    }
    if let Some(url) = &config.lms.url {
        manager = manager.with_directory(Arc::new(HttpDirectory::new(neighbour(Neighbour::Lms, url))));
    }
    Ok(manager)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use license_manager_domain::memory::MemoryStore;
    use license_manager_domain::ports::SequentialIds;
    use license_manager_domain::{LicenseManager, Settings};

    use super::connect;
    use crate::config::Config;
    use crate::system::SystemClock;

    fn connected(environment: &[(&str, &str)]) -> Result<(), String> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = Config::load(None, environment).unwrap();
        let store = Arc::new(MemoryStore::default());
        let ids = Arc::new(SequentialIds::default());
        let manager = LicenseManager::new(store, Arc::new(SystemClock), ids, Settings::default());
        connect(manager, &config).map(drop)
    }

    #[test]
    fn neighbours_need_no_oauth_client_but_an_oauth_client_needs_everything() {
        let catalog = ("LM_CATALOG__URL", "http://localhost:18160");
        let url = ("LM_OAUTH__URL", "http://localhost:18000/");
        let (id, secret) = (("LM_OAUTH__CLIENT_ID", "worker"), ("LM_OAUTH__CLIENT_SECRET", "hunter2"));
        assert_eq!(connected(&[]), Ok(()));
        assert_eq!(connected(&[catalog]), Ok(()));
        assert_eq!(connected(&[catalog, url, id, secret]), Ok(()));
        assert!(connected(&[catalog, url, id]).unwrap_err().contains("oauth.client_secret"));
        assert!(connected(&[catalog, url, secret]).unwrap_err().contains("oauth.client_id"));
    }
}

//! A cache of customers, for mails.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};

use crate::model::ids::CustomerId;
use crate::ports::{EnterpriseCustomer, Undelivered};
use crate::use_cases::manager::LicenseManager;

/// How long a customer is cached.
const REMEMBERED: Duration = Duration::minutes(5);

/// If a failing call to the LMS took longer than this, further calls are skipped for `PAUSE`. So mails of cached
/// customers need not wait for one failure after another.
const SLOW_CALL: Duration = Duration::seconds(2);

/// The length of this pause.
const PAUSE: Duration = Duration::seconds(30);

/// The most customers in the cache.
const CAPACITY: usize = 10_000;

/// The cache.
#[derive(Default)]
pub(super) struct CustomerCache(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// Each with the time of the call.
    customers: HashMap<CustomerId, (EnterpriseCustomer, DateTime<Utc>)>,
    /// The end of the pause.
    pause_until: Option<DateTime<Utc>>,
}

impl CustomerCache {
    /// The customer from the cache or the LMS. If the LMS fails, an expired entry is used. Without an LMS, the customer
    /// of the agreement is used.
    pub(super) async fn get(
        &self,
        manager: &LicenseManager,
        agreed: &EnterpriseCustomer,
    ) -> Result<EnterpriseCustomer, Undelivered> {
        if !manager.directory.is_configured() {
            return Ok(agreed.clone());
        }
        let now = manager.now();
        let known = self.known(agreed.id);
        if let Some((customer, asked)) = &known
            && now - *asked < REMEMBERED
        {
            return Ok(customer.clone());
        }
        let pause_until = self.locked().pause_until;
        let answer = match pause_until {
            Some(until) if now < until => Err("The LMS did not answer in time a moment ago.".to_owned()),
            _ => manager.directory.customer(agreed.id).await.map_err(|error| error.to_string()),
        };
        match answer {
            Ok(customer) => {
                self.remember(customer.clone(), now);
                Ok(customer)
            }
            Err(problem) => {
                let failed = manager.now();
                if failed - now > SLOW_CALL {
                    self.locked().pause_until = Some(failed + PAUSE);
                }
                known.map(|(customer, _)| customer).ok_or(Undelivered::Unavailable(problem))
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, customer: CustomerId) -> Option<(EnterpriseCustomer, DateTime<Utc>)> {
        self.locked().customers.get(&customer).cloned()
    }

    fn remember(&self, customer: EnterpriseCustomer, now: DateTime<Utc>) {
        let customers = &mut self.locked().customers;
        if customers.len() >= CAPACITY {
            customers.clear();
        }
        customers.insert(customer.id, (customer, now));
    }
}

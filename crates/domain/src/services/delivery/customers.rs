//! What is known of the customers that mails are about.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::super::LicenseManager;
use crate::ids::CustomerId;
use crate::ports::{EnterpriseCustomer, Undelivered};

/// How long a customer is remembered.
const REMEMBERED: Duration = Duration::minutes(5);

/// How many customers are remembered at most. More of them are asked for again.
const MOST: usize = 10_000;

/// The customers that were asked for lately.
#[derive(Default)]
pub(super) struct Customers(Mutex<HashMap<CustomerId, (EnterpriseCustomer, DateTime<Utc>)>>);

impl Customers {
    /// The customer as the LMS knows it: asked for unless that was done lately. An LMS that is away leaves what was known before.
    /// Where there is no LMS, the names in the customer's agreement serve.
    pub(super) async fn get(
        &self,
        manager: &LicenseManager,
        agreed: &EnterpriseCustomer,
    ) -> Result<EnterpriseCustomer, Undelivered> {
        if !manager.has_directory {
            return Ok(agreed.clone());
        }
        let now = manager.now();
        let known = self.known(agreed.id);
        if let Some((customer, asked)) = &known
            && now - *asked < REMEMBERED
        {
            return Ok(customer.clone());
        }
        match manager.directory.customer(agreed.id).await {
            Ok(customer) => {
                self.remember(customer.clone(), now);
                Ok(customer)
            }
            Err(error) => {
                known.map(|(customer, _)| customer).ok_or_else(|| Undelivered::Unavailable(error.to_string()))
            }
        }
    }

    fn known(&self, customer: CustomerId) -> Option<(EnterpriseCustomer, DateTime<Utc>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&customer).cloned()
    }

    fn remember(&self, customer: EnterpriseCustomer, now: DateTime<Utc>) {
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if customers.len() >= MOST {
            customers.clear();
        }
        customers.insert(customer.id, (customer, now));
    }
}

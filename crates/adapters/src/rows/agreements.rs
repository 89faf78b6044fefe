//! Customer agreements.

use std::collections::HashMap;

use chrono::Duration;
use diesel::backend::Backend;
use diesel::dsl::{AsSelect, auto_type};
use diesel::prelude::*;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::ports::{AgreementFilter, AgreementRepository, LimitOffset};
use license_manager_domain::{
    AgreementId, AutoScaling, CatalogId, CustomerAgreement, CustomerId, Error, ExpirationMessage,
};
use uuid::Uuid;

use super::shared::{for_both_databases, part};
use crate::backends::{Pg, Sqlite};
use crate::one_of::one_of;
use crate::prepared::update_row;
use crate::schema::{CUSTOMER_AGREEMENT, customer_agreement, expiration_message};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = customer_agreement, primary_key(uuid), treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct AgreementRow {
    uuid: SqlUuid,
    enterprise_customer_uuid: SqlUuid,
    enterprise_customer_slug: Option<String>,
    enterprise_customer_name: Option<String>,
    default_enterprise_catalog_uuid: Option<SqlUuid>,
    disable_expiration_notifications: bool,
    disable_onboarding_notifications: bool,
    license_duration_before_purge_seconds: i64,
    enable_auto_applied_subscriptions_with_universal_link: bool,
    enable_auto_scaling_of_current_plan: bool,
    auto_scaling_max_licenses: Option<i32>,
    auto_scaling_threshold_percentage: Option<i32>,
    auto_scaling_increment_percentage: Option<i32>,
    created: SqlTimestamp,
    modified: SqlTimestamp,
}

impl From<&CustomerAgreement> for AgreementRow {
    fn from(agreement: &CustomerAgreement) -> Self {
        Self {
            uuid: SqlUuid(agreement.id.0),
            enterprise_customer_uuid: SqlUuid(agreement.customer.0),
            enterprise_customer_slug: agreement.customer_slug.clone(),
            enterprise_customer_name: agreement.customer_name.clone(),
            default_enterprise_catalog_uuid: agreement.default_catalog.map(|id| SqlUuid(id.0)),
            disable_expiration_notifications: agreement.disable_expiration_notifications,
            disable_onboarding_notifications: agreement.disable_onboarding_notifications,
            license_duration_before_purge_seconds: agreement.license_duration_before_purge.num_seconds(),
            enable_auto_applied_subscriptions_with_universal_link: agreement
                .enable_auto_applied_subscriptions_with_universal_link,
            enable_auto_scaling_of_current_plan: agreement.auto_scaling.enabled,
            auto_scaling_max_licenses: agreement.auto_scaling.max_licenses,
            auto_scaling_threshold_percentage: agreement.auto_scaling.threshold_percentage,
            auto_scaling_increment_percentage: agreement.auto_scaling.increment_percentage,
            created: SqlTimestamp(agreement.created),
            modified: SqlTimestamp(agreement.modified),
        }
    }
}

impl AgreementRow {
    pub(crate) fn into_agreement(self, message: Option<MessageRow>) -> Result<CustomerAgreement, Error> {
        let seconds = self.license_duration_before_purge_seconds;
        let duration = Duration::try_seconds(seconds).ok_or_else(|| {
            Error::internal(format!("customer_agreement {}: no duration of {seconds} s", self.uuid.0))
        })?;
        Ok(CustomerAgreement {
            id: AgreementId(self.uuid.0),
            customer: CustomerId(self.enterprise_customer_uuid.0),
            customer_slug: self.enterprise_customer_slug,
            customer_name: self.enterprise_customer_name,
            default_catalog: self.default_enterprise_catalog_uuid.map(|id| CatalogId(id.0)),
            disable_expiration_notifications: self.disable_expiration_notifications,
            disable_onboarding_notifications: self.disable_onboarding_notifications,
            license_duration_before_purge: duration,
            enable_auto_applied_subscriptions_with_universal_link: self
                .enable_auto_applied_subscriptions_with_universal_link,
            auto_scaling: AutoScaling {
                enabled: self.enable_auto_scaling_of_current_plan,
                max_licenses: self.auto_scaling_max_licenses,
                threshold_percentage: self.auto_scaling_threshold_percentage,
                increment_percentage: self.auto_scaling_increment_percentage,
            },
            expiration_message: message.map(|message| ExpirationMessage {
                modal_header_text: message.modal_header_text,
                modal_messaging: message.modal_messaging,
                button_label: message.button_label,
                button_url: message.button_url,
            }),
            created: self.created.0,
            modified: self.modified.0,
        })
    }
}

#[derive(PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = expiration_message, primary_key(customer_agreement_uuid), check_for_backend(Pg, Sqlite))]
pub(crate) struct MessageRow {
    customer_agreement_uuid: SqlUuid,
    modal_header_text: String,
    modal_messaging: String,
    button_label: String,
    button_url: String,
}

impl MessageRow {
    pub(crate) fn of(agreement: &CustomerAgreement) -> Option<Self> {
        agreement.expiration_message.as_ref().map(|message| Self {
            customer_agreement_uuid: SqlUuid(agreement.id.0),
            modal_header_text: message.modal_header_text.clone(),
            modal_messaging: message.modal_messaging.clone(),
            button_label: message.button_label.clone(),
            button_url: message.button_url.clone(),
        })
    }
}

/// An agreement with its message.
pub(crate) type AgreementWithMessage = (AgreementRow, Option<MessageRow>);

/// Agreements with their messages, as [`AgreementWithMessage`].
#[auto_type(no_type_alias)]
pub(crate) fn agreements<DB: Backend>() -> _ {
    let row: AsSelect<AgreementRow, DB> = AgreementRow::as_select();
    let message: AsSelect<Option<MessageRow>, DB> = Option::<MessageRow>::as_select();
    customer_agreement::table.left_join(expiration_message::table).select((row, message))
}

pub(crate) fn agreement((row, message): AgreementWithMessage) -> Result<CustomerAgreement, Error> {
    row.into_agreement(message)
}

/// Restricts a query to the agreements that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        use $crate::one_of::one_of;
        use $crate::schema::customer_agreement;
        use $crate::sql_types::SqlUuid;

        let filter: &license_manager_domain::ports::AgreementFilter = $filter;
        let mut query = $query.into_boxed();
        let of = customer_agreement::enterprise_customer_uuid;
        match filter.scope.customers(filter.customer).as_deref() {
            None => {}
            Some([customer]) => query = query.filter(of.eq(SqlUuid(customer.0))),
            Some(customers) => query = query.filter(one_of(of, customers.iter().map(|customer| customer.0))),
        }
        if let Some(agreement) = filter.agreement {
            query = query.filter(customer_agreement::uuid.eq(SqlUuid(agreement.0)));
        }
        query
    }};
}

for_both_databases! {
    impl AgreementRepository for Unit {
        fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
            if let Some(agreement) = self.prefetched.take_agreement(id) {
                return Ok(Some(agreement));
            }
            let query = agreements().filter(customer_agreement::uuid.eq(SqlUuid(id.0)));
            let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
            found.map(agreement).transpose()
        }

        fn lock(&mut self, id: AgreementId) -> Result<(), Error> {
            self.lock_agreement(id)
        }

        fn lock_by_customers(&mut self, customers: &[CustomerId]) -> Result<Vec<CustomerAgreement>, Error> {
            self.lock_agreements_of(customers)?;
            let customers = customers.iter().map(|customer| customer.0);
            let query = agreements()
                .filter(one_of(customer_agreement::enterprise_customer_uuid, customers))
                .order(customer_agreement::uuid);
            let found = self.read(|connection| query.load::<AgreementWithMessage>(connection))?;
            found.into_iter().map(agreement).collect()
        }

        fn holders_of_slugs(&mut self, slugs: &[String]) -> Result<HashMap<String, AgreementId>, Error> {
            let query = customer_agreement::table
                .filter(one_of(customer_agreement::enterprise_customer_slug, slugs.iter().map(String::as_str)))
                .select((customer_agreement::enterprise_customer_slug, customer_agreement::uuid));
            let found: Vec<(Option<String>, Uuid)> = self.read(|connection| query.load(connection))?;
            Ok(found.into_iter().filter_map(|(slug, id)| Some((slug?, AgreementId(id)))).collect())
        }

        fn rename(&mut self, names: &[(AgreementId, String, String)], change: &Change) -> Result<(), Error> {
            self.rename_agreements(names, change)
        }

        fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
            let query = agreements().filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
            let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
            found.map(agreement).transpose()
        }

        fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
            let query = agreements().filter(customer_agreement::enterprise_customer_slug.eq(slug));
            let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
            found.map(agreement).transpose()
        }

        fn list(
            &mut self,
            filter: &AgreementFilter,
            limit_offset: LimitOffset,
        ) -> Result<Vec<CustomerAgreement>, Error> {
            let query = matching!(agreements(), filter)
                .order(customer_agreement::uuid);
            let query = part(query, limit_offset);
            let found = self.read(|connection| query.load::<AgreementWithMessage>(connection))?;
            found.into_iter().map(agreement).collect()
        }

        fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
            let query = matching!(customer_agreement::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }

        fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
            let statement = diesel::insert_into(customer_agreement::table).values(AgreementRow::from(agreement));
            self.write_recorded(&CUSTOMER_AGREEMENT, agreement.id, ChangeKind::Added, change, statement)?;
            self.add_message(agreement, change)
        }

        fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
            let row = AgreementRow::from(agreement);
            let statement = update_row::<SqlUuid, _, _>(&CUSTOMER_AGREEMENT, agreement.id.0, row);
            self.write_recorded(&CUSTOMER_AGREEMENT, agreement.id, ChangeKind::Changed, change, statement)?;
            self.save_message(agreement, change)
        }

        fn delete(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
            self.delete_message(id, change)?;
            let statement = diesel::delete(customer_agreement::table.find(SqlUuid(id.0)));
            self.write_recorded(&CUSTOMER_AGREEMENT, id, ChangeKind::Deleted, change, statement)
        }
    }
}

//! What becomes of our tables in the database of the Django service.

use license_manager_adapters::export::ExportedRow;

/// The table of messages. One that is off is none here, and its versions may have no counterpart.
const MESSAGES: &str = "expiration_message";

/// What a column is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A text; none stays none.
    Text,
    /// A text; none becomes an empty one.
    Filled,
    /// A number.
    Number,
    /// The number of a row, which a history may not know: 0 becomes none.
    NumberOrNone,
    /// A flag.
    Flag,
    /// A moment.
    Moment,
    /// A UUID.
    Uuid,
    /// The UUID of a row, which a history may not know: the nil UUID becomes none.
    UuidOrNone,
    /// Seconds, which become microseconds.
    Seconds,
    /// The LMS's number of a person, packed into a UUID.
    PackedNumber,
    /// The name of a user, who has a number there.
    User,
    /// The slug of a type of sources, which has a number there.
    SourceType,
    /// The name of a role, which has a number there.
    Role,
    /// The number of a row that ours know by another row.
    OwnNumber,
    /// A list of licenses, which becomes lines.
    Lines,
    /// Whether there is no list.
    IsNone,
    /// The name of the file with a job's results.
    ResultsFile,
    /// The same text for every row.
    Always(&'static str),
    /// A text for new rows; a row that is there keeps its own.
    New(&'static str),
    /// A number for new rows; a row that is there keeps its own.
    NewNumber(i64),
    /// A password that nobody can enter, for new rows.
    NewPassword,
    /// What an import kept of the row, because it has no place in our tables; none otherwise. A row that is there keeps
    /// its own.
    Kept,
    /// A number that an import kept of the row, and otherwise this one. A row that is there keeps its own.
    KeptNumber(i64),
}

impl Form {
    /// Whether a row that is there keeps its own value.
    pub(super) fn is_kept(self) -> bool {
        matches!(self, Self::New(_) | Self::NewNumber(_) | Self::NewPassword | Self::Kept | Self::KeptNumber(_))
    }
}

/// A column there, the column of ours that it is made of, and how.
pub(super) type Column = (&'static str, &'static str, Form);

/// What happens to rows before they are written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// Nothing: no column of it is unique but its key.
    Nothing,
    /// The columns whose values are unique get others.
    Set(&'static str),
    /// They are removed.
    Remove,
}

/// A table there.
#[derive(Debug)]
pub(super) struct Table {
    /// Our table.
    pub name: &'static str,
    /// The table there.
    pub there: &'static str,
    /// Its history, if both have one.
    pub history: Option<&'static str>,
    /// The column there by which its rows are found.
    pub key: &'static str,
    /// Whether migrations fill it, so that its rows are replaced.
    pub is_seeded: bool,
    pub release: Release,
    pub columns: &'static [Column],
}

impl Table {
    const fn new(name: &'static str, there: &'static str, key: &'static str, columns: &'static [Column]) -> Self {
        Self { name, there, history: None, key, is_seeded: false, release: Release::Nothing, columns }
    }

    const fn with_history(mut self, history: &'static str) -> Self {
        self.history = Some(history);
        self
    }

    const fn released(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    const fn seeded(mut self) -> Self {
        self.is_seeded = true;
        self
    }

    /// The condition for versions there that this system must have.
    pub(super) fn counted_there(&self) -> &'static str {
        match self.name {
            MESSAGES => "has_custom_license_expiration_messaging AND history_type <> '-'",
            _ => "1 = 1",
        }
    }

    /// Whether a version of ours is one of those.
    pub(super) fn counts(&self, version: &ExportedRow) -> bool {
        self.name != MESSAGES || version.get("history_type").and_then(serde_json::Value::as_str) != Some("-")
    }

    /// The column of ours that the key is made of.
    pub(super) fn own_key(&self) -> Column {
        self.columns.iter().copied().find(|(there, ..)| *there == self.key).unwrap_or((self.key, self.key, Form::Text))
    }
}

/// The columns that a history adds.
pub(super) const OF_HISTORY: [Column; 5] = [
    ("history_id", "history_id", Form::Number),
    ("history_date", "history_date", Form::Moment),
    ("history_type", "history_type", Form::Text),
    ("history_change_reason", "history_change_reason", Form::Text),
    ("history_user_id", "history_user", Form::User),
];

/// A column of the same name and form.
const fn same(name: &'static str, form: Form) -> Column {
    (name, name, form)
}

const CREATED: Column = same("created", Form::Moment);
const MODIFIED: Column = same("modified", Form::Moment);

/// All tables there that are written.
pub(super) const TABLES: &[Table] = &[
    Table::new(
        "users",
        "core_user",
        "username",
        &[
            same("username", Form::Text),
            same("email", Form::Filled),
            same("is_staff", Form::Flag),
            same("is_superuser", Form::Flag),
            ("date_joined", "created", Form::Moment),
            same("last_login", Form::Moment),
            ("password", "", Form::NewPassword),
            ("first_name", "", Form::New("")),
            ("last_name", "", Form::New("")),
            ("is_active", "", Form::KeptNumber(1)),
        ],
    ),
    Table::new(
        "plan_type",
        "subscriptions_plantype",
        "id",
        &[
            same("id", Form::Number),
            same("label", Form::Text),
            same("description", Form::Filled),
            same("is_paid_subscription", Form::Flag),
            same("ns_id_required", Form::Flag),
            same("sf_id_required", Form::Flag),
            same("internal_use_only", Form::Flag),
        ],
    )
    .seeded(),
    Table::new(
        "product",
        "subscriptions_product",
        "id",
        &[
            same("id", Form::Number),
            same("name", Form::Text),
            same("description", Form::Filled),
            same("netsuite_id", Form::Number),
            same("salesforce_product_id", Form::Text),
            same("plan_type_id", Form::NumberOrNone),
        ],
    )
    .with_history("subscriptions_historicalproduct")
    .released(Release::Set("netsuite_id = NULL"))
    .seeded(),
    Table::new(
        "customer_agreement",
        "subscriptions_customeragreement",
        "uuid",
        &[
            same("uuid", Form::Uuid),
            CREATED,
            MODIFIED,
            same("enterprise_customer_uuid", Form::Uuid),
            same("enterprise_customer_slug", Form::Text),
            same("enterprise_customer_name", Form::Text),
            same("default_enterprise_catalog_uuid", Form::Uuid),
            same("disable_expiration_notifications", Form::Flag),
            same("disable_onboarding_notifications", Form::Flag),
            ("license_duration_before_purge", "license_duration_before_purge_seconds", Form::Seconds),
            same("enable_auto_applied_subscriptions_with_universal_link", Form::Flag),
            same("enable_auto_scaling_of_current_plan", Form::Flag),
            same("auto_scaling_max_licenses", Form::Number),
            same("auto_scaling_threshold_percentage", Form::Number),
            same("auto_scaling_increment_percentage", Form::Number),
            // The old place of the message.
            ("has_custom_license_expiration_messaging", "", Form::KeptNumber(0)),
            ("modal_header_text", "", Form::Kept),
            ("expired_subscription_modal_messaging", "", Form::Kept),
            ("button_label_in_modal", "", Form::Kept),
            ("url_for_button_in_modal", "", Form::Kept),
        ],
    )
    .with_history("subscriptions_historicalcustomeragreement")
    .released(Release::Set("enterprise_customer_slug = NULL")),
    Table::new(
        MESSAGES,
        "subscriptions_customsubscriptionexpirationmessaging",
        "customer_agreement_id",
        &[
            ("customer_agreement_id", "customer_agreement_uuid", Form::UuidOrNone),
            ("id", "first_version", Form::OwnNumber),
            ("has_custom_license_expiration_messaging", "", Form::NewNumber(1)),
            same("modal_header_text", Form::Text),
            ("expired_subscription_modal_messaging", "modal_messaging", Form::Text),
            ("button_label_in_modal", "button_label", Form::Text),
            ("url_for_button_in_modal", "button_url", Form::Text),
        ],
    )
    .with_history("subscriptions_historicalcustomsubscriptionexpirationmessaging"),
    Table::new(
        "subscription_plan",
        "subscriptions_subscriptionplan",
        "uuid",
        &[
            same("uuid", Form::Uuid),
            CREATED,
            MODIFIED,
            same("title", Form::Text),
            same("start_date", Form::Moment),
            same("expiration_date", Form::Moment),
            same("expiration_processed", Form::Flag),
            same("enterprise_catalog_uuid", Form::Uuid),
            ("customer_agreement_id", "customer_agreement_uuid", Form::UuidOrNone),
            same("is_active", Form::Flag),
            same("is_revocation_cap_enabled", Form::Flag),
            same("revoke_max_percentage", Form::Number),
            same("num_revocations_applied", Form::Number),
            same("salesforce_opportunity_line_item", Form::Text),
            ("salesforce_opportunity_id", "", Form::Kept),
            same("product_id", Form::NumberOrNone),
            same("for_internal_use_only", Form::Flag),
            same("can_freeze_unused_licenses", Form::Flag),
            same("last_freeze_timestamp", Form::Moment),
            same("should_auto_apply_licenses", Form::Flag),
            same("desired_num_licenses", Form::Number),
        ],
    )
    .with_history("subscriptions_historicalsubscriptionplan")
    .released(Release::Set("title = CAST(uuid AS CHAR)")),
    Table::new(
        "license",
        "subscriptions_license",
        "uuid",
        &[
            same("uuid", Form::Uuid),
            CREATED,
            MODIFIED,
            same("status", Form::Text),
            same("activation_date", Form::Moment),
            same("last_remind_date", Form::Moment),
            same("user_email", Form::Text),
            same("lms_user_id", Form::Number),
            ("subscription_plan_id", "subscription_plan_uuid", Form::UuidOrNone),
            same("activation_key", Form::Uuid),
            same("assigned_date", Form::Moment),
            same("revoked_date", Form::Moment),
            ("renewed_to_id", "renewed_to_uuid", Form::Uuid),
            same("auto_applied", Form::Flag),
        ],
    )
    .with_history("subscriptions_historicallicense")
    .released(Release::Set("renewed_to_id = NULL")),
    Table::new(
        "license_source",
        "subscriptions_subscriptionlicensesource",
        "license_id",
        &[
            ("license_id", "license_uuid", Form::UuidOrNone),
            ("id", "first_version", Form::OwnNumber),
            CREATED,
            MODIFIED,
            same("source_id", Form::Text),
            ("source_type_id", "source_type", Form::SourceType),
        ],
    )
    .with_history("subscriptions_historicalsubscriptionlicensesource"),
    Table::new(
        "license_event",
        "subscriptions_licenseevent",
        "id",
        &[
            same("id", Form::Number),
            CREATED,
            ("modified", "created", Form::Moment),
            same("event_name", Form::Text),
            ("license_id", "license_uuid", Form::Uuid),
        ],
    ),
    Table::new(
        "subscription_plan_renewal",
        "subscriptions_subscriptionplanrenewal",
        "id",
        &[
            same("id", Form::Number),
            CREATED,
            MODIFIED,
            same("salesforce_opportunity_id", Form::Text),
            same("number_of_licenses", Form::Number),
            same("effective_date", Form::Moment),
            same("renewed_expiration_date", Form::Moment),
            same("processed", Form::Flag),
            ("prior_subscription_plan_id", "prior_subscription_plan_uuid", Form::UuidOrNone),
            ("renewed_subscription_plan_id", "renewed_subscription_plan_uuid", Form::UuidOrNone),
            same("license_types_to_copy", Form::Text),
            same("processed_datetime", Form::Moment),
            same("renewed_plan_title", Form::Text),
            same("disable_auto_apply_licenses", Form::Flag),
            same("exempt_from_batch_processing", Form::Flag),
        ],
    )
    .with_history("subscriptions_historicalsubscriptionplanrenewal")
    .released(Release::Remove),
    Table::new(
        "license_transfer_job",
        "subscriptions_licensetransferjob",
        "id",
        &[
            same("id", Form::Number),
            CREATED,
            MODIFIED,
            same("completed_at", Form::Moment),
            same("notes", Form::Text),
            same("is_dry_run", Form::Flag),
            ("delimiter", "", Form::Always("newline")),
            ("license_uuids_raw", "license_uuids", Form::Lines),
            same("processed_results", Form::Text),
            ("customer_agreement_id", "customer_agreement_uuid", Form::UuidOrNone),
            ("old_subscription_plan_id", "old_subscription_plan_uuid", Form::UuidOrNone),
            ("new_subscription_plan_id", "new_subscription_plan_uuid", Form::UuidOrNone),
            ("transfer_all", "license_uuids", Form::IsNone),
        ],
    )
    .with_history("subscriptions_historicallicensetransferjob"),
    Table::new(
        "notification",
        "subscriptions_notification",
        "id",
        &[
            same("id", Form::Number),
            CREATED,
            MODIFIED,
            same("enterprise_customer_uuid", Form::Uuid),
            ("enterprise_customer_user_uuid", "enterprise_customer_user_id", Form::PackedNumber),
            ("subscripton_plan_id", "subscription_plan_uuid", Form::UuidOrNone),
            same("notification_type", Form::Text),
            same("last_sent", Form::Moment),
        ],
    )
    .with_history("subscriptions_historicalnotification"),
    Table::new(
        "role_assignment",
        "subscriptions_subscriptionsroleassignment",
        "id",
        &[
            same("id", Form::Number),
            CREATED,
            ("modified", "created", Form::Moment),
            same("enterprise_customer_uuid", Form::Uuid),
            ("role_id", "role", Form::Role),
            ("user_id", "username", Form::User),
            ("applies_to_all_contexts", "", Form::NewNumber(0)),
        ],
    ),
    Table::new(
        "bulk_enrollment_job",
        "api_bulkenrollmentjob",
        "uuid",
        &[
            same("uuid", Form::Uuid),
            CREATED,
            MODIFIED,
            same("enterprise_customer_uuid", Form::Uuid),
            same("lms_user_id", Form::Number),
            ("results_s3_object_name", "results_file", Form::ResultsFile),
        ],
    ),
];

/// Tables whose rows are found by a name, and are added where one is missing: the name's column, and the others.
pub(super) const SOURCE_TYPES: Named =
    Named { table: "subscriptions_subscriptionlicensesourcetype", column: "slug", others: &["name"] };
pub(super) const ROLES: Named = Named { table: "subscriptions_subscriptionsfeaturerole", column: "name", others: &[] };

/// A table of names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub table: &'static str,
    /// The column with the name.
    pub column: &'static str,
    /// Columns of new rows that get the name too.
    pub others: &'static [&'static str],
}

/// The table and column whose values must differ there, by the kind of names.
pub(super) fn column_of_names(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "users" => Some(("core_user", "username")),
        "customer_agreement" => Some(("subscriptions_customeragreement", "enterprise_customer_slug")),
        "subscription_plan" => Some(("subscriptions_subscriptionplan", "title")),
        _ => None,
    }
}

/// The table of rows of ours, and whether they are versions of its history.
pub(super) fn of(name: &str) -> Option<(&'static Table, bool)> {
    TABLES.iter().find_map(|table| match name.strip_prefix(table.name) {
        Some("") => Some((table, false)),
        Some("_history") => Some((table, true)),
        _ => None,
    })
}

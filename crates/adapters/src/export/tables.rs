//! Which tables are exported, in which order.

/// A table that is exported.
pub(super) struct Table {
    pub name: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// Its history, if the destination keeps one.
    pub history: Option<&'static str>,
    /// The columns that its rows and versions get besides their own: a name, an expression over `own`, and whether it is
    /// a moment.
    pub added: &'static [(&'static str, &'static str, bool)],
    /// Which rows changed since a moment. `$RECORDED` is whether a `version` was recorded since; `$BEGUN` is the moment, or
    /// the first import if that was earlier: from then on people may have used this system beside the other one.
    pub changed: &'static str,
}

impl Table {
    const fn with_history(name: &'static str, key: &'static str, history: &'static str, changed: &'static str) -> Self {
        Self { name, key, history: Some(history), added: &[], changed }
    }

    const fn alone(name: &'static str, key: &'static str, changed: &'static str) -> Self {
        Self { name, key, history: None, added: &[], changed }
    }

    const fn adding(mut self, added: &'static [(&'static str, &'static str, bool)]) -> Self {
        self.added = added;
        self
    }

    /// The table and its history.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.history)
    }
}

/// Declares the condition for a table whose history tells its changes.
macro_rules! versioned {
    ($name:literal, $key:literal) => {
        Table::with_history(
            $name,
            $key,
            concat!($name, "_history"),
            concat!(
                "own.",
                $key,
                " IN (SELECT version.",
                $key,
                " FROM ",
                $name,
                "_history AS version WHERE $RECORDED)"
            ),
        )
    };
}

/// What an import kept of a row for the way back: values that have no place in our tables.
macro_rules! kept {
    ($table:literal, $key:literal) => {
        (
            "kept",
            concat!(
                "(SELECT beside.kept FROM imported_value AS beside WHERE beside.source_table = '",
                $table,
                "' AND beside.source_key = ",
                $key,
                ")"
            ),
            false,
        )
    };
}

/// The first version of a row numbers what has no number of its own.
macro_rules! numbered_by_first_version {
    ($name:literal, $key:literal) => {
        &[(
            "first_version",
            concat!(
                "(SELECT min(version.history_id) FROM ",
                $name,
                "_history AS version WHERE version.",
                $key,
                " = own.",
                $key,
                ")"
            ),
            false,
        )]
    };
}

/// All of them. Users come first, because histories name them.
pub(super) const TABLES: &[Table] = &[
    Table::alone("users", "username", "own.modified >= $BEGUN")
        .adding(&[("last_login", "nullif(own.modified, own.created)", true), kept!("core_user", "own.username")]),
    Table::alone("plan_type", "id", "1 = 1"),
    versioned!("product", "id"),
    versioned!("customer_agreement", "uuid").adding(&[kept!("customeragreement", "CAST(own.uuid AS text)")]),
    versioned!("expiration_message", "customer_agreement_uuid")
        .adding(numbered_by_first_version!("expiration_message", "customer_agreement_uuid")),
    versioned!("subscription_plan", "uuid").adding(&[kept!("subscriptionplan", "CAST(own.uuid AS text)")]),
    versioned!("license", "uuid"),
    // Erasing a person removes sources together with their history, so the license tells it.
    Table::with_history(
        "license_source",
        "license_uuid",
        "license_source_history",
        "own.license_uuid IN (
             SELECT version.license_uuid FROM license_source_history AS version WHERE $RECORDED
             UNION SELECT version.uuid FROM license_history AS version WHERE $RECORDED)",
    )
    .adding(numbered_by_first_version!("license_source", "license_uuid")),
    // Its history tells deletions alone.
    Table::alone(
        "license_event",
        "id",
        "own.created >= $BEGUN
         OR own.id IN (SELECT version.id FROM license_event_history AS version WHERE version.history_date >= $BEGUN)",
    ),
    versioned!("subscription_plan_renewal", "id"),
    versioned!("license_transfer_job", "id"),
    versioned!("notification", "id"),
    Table::alone("role_assignment", "id", "1 = 1"),
    // Erasing a person removes the requester of a job, and leaves its time.
    Table::alone("bulk_enrollment_job", "uuid", "own.modified >= $BEGUN OR own.lms_user_id IS NULL"),
];

/// Tables that say nothing of their own: what is counted or indexed, and how this database came to be.
pub(super) const WITHOUT_MEANING: [&str; 11] = [
    "__diesel_schema_migrations",
    "idempotency_usage",
    "imported_range",
    "imported_row",
    "imported_value",
    "imported_versions",
    "license_address",
    "outbox_words",
    "seat_activation",
    "seat_change",
    "seat_total",
];

/// The names that must differ there: their kind, and the statement that reads them as JSON.
pub(super) const NAMES: [(&str, &str); 3] = [
    ("users", "SELECT $OBJECT['name', username, 'about', 'users ' || username]OBJECT AS text FROM users"),
    (
        "customer_agreement",
        "SELECT $OBJECT['name', enterprise_customer_slug, 'about',
                        'customer_agreement ' || CAST(uuid AS text) || ' ' || enterprise_customer_slug]OBJECT AS text
         FROM customer_agreement WHERE enterprise_customer_slug IS NOT NULL",
    ),
    (
        "subscription_plan",
        "SELECT $OBJECT['scope', CAST(customer_agreement_uuid AS text), 'name', title, 'about',
                        'subscription_plan ' || CAST(uuid AS text) || ' ' || title]OBJECT AS text
         FROM subscription_plan",
    ),
];

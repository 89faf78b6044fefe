//! `license-manager export`: the way back to the Django service, from both databases.

use std::time::Duration;

use license_manager_tests::{
    Client, Customer, Database, DjangoIds, DjangoServer, PROVISIONING, Person, Ran, Request, Server, poll, text,
};
use serde_json::{Value, json};

fn export(source: &Database, to: &str, more: &[&str]) -> Ran {
    Ran::alone(source.url(), &[&["export", "--to", to], more].concat())
}

fn import(target: &Database, from: &str, more: &[&str]) -> Ran {
    Ran::alone(target.url(), &[&["import", "--from", from], more].concat())
}

/// The JSON summary of a run.
#[track_caller]
fn summary(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// The UUID of repeated digits.
fn uuid_of(digits: &str) -> String {
    let all = digits.repeat(16);
    format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

/// The rows of a rule.
fn rows_of(summary: &Value, rule: &str) -> u64 {
    let rules = summary["rules"].as_array().expect("a list of rules");
    rules.iter().find(|row| row["rule"] == rule).and_then(|row| row["rows"].as_u64()).unwrap_or_default()
}

/// Panics unless every row, with every field, is equal to what an import of the other database would make of it. With
/// `but_history`, versions are left out.
#[track_caller]
fn assert_equal(database: &Database, there: &str, but_history: bool) {
    let verified = import(database, there, &["--verify", "--output", "json"]);
    let found = summary(&verified);
    let tables = found["tables"].as_array().expect("tables");
    assert!(tables.len() > 20, "{found}");
    for table in tables {
        let is_history = table["table"].as_str().is_some_and(|name| name.ends_with("_history"));
        assert!(table["differences"] == 0 || (is_history && but_history), "{table}");
    }
}

/// Rows that stay as they were: the table, what is compared, and which rows the import mends.
const UNMENDED: [(&str, &str, &str); 12] = [
    ("core_user", "username, lower(email), is_superuser, is_staff, date_joined, last_login", "username = 'gone'"),
    ("subscriptions_plantype", "id, label, description, is_paid_subscription, internal_use_only", "0"),
    ("subscriptions_product", "id, name, description, netsuite_id, plan_type_id", "0"),
    (
        "subscriptions_customeragreement",
        "uuid, created, modified, enterprise_customer_uuid, enterprise_customer_slug, license_duration_before_purge",
        "uuid IN (REPEAT('a1', 16), REPEAT('a4', 16))",
    ),
    (
        "subscriptions_customsubscriptionexpirationmessaging",
        "customer_agreement_id, modal_header_text, expired_subscription_modal_messaging, url_for_button_in_modal",
        "has_custom_license_expiration_messaging = 0 OR customer_agreement_id = REPEAT('a4', 16)",
    ),
    (
        "subscriptions_subscriptionplan",
        "uuid, created, modified, title, start_date, expiration_date, customer_agreement_id, product_id, is_active,
         should_auto_apply_licenses, last_freeze_timestamp, nullif(salesforce_opportunity_line_item, '')",
        "uuid IN (REPEAT('b3', 16), REPEAT('b4', 16))",
    ),
    (
        "subscriptions_license",
        "uuid, created, modified, status, lower(user_email), lms_user_id, subscription_plan_id, activation_key,
         assigned_date, activation_date, last_remind_date, revoked_date, renewed_to_id, auto_applied",
        "uuid NOT IN (REPEAT('01', 16), REPEAT('02', 16), REPEAT('03', 16), REPEAT('07', 16), REPEAT('0f', 16),
                      REPEAT('11', 16))",
    ),
    (
        "subscriptions_historicallicense",
        "history_id, history_date, uuid, lower(user_email), lms_user_id, subscription_plan_id, activation_key,
         assigned_date, history_change_reason",
        "history_id > 113 OR history_id IN (105)",
    ),
    ("subscriptions_subscriptionlicensesource", "license_id, source_id, created", "source_id NOT LIKE '006A%'"),
    ("subscriptions_licenseevent", "id, created, event_name, license_id", "id = 6"),
    (
        "subscriptions_subscriptionplanrenewal",
        "id, created, number_of_licenses, effective_date, renewed_expiration_date, processed, processed_datetime,
         prior_subscription_plan_id, renewed_subscription_plan_id, license_types_to_copy, nullif(renewed_plan_title, '')",
        "id IN (21, 22, 23)",
    ),
    (
        "api_bulkenrollmentjob",
        "uuid, created, modified, enterprise_customer_uuid, lms_user_id, results_s3_object_name",
        "0",
    ),
];

#[test]
fn an_imported_database_goes_back_as_it_was_but_for_mended_rows() {
    let mariadb = DjangoServer::new();
    for ids in DjangoIds::ALL {
        let name = format!("{ids:?}").to_lowercase();
        let old = mariadb.oddities(&name, ids);
        for (database, target) in [(Database::sqlite(), "sqlite"), (Database::postgres(), "postgres")] {
            let done = import(&database, &old, &[]);
            assert!(done.succeeded, "{done:?}");
            let back = format!("{name}_{target}");
            let to = mariadb.fresh(&back, ids);
            let dry = export(&database, &to, &["--dry-run", "--output", "json"]);
            assert!(dry.succeeded && summary(&dry)["dry_run"] == true, "{dry:?}");
            assert_eq!(mariadb.rows(&back, "SELECT count(*) FROM subscriptions_license"), ["0"]);

            let exported = export(&database, &to, &["--output", "json"]);
            assert!(exported.succeeded, "{exported:?}");
            let told = summary(&exported);
            assert_eq!((&told["tables"]["license"], &told["rules"]), (&json!(16), &json!([])), "{told}");
            assert_equal(&database, &to, false);
            for (table, columns, mended) in UNMENDED {
                let differ = |one: &str, other: &str| {
                    format!(
                        "SELECT {columns} FROM {one}.{table} WHERE NOT ({mended})
                         EXCEPT SELECT {columns} FROM {other}.{table}"
                    )
                };
                assert_eq!(mariadb.rows(&back, &differ(&name, &back)), [""; 0], "{ids:?} {table}: gone");
                assert_eq!(mariadb.rows(&back, &differ(&back, &name)), [""; 0], "{ids:?} {table}: new");
            }
            // What has no place here was kept for the way back.
            let kept = "SELECT title FROM subscriptions_subscriptionplan WHERE salesforce_opportunity_id LIKE '006%'
                        UNION SELECT username FROM core_user WHERE NOT is_active";
            assert_eq!(mariadb.rows(&back, kept), ["Old", "gone"]);
            let users = "SELECT count(*) FROM core_user WHERE password NOT LIKE '!%' OR length(password) < 20";
            assert_eq!(mariadb.rows(&back, users), ["0"], "nobody logs in with a password");
            let who = "SELECT person.username FROM subscriptions_historicallicense AS version
                       JOIN core_user AS person ON person.id = version.history_user_id WHERE history_id = 101";
            assert_eq!(mariadb.rows(&back, who), ["amy"]);
            // Numbers go on after those that only the history remembers.
            mariadb.execute(
                &back,
                "INSERT INTO subscriptions_licensetransferjob (created, modified, is_dry_run, delimiter,
                     customer_agreement_id, new_subscription_plan_id, old_subscription_plan_id, transfer_all)
                 SELECT created, modified, is_dry_run, delimiter, customer_agreement_id, new_subscription_plan_id,
                     old_subscription_plan_id, transfer_all FROM subscriptions_licensetransferjob LIMIT 1",
            );
            assert_eq!(mariadb.rows(&back, "SELECT max(id) FROM subscriptions_licensetransferjob"), ["40"]);

            let again = export(&database, &to, &[]);
            assert!(again.code == Some(1) && again.stderr.contains("is not empty"), "{again:?}");
        }
    }
}

/// Work of every kind on a new server.
fn work(server: &Server) -> Customer {
    let customer = Customer::new(server);
    let plan = customer.plan(6);
    let people: Vec<String> = ["amy", "bob", "o'hara", "eve"].map(|name| customer.email(name)).into();
    let sold = json!({ "user_emails": people, "user_sfids": ["006000000000000001", null, null, null] });
    plan.admin.post(&plan.path("licenses/assign/"), &sold).expect(200);
    for (id, name) in [(7, "amy"), (8, "bob")] {
        let person = customer.learner(id, name);
        let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(person.email()));
        server.client(&person).send(Request::new("POST", path)).expect(200);
    }
    let gone = json!({ "user_emails": [customer.email("bob")] });
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &gone).expect(200);
    let other = customer.plan(3);
    let license = text(&plan.licenses("assigned")[0]["uuid"]);
    let jobs = format!("{PROVISIONING}/license-transfer-jobs/");
    let job = json!({
        "customer_agreement": customer.agreement, "license_uuids": [license], "old_subscription_plan": plan.uuid,
        "new_subscription_plan": other.uuid, "notes": "to the \\ other 'plan'\n名前",
    });
    let job = customer.operator().post(&jobs, &job).expect(201);
    customer.operator().post(&format!("{jobs}{}/process/", job["id"]), &json!({ "is_dry_run": false })).expect(200);
    let renewal = json!({
        "prior_subscription_plan": plan.uuid, "number_of_licenses": 6, "salesforce_opportunity_id": "00k000000000000009",
        "effective_date": "2100-01-01T00:00:00Z", "renewed_expiration_date": "2101-01-01T00:00:00Z",
    });
    let renewals = format!("{PROVISIONING}/subscription-plan-renewals/");
    let renewal = customer.operator().post(&renewals, &renewal).expect(201);
    customer.operator().post(&format!("{renewals}{}/process/", renewal["id"]), &json!({})).expect(201);
    let message = json!({
        "has_custom_license_expiration_messaging_v2": true, "modal_header_text_v2": "Over",
        "expired_subscription_modal_messaging_v2": "<p>Over</p>", "button_label_in_modal_v2": "Go",
        "url_for_button_in_modal_v2": "https://example.com/go",
    });
    let settings = format!("{PROVISIONING}/customer-agreement/{}/settings/", customer.agreement);
    customer.operator().patch(&settings, &message).expect(200);
    customer
}

#[test]
fn what_was_done_here_goes_there_and_comes_back_the_same() {
    let mariadb = DjangoServer::new();
    for (database, name, ids) in
        [(Database::sqlite(), "of_sqlite", DjangoIds::Text), (Database::postgres(), "of_postgres", DjangoIds::Native)]
    {
        let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
        let customer = work(&server);
        let webhook = json!({ "url": "https://hooks.example.com/" });
        customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &webhook).expect(201);
        drop(server);
        let to = mariadb.fresh(name, ids);
        let exported = export(&database, &to, &["--output", "json"]);
        assert!(exported.succeeded, "{exported:?}");
        let told = summary(&exported);
        assert_eq!(told["left"]["webhook"], 1, "{told}");
        assert!(told["left"]["outbox"].as_i64().is_some_and(|messages| messages > 0), "{told}");
        assert!(told["left"].get("seat_change").is_none() && told["refused"] == false, "{told}");
        // The other way, into a database that says when it was imported.
        let moment = if name == "of_sqlite" { "0" } else { "to_timestamp(0)" };
        database.execute(&format!(
            "INSERT INTO imported_versions (id, imported_at, last_license_history_id, own_versions_from, finished_at)
             VALUES (1, {moment}, 0, 9000000000, {moment})"
        ));
        assert_equal(&database, &to, false);
        let again = Database::sqlite();
        let imported = import(&again, &to, &["--output", "json"]);
        assert!(imported.succeeded && summary(&imported)["rules"] == json!([]), "nothing is mended: {imported:?}");
        again.assert_sound();
    }
}

/// The work on an imported database since a moment: everything that an export of changes has to carry.
fn changes(server: &Server) {
    let customer = uuid_of("c2");
    let operator = Client::of(
        server.base(),
        &Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*"),
    );
    let admin = Person::new(8, "boss@example.com", "boss").role(format!("enterprise_admin:{customer}"));
    let admin = server.client(&admin);
    let size = json!({ "desired_num_licenses": 3, "change_reason": "other" });
    operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", uuid_of("b2")), &size).expect(200);
    let licenses = |plan: &str, below: &str| format!("/api/v1/subscriptions/{}/licenses/{below}", uuid_of(plan));
    let sold = json!({ "user_emails": ["new@example.com"], "user_sfids": ["006000000000000002"] });
    admin.post(&licenses("b2", "assign/"), &sold).expect(200);
    let assigned = admin.get(&licenses("b2", "?search=new@example.com")).expect(200);
    let key = text(&assigned["results"][0]["activation_key"]);
    let new = Person::new(20, "new@example.com", "new").role(format!("enterprise_learner:{customer}"));
    server.client(&new).post(&format!("/api/v1/license-activation/?activation_key={key}"), &json!({})).expect(200);
    admin.post(&licenses("b1", "bulk-revoke/"), &json!({ "user_emails": ["dan@example.com"] })).expect(200);
    // Two plans exchange their titles.
    for (plan, title) in [("b1", "For now"), ("b2", "Plan"), ("b1", "Plan - Renewal")] {
        let change = json!({ "title": title, "change_reason": "other" });
        operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", uuid_of(plan)), &change).expect(200);
    }
    let change = json!({ "title": "Older", "change_reason": "other" });
    operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", uuid_of("b3")), &change).expect(200);
    // Amy is erased, with the history.
    let worker = server.client(&Person::new(6, "worker@example.com", "retirement_worker"));
    worker.post("/api/v1/retire_user/", &json!({ "lms_user_id": 7, "original_username": "amy" })).expect(204);
}

/// A database that was left for this service.
struct Left<'a> {
    mariadb: &'a DjangoServer,
    name: &'a str,
    url: String,
    /// Into which it was imported.
    database: Database,
    /// When.
    since: String,
}

impl<'a> Left<'a> {
    fn new(mariadb: &'a DjangoServer, database: Database, name: &'a str, ids: DjangoIds) -> Self {
        let url = mariadb.oddities(name, ids);
        mariadb.execute(
            name,
            "UPDATE core_user SET first_name = 'Ada', password = 'pbkdf2' WHERE username = 'desk';
             ALTER TABLE subscriptions_subscriptionplan ADD UNIQUE (title, customer_agreement_id)",
        );
        let done = import(&database, &url, &[]);
        assert!(done.succeeded, "{done:?}");
        let since = database.texts(if name == "left_sqlite" {
            "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', imported_at / 1000000, 'unixepoch') AS text FROM imported_versions"
        } else {
            "SELECT to_char(imported_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS text
             FROM imported_versions"
        });
        Self { mariadb, name, url, database, since: since.concat() }
    }

    fn server(&self) -> Server {
        let settings = [("LM_AUTH__RETIREMENT_WORKER", "retirement_worker"), ("LM_WORKER__ENABLED", "false")];
        Server::start_with(self.database.url(), &settings)
    }

    fn export(&self, more: &[&str]) -> Ran {
        export(&self.database, &self.url, &[&["--changes-since", self.since.as_str()], more].concat())
    }

    fn rows(&self, query: &str) -> Vec<String> {
        self.mariadb.rows(self.name, query)
    }
}

#[test]
fn changes_go_back_onto_the_database_that_was_left() {
    let mariadb = DjangoServer::new();
    for (database, name, ids) in [
        (Database::sqlite(), "left_sqlite", DjangoIds::Mixed),
        (Database::postgres(), "left_postgres", DjangoIds::Native),
    ] {
        let left = Left::new(&mariadb, database, name, ids);
        let server = left.server();
        changes(&server);
        drop(server);
        left.database.assert_sound();
        changes_go_back(&left);
        an_erased_person_is_erased_there(&left);
        what_came_early_goes_back(&left);
        what_was_written_there_is_not_lost(&left);
    }
}

fn changes_go_back(left: &Left<'_>) {
    let before = left.rows("SELECT count(*) FROM subscriptions_historicallicense");
    let dry = left.export(&["--dry-run", "--output", "json"]);
    assert!(dry.succeeded && summary(&dry)["tables"]["subscription_plan"].as_i64() >= Some(3), "{dry:?}");
    assert_eq!(left.rows("SELECT count(*) FROM subscriptions_historicallicense"), before);

    let exported = left.export(&["--output", "json"]);
    assert!(exported.succeeded && summary(&exported)["refused"] == false, "{exported:?}");
    assert_equal(&left.database, &left.url, true);
    // What this service does not know stays.
    assert_eq!(
        left.rows("SELECT title, salesforce_opportunity_id FROM subscriptions_subscriptionplan WHERE title = 'Older'"),
        ["Older\t006AAAAAAAAAAAAAAA"]
    );
    assert_eq!(
        left.rows("SELECT first_name, password, is_active FROM core_user WHERE username = 'desk'"),
        ["Ada\tpbkdf2\t1"]
    );
    assert_eq!(left.rows("SELECT is_active, is_staff FROM core_user WHERE username = 'gone'"), ["0\t1"], "untouched");
    // An erased person is erased there too.
    let traces = "SELECT username FROM core_user WHERE username = 'amy' OR email LIKE 'amy@%'
                  UNION SELECT user_email FROM subscriptions_license WHERE user_email LIKE 'amy@%' OR lms_user_id = 7
                  UNION SELECT user_email FROM subscriptions_historicallicense
                        WHERE user_email LIKE 'amy@%' OR lms_user_id = 7
                  UNION SELECT source_id FROM subscriptions_subscriptionlicensesource WHERE license_id = REPEAT('01', 16)";
    assert_eq!(left.rows(traces), [""; 0]);
    assert_eq!(
        left.rows("SELECT count(*) FROM subscriptions_subscriptionsroleassignment WHERE user_id = 2 AND role_id <> 3"),
        ["0"]
    );

    // Once more changes nothing.
    let dump = "SELECT uuid, status, user_email, modified FROM subscriptions_license ORDER BY uuid";
    let first = left.rows(dump);
    let again = left.export(&[]);
    assert!(again.succeeded, "{again:?}");
    assert_eq!(left.rows(dump), first);
}

/// A person is erased here whose source went there before, with its versions.
fn an_erased_person_is_erased_there(left: &Left<'_>) {
    let sources = "SELECT count(*) FROM subscriptions_historicalsubscriptionlicensesource
                   WHERE source_id = '006000000000000002'";
    assert_ne!(left.rows(sources), ["0"]);
    let server = left.server();
    let worker = server.client(&Person::new(6, "worker@example.com", "retirement_worker"));
    worker.post("/api/v1/retire_user/", &json!({ "lms_user_id": 20, "original_username": "new" })).expect(204);
    drop(server);
    let dry = left.export(&["--dry-run"]);
    assert!(dry.succeeded, "{dry:?}");
    assert_ne!(left.rows(sources), ["0"], "a dry run changes nothing");
    let erased = left.export(&[]);
    assert!(erased.succeeded, "{erased:?}");
    assert_eq!(left.rows(sources), ["0"]);
}

/// Who and what came here between the first import and the moment goes there too.
fn what_came_early_goes_back(left: &Left<'_>) {
    let [imported, early] = match left.name {
        "left_sqlite" => ["946684800000000", "1262304000000000"],
        _ => ["'2000-01-01Z'", "'2010-01-01Z'"],
    };
    left.database.execute(&format!(
        "UPDATE imported_versions SET imported_at = {imported};
         INSERT INTO users (username, is_staff, created, modified) VALUES ('early', false, {early}, {early});
         INSERT INTO role_assignment (username, role, created)
         VALUES ('early', 'enterprise_subscriptions_admin', {early});
         INSERT INTO license_event (license_uuid, event_name, created) VALUES ('{}', 'early', {early})",
        uuid_of("02")
    ));
    let with_early = left.export(&[]);
    assert!(with_early.succeeded, "{with_early:?}");
    let of_early = "SELECT count(*) FROM subscriptions_subscriptionsroleassignment AS own
                    JOIN core_user AS person ON person.id = own.user_id WHERE person.username = 'early'
                    UNION ALL SELECT count(*) FROM subscriptions_licenseevent WHERE event_name = 'early'";
    assert_eq!(left.rows(of_early), ["1", "1"]);
    // An earlier moment does no harm, and one to come is a mistake.
    let earlier = export(&left.database, &left.url, &["--changes-since", "2000-01-01", "--dry-run"]);
    assert!(earlier.succeeded, "{earlier:?}");
    let later = export(&left.database, &left.url, &["--changes-since", "2999-01-01"]);
    assert!(later.code == Some(2) && later.stderr.contains("in the future"), "{later:?}");
}

/// Somebody wrote there too: neither side's work is lost.
fn what_was_written_there_is_not_lost(left: &Left<'_>) {
    left.mariadb.execute(
        left.name,
        "INSERT INTO subscriptions_historicallicense
             (history_date, history_type, uuid, created, modified, status, subscription_plan_id)
         SELECT '2099-01-01', '~', uuid, created, modified, status, subscription_plan_id
         FROM subscriptions_license WHERE uuid = REPEAT('0f', 16)",
    );
    let refused = left.export(&["--output", "json"]);
    assert_eq!((refused.code, rows_of(&summary(&refused), "written_there")), (Some(1), 1), "{refused:?}");
    let written = left.rows("SELECT max(history_id) FROM subscriptions_historicallicense").concat();
    assert!(refused.stdout.contains(&format!("subscriptions_historicallicense {written}\"")), "{refused:?}");
}

#[test]
fn what_has_no_place_there_is_refused_with_the_list() {
    let mariadb = DjangoServer::new();
    for (database, name) in [(Database::sqlite(), "names_sqlite"), (Database::postgres(), "names_postgres")] {
        let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
        let customer = Customer::new(&server);
        let plan = customer.plan(1);
        for title in ["Plan", "plan", "Plän"] {
            let mut request = customer.plan_request(0);
            request["title"] = json!(title);
            customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
        }
        for username in ["Amy", "amy"] {
            let person =
                Person::new(30, "a@example.com", username).role(format!("enterprise_admin:{}", customer.enterprise));
            server.client(&person).get(&plan.path("")).expect(200);
        }
        // Whoever only reads is stored after the answer.
        let are_stored = || {
            let names = database.texts("SELECT username AS text FROM users WHERE username IN ('Amy', 'amy')");
            (names.len() == 2).then_some(())
        };
        poll(Duration::from_secs(20), are_stored).expect("both are stored");
        drop(server);
        database.execute(
            "UPDATE license SET status = 'activated', user_email = 'x@example.com', lms_user_id = 3000000000,
            activation_key = uuid, assigned_date = created, activation_date = created",
        );
        let to = mariadb.fresh(name, DjangoIds::Native);
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let report = folder.path().join("report.csv");
        let path = report.to_str().expect("a path is text");
        for more in [&["--dry-run"][..], &[]] {
            let refused = export(&database, &to, &[&["--report", path], more].concat());
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(
                refused.stdout.contains("equal names: 2") && refused.stdout.contains("too large: 1"),
                "{refused:?}"
            );
            let lines = std::fs::read_to_string(&report).expect("the report is read");
            assert!(lines.contains("equal_names,refused,users Amy = users amy"), "{lines}");
            let plans = |line: &str| [" Plan", " plan", " Plän"].iter().all(|title| line.contains(title));
            assert!(lines.lines().any(plans), "{lines}");
            assert!(lines.contains(": lms_user_id") && !lines.contains("3000000000"), "{lines}");
        }
        for table in ["subscriptions_license", "core_user", "subscriptions_subscriptionplan"] {
            assert_eq!(mariadb.rows(name, &format!("SELECT count(*) FROM {table}")), ["0"], "{table}");
        }
        assert_eq!(mariadb.rows(name, "SELECT count(*) FROM subscriptions_product"), ["5"], "first rows stay");
    }
}

#[test]
fn what_cannot_be_written_is_refused_in_one_line_without_the_password() {
    let mariadb = DjangoServer::new();
    let database = Database::sqlite();
    assert!(Ran::alone(database.url(), &["migrate"]).succeeded);
    let good = mariadb.fresh("good", DjangoIds::Native);
    let newer = mariadb.fresh("newer", DjangoIds::Native);
    mariadb.execute("newer", "ALTER TABLE subscriptions_license ADD COLUMN seat_kind varchar(8) NOT NULL");
    let wrong = good.replace("secret", "hush-hush");
    let cases = [
        (newer.as_str(), 1, "subscriptions_license.seat_kind"),
        (&wrong, 1, "Access denied"),
        ("postgres://lm:hush-hush@127.0.0.1/x", 2, "mysql://USER:PASSWORD@HOST/NAME"),
    ];
    for (to, code, text) in cases {
        let refused = export(&database, to, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(code), ""), "{refused:?}");
        assert!(refused.stderr.contains(text) && !refused.stderr.contains("hush-hush"), "{refused:?}");
    }
    let none = Ran::alone(database.url(), &["export"]);
    assert!(none.code == Some(2) && none.stderr.contains("LM_EXPORT__URL"), "{none:?}");
    let date = export(&database, &good, &["--changes-since", "yesterday"]);
    assert_eq!(date.code, Some(2), "{date:?}");
}

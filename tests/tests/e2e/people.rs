//! Reminders, look-ups, and the overview's paths.

use license_manager_tests::{
    Customer, Database, PATIENCE, PROVISIONING, Person, Scene, Server, assert_detail, on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    a_reminder_carries_the_words_of_the_admin,
    very_many_learners_are_reminded_after_the_answer,
    reminders_that_cannot_be_read_are_refused,
    staff_see_every_customer_s_licenses_of_a_person,
    look_ups_are_for_staff_only,
    licenses_of_all_plans_are_listed_for_those_who_administer_them,
    one_license_is_read_by_those_who_administer_it,
    the_overview_s_paths_assign_and_revoke_by_the_same_rules,
    agreements_are_found_under_the_overview_s_name,
);

fn a_reminder_carries_the_words_of_the_admin(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let emails = [customer.email("amy"), customer.email("bob")];
    plan.assign(&emails).expect(200);
    let before = plan.licenses("assigned");
    let waiting = || {
        let query = "SELECT outbox_words.greeting || '|' || outbox_words.closing || '|' || payload AS text
                     FROM outbox JOIN outbox_words ON outbox_words.uuid = outbox.words_uuid
                     WHERE topic = 'reminder' ORDER BY position";
        let texts = database.texts(query).into_iter();
        texts
            .map(|text| {
                let mut parts = text.splitn(3, '|').map(str::to_owned);
                let [greeting, closing, payload] = [(); 3].map(|()| parts.next().unwrap());
                (greeting, closing, serde_json::from_str::<Value>(&payload).unwrap())
            })
            .collect::<Vec<_>>()
    };
    let body = json!({ "user_emails": [emails[0].to_uppercase()], "greeting": "Hello", "closing": "Thanks" });
    plan.admin.post(&plan.path("licenses/remind/"), &body).expect(204);
    let key = plan.activation_key(&emails[0]);
    let [(greeting, closing, promised)]: [_; 1] = waiting().try_into().unwrap();
    assert_eq!((greeting.as_str(), closing.as_str()), ("Hello", "Thanks"));
    assert_eq!((&promised["email"], &promised["activation_key"]), (&json!(emails[0]), &json!(key)));
    assert_eq!(promised.get("greeting"), None, "words are not stored with each message");
    plan.admin.post(&plan.path("licenses/remind-all/"), &json!({ "greeting": "Hi" })).expect(204);
    let greetings: Vec<_> = waiting().into_iter().map(|(greeting, ..)| greeting).collect();
    assert_eq!(greetings, ["Hello", "Hi", "Hi"]);
    let words = || database.texts("SELECT greeting AS text FROM outbox_words ORDER BY greeting");
    assert_eq!(words(), ["Hello", "Hi"], "once for each request");
    let ids =
        database.texts("SELECT CAST(uuid AS text) AS text FROM outbox WHERE topic = 'reminder' ORDER BY position");
    let drop = ["outbox", "drop", &ids[1], &ids[2]];
    assert_eq!(server.command(&drop).code, Some(0));
    assert_eq!(words(), ["Hello"], "words go with their messages");
    assert_eq!(plan.licenses("assigned"), before, "reminded is who got the mail");
}

fn very_many_learners_are_reminded_after_the_answer(database: Database) {
    let settings =
        [("LM_WORKER__ENABLED", "false"), ("LM_PROVISIONING__INLINE_LIMIT", "2"), ("LM_PROVISIONING__BATCH_SIZE", "2")];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(5);
    poll(PATIENCE, || (plan.counts().total == 5).then_some(())).expect("the plan is filled");
    plan.assign(&customer.emails("learner", 5)).expect(200);
    let remind = |body: Value| plan.admin.post(&plan.path("licenses/remind-all/"), &body);

    // A job that rests for decades, without words.
    let in_decades = if database.url().starts_with("sqlite") { "4102444800000000" } else { "'2100-01-01'" };
    database.execute(&format!(
        "INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before, reminders)
         SELECT uuid, 'remind', created, {in_decades}, '{{}}' FROM subscription_plan WHERE uuid = '{}'",
        plan.uuid
    ));
    remind(json!({})).expect(204);
    let refused = remind(json!({ "greeting": "Hi" })).expect(422);
    assert!(refused.as_str().is_some_and(|text| text.contains("still being reminded")), "{refused}");
    database.execute("DELETE FROM plan_job");

    remind(json!({ "greeting": "Hi" })).expect(204);
    let jobs = || database.texts("SELECT kind AS text FROM plan_job");
    poll(PATIENCE, || jobs().is_empty().then_some(())).expect("the job ends");
    let reminded = "FROM outbox JOIN outbox_words ON outbox_words.uuid = outbox.words_uuid
                    WHERE topic = 'reminder' AND greeting = 'Hi'";
    let number = |what: &str| database.texts(&format!("SELECT CAST(count({what}) AS text) AS text {reminded}"));
    assert_eq!((number("*"), number("DISTINCT license_uuid")), (vec!["5".to_owned()], vec!["5".to_owned()]));
    assert_eq!(number("DISTINCT outbox_words.uuid"), ["3"], "words are stored once for each batch");
    database.assert_sound();
}

fn reminders_that_cannot_be_read_are_refused(database: Database) {
    let scene = Scene::new(database);
    let path = |below: &str| scene.plan.path(&format!("licenses/{below}/"));
    let amy = scene.customer.email("amy");
    let long = "x".repeat(50_001);
    for body in [
        json!([]),
        json!({ "user_emails": [] }),
        json!({ "user_emails": ["amy"] }),
        json!({ "user_emails": [amy], "filters": [{ "name": "user_email", "filter_value": "amy" }] }),
        json!({ "filters": [] }),
        json!({ "filters": [{ "name": "status_in", "filter_value": ["asleep"] }] }),
        json!({ "user_emails": [amy], "greeting": long }),
        json!({ "user_emails": [amy], "closing": ["Thanks"] }),
    ] {
        let answer = scene.plan.admin.post(&path("remind"), &body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    for body in [json!([]), json!({ "greeting": long })] {
        assert_eq!(scene.plan.admin.post(&path("remind-all"), &body).status, 400);
    }
    let learner = scene.server.client(&scene.customer.learner(7, "amy"));
    for below in ["remind", "remind-all"] {
        assert_detail(learner.post(&path(below), &json!({ "user_emails": [amy] })), 403, below);
        assert_detail(scene.plan.admin.get(&path(below)), 405, below);
    }
}

fn staff(customer: &Customer) -> Person {
    customer.person(5, "staff").claim("administrator", json!(true))
}

fn staff_see_every_customer_s_licenses_of_a_person(database: Database) {
    let server = Server::start(database.url());
    let customers = [Customer::new(&server), Customer::new(&server)];
    let amy = customers[0].email("amy");
    for customer in &customers {
        customer.plan(2).assign(std::slice::from_ref(&amy)).expect(200);
    }
    let staff = server.client(&staff(&customers[0]));
    let body = json!({ "user_email": amy.to_uppercase() });
    let found = staff.post("/api/v1/staff_lookup_licenses/", &body).expect(200);
    let links: Vec<&str> =
        found.as_array().unwrap().iter().map(|one| one["activation_link"].as_str().unwrap()).collect();
    assert_eq!(links.len(), 2);
    assert_ne!(
        links[0].split("/licenses/").next(),
        links[1].split("/licenses/").next(),
        "each with its customer's slug"
    );
    let dates: Vec<&str> = found.as_array().unwrap().iter().map(|one| one["assigned_date"].as_str().unwrap()).collect();
    assert!(dates[0] > dates[1], "the newest first: {dates:?}");

    let of = |customer: &Customer, query: &str| {
        let enterprise = customer.enterprise;
        let path = format!("/api/v1/admin-license-view/?user_email={amy}&enterprise_customer_uuid={enterprise}{query}");
        staff.get(&path)
    };
    for customer in &customers {
        let page = of(customer, "").expect(200);
        assert_eq!(page["count"], 1);
        let plan = &page["results"][0]["subscription_plan"];
        assert_eq!(plan["enterprise_customer_uuid"], customer.enterprise.to_string());
    }
    assert_detail(of(&customers[0], "&page=2"), 404, "a page that is not there");
}

fn look_ups_are_for_staff_only(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let amy = customer.email("amy");
    let view = format!("/api/v1/admin-license-view/?user_email={amy}&enterprise_customer_uuid={}", customer.enterprise);
    let (look_up, body) = ("/api/v1/staff_lookup_licenses/", json!({ "user_email": amy }));
    assert_detail(server.anonymous().get(&view), 401, "nobody");
    assert_detail(server.anonymous().post(look_up, &body), 401, "nobody");
    let admin = customer.admin().role("enterprise_admin:*").role("enterprise_provisioning_admin:*");
    assert_detail(server.client(&admin).get(&view), 403, "an admin");
    assert_detail(server.client(&admin).post(look_up, &body), 403, "an admin");

    let member = staff(&customer);
    server.client(&member).get(&view).expect(200);
    let no_longer = member.claim("administrator", json!(false));
    assert_detail(server.client(&no_longer).get(&view), 403, "who was staff until their last token");

    let staff = server.client(&staff(&customer));
    for body in [json!({}), json!([]), json!({ "user_email": null }), json!({ "user_email": "amy" }), json!(3)] {
        assert_eq!(staff.post(look_up, &body).status, 400, "{body}");
    }
    let nonsense = "/api/v1/admin-license-view/?user_email=amy@example.com&enterprise_customer_uuid=nonsense";
    assert_eq!(staff.get(nonsense).status, 400);
    assert_detail(staff.post(&view, &json!({})), 405, "writing");
}

fn licenses_of_all_plans_are_listed_for_those_who_administer_them(database: Database) {
    let server = Server::start(database.url());
    let (customer, other) = (Customer::new(&server), Customer::new(&server));
    let [first, second, foreign] = [customer.plan(3), customer.plan(2), other.plan(4)];
    first.assign(&[customer.email("amy"), customer.email("bob")]).expect(200);
    second.assign(&[customer.email("amy")]).expect(200);
    let admin = first.admin.clone();
    let list = |query: &str| admin.get(&format!("/api/v1/licenses/{query}")).expect(200);
    let count = |query: &str| list(query)["count"].clone();
    assert_eq!(count(""), 5);
    assert_eq!(count(&format!("?subscription_plan={}", first.uuid)), 3);
    assert_eq!(count(&format!("?subscription_plan={}", foreign.uuid)), 0);
    assert_eq!(count(&format!("?enterprise_customer_uuid={}", customer.enterprise)), 5);
    assert_eq!(count(&format!("?enterprise_customer_uuid={}", other.enterprise)), 0);
    assert_eq!(count("?status=assigned"), 3);
    assert_eq!(count("?search=amy"), 2);
    let sorted = list("?status=assigned&ordering=-user_email");
    assert_eq!(sorted["results"][0]["user_email"], customer.email("bob"));
    let page = list("?page_size=2&page=3");
    assert_eq!((page["results"].as_array().unwrap().len(), &page["num_pages"]), (1, &json!(3)));
    assert!(page["previous"].as_str().unwrap().contains("/api/v1/licenses/?page=2&page_size=2"));

    let operator = customer.person(3, "operator").role("enterprise_openedx_operator:*");
    let everywhere = server.client(&operator).get("/api/v1/licenses/").expect(200);
    assert_eq!(everywhere["count"], 9);
    for nonsense in ["?subscription_plan=nonsense", "?enterprise_customer_uuid=nonsense"] {
        assert_detail(admin.get(&format!("/api/v1/licenses/{nonsense}")), 400, nonsense);
    }
    assert_detail(admin.get("/api/v1/licenses/?page=9"), 404, "a page that is not there");
    let learner = server.client(&customer.learner(7, "amy"));
    assert_detail(learner.get("/api/v1/licenses/"), 403, "a learner");
    assert_detail(server.anonymous().get("/api/v1/licenses/"), 401, "nobody");
}

fn one_license_is_read_by_those_who_administer_it(database: Database) {
    let scene = Scene::new(database);
    let license = scene.plan.licenses("assigned").remove(0);
    let path = format!("/api/v1/licenses/{}/", license["uuid"].as_str().unwrap());
    assert_eq!(scene.plan.admin.get(&path).expect(200), license, "as the plan's list shows it");
    let other = scene.server.client(&Customer::new(&scene.server).admin());
    assert_detail(other.get(&path), 403, "another customer's admin");
    let unknown = "/api/v1/licenses/7b7a2f0c-93b1-4d3a-8a8f-0d5a5c1c2b1e/";
    assert_detail(scene.plan.admin.get(unknown), 403, "what does not exist");
    assert_detail(scene.plan.admin.get("/api/v1/licenses/nonsense/"), 404, "no id");
    assert_detail(scene.server.client(&scene.customer.learner(7, "amy")).get(&path), 403, "a learner");
    assert_detail(scene.plan.admin.post(&path, &json!({})), 405, "writing");
}

fn the_overview_s_paths_assign_and_revoke_by_the_same_rules(database: Database) {
    let scene = Scene::new(database);
    let admin = &scene.plan.admin;
    let (assign, revoke) = ("/api/v1/licenses/assign/", "/api/v1/licenses/revoke/");
    let of = |plan: &str, mut body: Value| {
        body["subscription_plan"] = json!(plan);
        body
    };
    let [amy, bob] = ["amy", "bob"].map(|name| scene.customer.email(name));
    let both = of(&scene.plan.uuid, json!({ "user_emails": [amy, bob] }));
    scene.changes_nothing(|scene| {
        for path in [assign, revoke] {
            let nobody = scene.server.anonymous().post(path, &both);
            assert_detail(nobody, 401, path);
            let other = scene.server.client(&Customer::new(&scene.server).admin());
            assert_detail(other.post(path, &both), 403, path);
            let learner = scene.server.client(&scene.customer.learner(7, "amy"));
            assert_detail(learner.post(path, &both), 403, path);
            let unknown = of("7b7a2f0c-93b1-4d3a-8a8f-0d5a5c1c2b1e", json!({ "user_emails": [bob] }));
            assert_detail(admin.post(path, &unknown), 403, path);
            for plan in [json!(null), json!("nonsense"), json!(3), json!([])] {
                let body = json!({ "subscription_plan": plan, "user_emails": [bob] });
                let answer = admin.post(path, &body).expect(400);
                assert!(answer["subscription_plan"].is_array(), "{answer}");
            }
            assert!(admin.post(path, &json!({ "user_emails": [bob] })).expect(400)["subscription_plan"].is_array());
            assert_eq!(admin.post(path, &json!([])).status, 400);
            let nobody = of(&scene.plan.uuid, json!({ "user_emails": ["bob"] }));
            let named = admin.post(path, &nobody).expect(400);
            assert!(named["user_emails"]["0"].is_array(), "{named}");
            assert_detail(admin.get(path), 405, path);
        }
    });
    let assigned = admin.post(assign, &both).expect(200);
    assert_eq!((&assigned["num_successful_assignments"], &assigned["num_already_associated"]), (&json!(1), &json!(1)));
    let revoked = admin.post(revoke, &both).expect(200);
    assert_eq!(revoked["successful_revocations"].as_array().map(Vec::len), Some(2));
    assert_eq!(admin.post(revoke, &both).status, 404, "nobody holds one any more");
    assert_eq!(scene.plan.counts().revoked, 2);
}

fn agreements_are_found_under_the_overview_s_name(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let amy = server.client(&customer.learner(7, "amy"));
    let at = |name: &str, below: &str| format!("/api/v1/{name}/{below}");
    let one = format!("{}/", customer.agreement);
    for below in ["", one.as_str()] {
        let [here, there] =
            ["customer-agreement", "customer-agreements"].map(|name| amy.get(&at(name, below)).expect(200));
        assert_eq!(here, there);
    }
    let apply = at("customer-agreements", &format!("{}/auto-apply/", customer.agreement));
    assert_eq!(amy.post(&apply, &json!({})).status, 422);
    let body = json!({ "change_reason": "other", "should_auto_apply_licenses": true });
    customer.operator().patch(&format!("{PROVISIONING}/subscriptions/{}/", plan.uuid), &body).expect(200);
    assert_eq!(amy.post(&apply, &json!({})).expect(200)["status"], "activated");
    let stranger = server.client(&Customer::new(&server).learner(8, "bob"));
    assert_detail(stranger.post(&apply, &json!({})), 403, "another customer's learner");
}

//! Long lists of licenses: cursors, what changed since, and files for spreadsheets.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{Database, Request, Scene, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_cursor_leads_through_a_list_that_changes,
    a_cursor_is_of_one_list,
    licenses_that_changed_since_are_listed,
    csv_files_begin_with_a_byte_order_mark_on_request,
);

fn emails(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().unwrap();
    results.iter().map(|license| license["user_email"].as_str().unwrap_or_default().to_owned()).collect()
}

fn a_cursor_leads_through_a_list_that_changes(database: Database) {
    let scene = Scene::new(database);
    let people = ["bob", "cid", "dan"].map(|name| scene.customer.email(name));
    scene.plan.assign(&people).expect(200);
    let amy = scene.customer.email("amy");
    let all = [amy.clone(), people[0].clone(), people[1].clone(), people[2].clone()];
    for path in [scene.plan.path("licenses/"), format!("/api/v1/licenses/?subscription_plan={}", scene.plan.uuid)] {
        let query = format!("{}page_size=2", if path.contains('?') { "&" } else { "?" });
        let without = scene.plan.admin.get(&format!("{path}{query}")).expect(200);
        assert!(without.get("next_cursor").is_none(), "{without}");
        let first = scene.plan.admin.get(&format!("{path}{query}&cursor=&page=7")).expect(200);
        assert_eq!(emails(&first), all[..2]);
        assert_eq!((&first["count"], &first["num_pages"], &first["previous"]), (&json!(5), &json!(3), &Value::Null));
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = scene.plan.admin.get(&format!("{path}{query}&cursor={cursor}")).expect(200);
        assert_eq!(emails(&second), all[2..]);
        let (_, next) = second["next"].as_str().unwrap().split_once("/api/").unwrap();
        let third = scene.plan.admin.get(&format!("/api/{next}")).expect(200);
        assert_eq!(
            (emails(&third), &third["next_cursor"], &third["next"]),
            (vec![String::new()], &Value::Null, &Value::Null)
        );
    }
    // Bob leaves while somebody reads, and nobody is left out.
    let path = scene.plan.path("licenses/?page_size=2&status=assigned&cursor=");
    let first = scene.plan.admin.get(&path).expect(200);
    let gone = json!({ "user_emails": [people[0]] });
    scene.plan.admin.post(&scene.plan.path("licenses/bulk-revoke/"), &gone).expect(200);
    let second = scene.plan.admin.get(&format!("{path}{}", first["next_cursor"].as_str().unwrap())).expect(200);
    assert_eq!((emails(&second), &second["next_cursor"]), (all[2..].to_vec(), &Value::Null));
    let stranger = license_manager_tests::Customer::new(&scene.server);
    let seen = scene.server.client(&stranger.admin()).get(&path).expect(200);
    assert_eq!((&seen["count"], &seen["next_cursor"]), (&json!(0), &Value::Null));
}

fn a_cursor_is_of_one_list(database: Database) {
    let scene = Scene::new(database);
    let path = scene.plan.path("licenses/?page_size=1");
    let first = scene.plan.admin.get(&format!("{path}&cursor=")).expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    for query in
        [format!("&cursor={cursor}&ordering=-user_email"), format!("&cursor={cursor}x"), "&cursor=%00".to_owned()]
    {
        let refused = scene.plan.admin.get(&format!("{path}{query}")).expect(400);
        assert!(refused["cursor"].is_array(), "{query}: {refused}");
    }
    for ordering in
        ["-user_email", "-activation_date,status", "last_remind_date", "-status,-user_email,-last_remind_date"]
    {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = scene.plan.admin.get(&format!("{path}&ordering={ordering}&cursor={cursor}")).expect(200);
            found.extend(page["results"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let whole = scene.plan.admin.get(&scene.plan.path(&format!("licenses/?ordering={ordering}"))).expect(200);
        assert_eq!(json!(found), whole["results"], "{ordering}");
    }
}

fn licenses_that_changed_since_are_listed(database: Database) {
    let scene = Scene::new(database);
    let moment = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let since = |moment: &str| {
        let path = scene.plan.path(&format!("licenses/?modified_since={moment}&cursor="));
        emails(&scene.plan.admin.get(&path).expect(200))
    };
    assert_eq!(since(&moment), [""; 0]);
    let bob = scene.customer.email("bob");
    scene.plan.assign(std::slice::from_ref(&bob)).expect(200);
    assert_eq!(since(&moment), [bob]);
    assert_eq!(since("2020-01-01").len(), 5);
    let refused = scene.plan.admin.get(&scene.plan.path("licenses/?modified_since=yesterday")).expect(400);
    assert!(refused["modified_since"].is_array(), "{refused}");
}

fn csv_files_begin_with_a_byte_order_mark_on_request(database: Database) {
    let scene = Scene::new(database);
    for path in [scene.plan.path("licenses/csv/"), scene.plan.path("utilization/?report=idle")] {
        let get = |query: &str| {
            let join = if path.contains('?') { '&' } else { '?' };
            let request = Request::new("GET", format!("{path}{join}{query}")).header("Accept", "text/csv");
            scene.plan.admin.send(request).expect(200).as_str().unwrap().to_owned()
        };
        let plain = get("bom=false");
        assert!(plain.starts_with(|first: char| first.is_ascii_alphabetic()), "{plain}");
        assert_eq!(get("bom=true"), format!("\u{feff}{plain}"));
    }
}

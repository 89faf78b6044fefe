//! The page for support staff.

use license_manager_tests::{Customer, Database, Plan, Request, Server, assert_detail, on_both_databases};

on_both_databases!(support_staff_opens_a_plan, a_license_is_read_below_its_plan);

/// The `Accept` header of a browser.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9";

fn support_staff_opens_a_plan(database: Database) {
    let server = Server::start(database.url());
    let plan = Customer::new(&server).plan(1);
    let get = |path: &str, accepted: &str| {
        let answer = server.anonymous().send(Request::new("GET", path).header("Accept", accepted));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    };
    for end in ["change", "change/"] {
        let page = get(&format!("/admin/subscriptions/subscriptionplan/{}/{end}", plan.uuid), BROWSER);
        assert_eq!(page.header("Content-Type"), "text/html; charset=utf-8");
        assert!(page.header("Content-Security-Policy").contains("default-src 'none'"));
        let text = page.body.as_str().expect("a text");
        assert!(!text.contains(&plan.uuid) && !text.contains("://"), "the page itself knows and loads nothing: {text}");
        for (file, content_type, accepted) in
            [("/admin/plan.js", "text/javascript", "*/*"), ("/admin/plan.css", "text/css", "text/css")]
        {
            assert!(text.contains(&format!("\"{file}\"")));
            assert!(get(file, accepted).header("Content-Type").starts_with(content_type));
        }
    }
}

fn a_license_is_read_below_its_plan(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let (plan, other) = (customer.plan(1), customer.plan(1));
    plan.assign(&[customer.email("amy")]).expect(200);
    let license = plan.licenses("assigned")[0].clone();
    let below = |of: &Plan| of.path(&format!("licenses/{}/", license["uuid"].as_str().unwrap()));
    assert_eq!(plan.admin.get(&below(&plan)).expect(200), license);
    assert_detail(plan.admin.get(&below(&other)), 404, "it is in another plan");
    assert_detail(plan.admin.get(&plan.path("licenses/nonsense/")), 404, "no id");
    assert_detail(server.client(&customer.learner(7, "amy")).get(&below(&plan)), 403, "a learner");
}

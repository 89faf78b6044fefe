//! Links of other tools to plans, and licenses below their plans.

use license_manager_tests::{Customer, Database, Plan, Request, Server, assert_detail, on_both_databases};

on_both_databases!(other_tools_lead_support_staff_to_the_plan, a_license_is_read_below_its_plan);

fn other_tools_lead_support_staff_to_the_plan(database: Database) {
    let server = Server::start(database.url());
    let plan = Customer::new(&server).plan(1);
    for end in ["change", "change/"] {
        let path = format!("/admin/subscriptions/subscriptionplan/{}/{end}", plan.uuid);
        let answer = server.anonymous().send(Request::new("GET", path).header("Accept", "text/html"));
        assert_eq!((answer.status, answer.header("Location")), (303, &*format!("/console/plans/{}/", plan.uuid)));
    }
    let nonsense = server.anonymous().get("/admin/subscriptions/subscriptionplan/nonsense/change/");
    assert_eq!(nonsense.status, 404);
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

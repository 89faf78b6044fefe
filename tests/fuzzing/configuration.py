"""Writes schemathesis' configuration for the server at an address, with TOKEN as the access token.

Most ids and emails are of what exists, the others made up. What the demo lacks is made here.
"""

import json
import os
import sys
import urllib.request

PROVISIONING = "provisioning-admins/"


def ask(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sys.argv[1]}/api/v1/{path}", data, method=method)
    request.add_header("Authorization", "JWT " + os.environ["TOKEN"])
    request.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(request))


def found(path, field):
    return [item[field] for item in ask(path)["results"]]


[agreement] = ask(PROVISIONING + "customer-agreement/")["results"]
customer = agreement["enterprise_customer_uuid"]
people = ["ada@example.com", "grace@example.com", "edsger@example.com", "linus@example.com"]


def plan(title):
    terms = {
        "title": title,
        "customer_agreement": agreement["uuid"],
        "start_date": "2020-01-01T00:00:00Z",
        "expiration_date": "2099-01-01T00:00:00Z",
        "desired_num_licenses": 30,
        "product": 1,
        "is_active": True,
        "can_freeze_unused_licenses": True,
        "change_reason": "new",
        "salesforce_opportunity_line_item": "00k000000000000001",
    }
    made = ask(PROVISIONING + "subscriptions/", terms)["uuid"]
    ask(f"subscriptions/{made}/licenses/assign/", {"user_emails": people, "notify_users": False})
    return made


def renewal(plan):
    terms = {
        "prior_subscription_plan": plan,
        "salesforce_opportunity_id": None,
        "number_of_licenses": 60,
        "effective_date": "2100-01-01T00:00:00Z",
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
    }
    return ask(PROVISIONING + "subscription-plan-renewals/", terms)["id"]


def job(old, new):
    order = {"old_subscription_plan": old, "new_subscription_plan": new, "transfer_all": True}
    return ask(PROVISIONING + "license-transfer-jobs/", {"customer_agreement": agreement["uuid"], **order})["id"]


def role(name):
    return ask(PROVISIONING + "role-assignments/", {"username": name, "role": "enterprise_subscriptions_admin"})["id"]


def webhook(number):
    return ask(PROVISIONING + "webhooks/", {"url": f"https://hooks.example.com/{number}"})["uuid"]


def enrollment():
    wanted = {"emails": people, "course_run_keys": ["course-v1:edX+DemoX+T1"], "notify": False}
    return ask(f"bulk-license-enrollment/?enterprise_customer_uuid={customer}", wanted)["job_id"]


plans = found(PROVISIONING + "subscriptions/", "uuid") + [plan(f"Plan {number}") for number in range(3)]
settings = f"{PROVISIONING}customer-agreement/{agreement['uuid']}/settings/"
ask(settings, {"auto_applied_subscription": plans[-1]}, "PATCH")
# What empties plans, and what ends renewals, has some for itself, so that the other requests find something.
emptied = [plan(f"Emptied {number}") for number in range(3)]
ended = [renewal(plan(f"Ended {number}")) for number in range(6)]
keys = [license["activation_key"] for license in ask("licenses/?status=assigned&page_size=500&search=ada")["results"]]
for key in keys[:2]:
    ask(f"license-activation/?activation_key={key}", {})

dictionaries = {
    "agreements": [agreement["uuid"]],
    "courses": ["course-v1:edX+DemoX+T1"],
    "customers": [customer],
    "emails": people,
    "emptied": emptied,
    "ended": ended,
    "enrollments": [enrollment()],
    "jobs": [job(old, new) for old in emptied for new in emptied if old != new],
    "keys": keys,
    "licenses": found(f"licenses/?page_size=40&enterprise_customer_uuid={customer}", "uuid"),
    "plan_types": found(PROVISIONING + "plan-types/", "id"),
    "plans": plans,
    "products": found(PROVISIONING + "products/", "id"),
    "renewals": [renewal(plan(f"Renewed {number}")) for number in range(3)],
    "roles": [role(f"user-{number}") for number in range(12)],
    "webhooks": [webhook(number) for number in range(6)],
}
parameters = {
    "path.customer_agreement_uuid": "agreements",
    "path.job_id": "jobs",
    "path.license_uuid": "licenses",
    "path.plan_type_id": "plan_types",
    "path.product_id": "products",
    "path.renewal_id": "renewals",
    "path.role_assignment_id": "roles",
    "path.subscription_uuid": "plans",
    "path.webhook_uuid": "webhooks",
    "query.activation_key": "keys",
    "query.bulk_enrollment_job_uuid": "enrollments",
    "query.course_key": "courses",
    "query.enterprise_customer_uuid": "customers",
    "query.subscription_id": "plans",
    "query.user_email": "emails",
    "body.auto_applied_subscription": "plans",
    "body.customer_agreement": "agreements",
    "body.emails[*]": "emails",
    "body.license_uuids[*]": "licenses",
    "body.new_subscription_plan": "plans",
    "body.old_subscription_plan": "plans",
    "body.plan_type": "plan_types",
    "body.prior_subscription_plan": "plans",
    "body.product": "products",
    "body.subscription_id": "plans",
    "body.subscription_plan": "plans",
    "body.user_email": "emails",
    "body.user_emails[*]": "emails",
}
destructive = [
    ("/(revoke-all|freeze|delete-revoked)/$", "path.subscription_uuid", "emptied", ["POST"]),
    ("/subscription-plan-renewals/{renewal_id}/process/$", "path.renewal_id", "ended", ["POST"]),
    ("/subscription-plan-renewals/{renewal_id}/$", "path.renewal_id", "ended", ["DELETE"]),
]


def write(places):
    for place, name in places.items():
        print(f'"{place}" = {{ dictionary = "{name}", probability = 0.8 }}')


hooks = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hooks.py")
print(f"hooks = {json.dumps(hooks)}")
for name, values in dictionaries.items():
    print(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}")
print("[parameters]")
write(parameters)
for path, place, name, methods in destructive:
    print(f"[[operations]]\ninclude-path-regex = {json.dumps(path)}\ninclude-method = {json.dumps(methods)}")
    print("[operations.parameters]")
    write({place: name})

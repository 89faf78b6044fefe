// Shows a subscription plan and changes it, as whoever is signed in in the browser, or with a token that is kept in memory only.

"use strict";

const id = window.location.pathname.split("/").filter(Boolean).at(-2);
const provisioning = `/api/v1/provisioning-admins/subscriptions/${encodeURIComponent(id)}/`;
const history = `/api/v1/subscriptions/${encodeURIComponent(id)}/history/?page_size=25`;

const element = (name) => document.getElementById(name);
let token = null;
let shown = null;

function say(text, isProblem = false) {
  element("message").textContent = text;
  element("message").classList.toggle("problem", isProblem);
}

// What was wrong, out of any of the forms in which the API says it.
function words(body) {
  if (typeof body === "string") return body;
  if (Array.isArray(body)) return body.map(words).join(" ");
  if (body?.detail || body?.error) return words(body.detail ?? body.error);
  return Object.entries(body ?? {}).map(([field, problem]) => `${field}: ${words(problem)}`).join("\n");
}

async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `JWT ${token}`;
  const answer = await fetch(path, { ...options, headers });
  const body = await answer.json().catch(() => null);
  if (answer.ok) return body;
  throw Object.assign(new Error(words(body) || `The service answered ${answer.status}.`), { status: answer.status });
}

async function csrfToken() {
  const { csrfToken } = await ask("/csrf/api/v1/token/");
  return csrfToken;
}

const moment = (text) => (text ? text.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC") : "never");

function facts(plan) {
  const { unassigned, assigned, activated, revoked } = plan.licenses;
  return {
    "Title": plan.title,
    "Plan": plan.uuid,
    "Customer": plan.enterprise_customer_uuid,
    "Type": plan.plan_type,
    "Catalog": plan.enterprise_catalog_uuid,
    "Starts": moment(plan.start_date),
    "Expires": `${moment(plan.expiration_date)} (in ${plan.days_until_expiration} days)`,
    "Standing": [plan.is_active ? "active" : "inactive", plan.is_current ? "current" : "not current"].join(", "),
    "Licenses": `${unassigned} unassigned, ${assigned} assigned, ${activated} activated, ${revoked} revoked`,
  };
}

function show(plan) {
  shown = plan;
  document.title = `${plan.title} – subscription plan`;
  element("facts").replaceChildren(...Object.entries(facts(plan)).flatMap(([name, value]) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    description.textContent = value ?? "–";
    return [term, description];
  }));
  const fields = element("change").elements;
  fields.title.value = plan.title;
  fields.start_date.value = plan.start_date.slice(0, 19);
  fields.expiration_date.value = plan.expiration_date.slice(0, 19);
  fields.salesforce_opportunity_line_item.value = plan.salesforce_opportunity_line_item ?? "";
  fields.is_active.checked = plan.is_active;
  fields.is_revocation_cap_enabled.checked = plan.is_revocation_cap_enabled;
  // The plan does not tell how many licenses were agreed; left empty, that stays.
  fields.desired_num_licenses.value = "";
  fields.desired_num_licenses.placeholder = `${plan.licenses.total} now`;
  element("plan").hidden = false;
}

function showHistory(changes) {
  element("history").replaceChildren(...changes.map((change) => {
    const what = change.history_type === "+" ? ["made"] : Object.entries(change.changes)
      .filter(([field]) => field !== "modified")
      .map(([field, { from, to }]) => `${field}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`);
    const cells = [moment(change.history_date), change.history_user ?? "–", change.history_change_reason ?? "–", what.join("; ")];
    const row = document.createElement("tr");
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }));
}

async function load() {
  try {
    show(await ask(provisioning));
    showHistory((await ask(history)).results);
    element("sign-in").hidden = true;
    say("");
  } catch (problem) {
    element("sign-in").hidden = ![401, 403].includes(problem.status);
    say(problem.status === 401 && !token ? "You are not signed in." : problem.message, true);
  }
}

// The fields that differ from what is shown, so that nothing else is touched.
function changes() {
  const fields = element("change").elements;
  const wanted = {
    title: fields.title.value,
    is_active: fields.is_active.checked,
    is_revocation_cap_enabled: fields.is_revocation_cap_enabled.checked,
    salesforce_opportunity_line_item: fields.salesforce_opportunity_line_item.value || null,
  };
  const changed = Object.fromEntries(Object.entries(wanted).filter(([field, value]) => value !== shown[field]));
  for (const field of ["start_date", "expiration_date"]) {
    const value = fields[field].value.padEnd(19, ":00");
    if (value !== shown[field].slice(0, 19)) changed[field] = `${value}Z`;
  }
  if (fields.desired_num_licenses.value !== "") changed.desired_num_licenses = Number(fields.desired_num_licenses.value);
  return changed;
}

element("change").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const body = JSON.stringify({ ...changes(), change_reason: element("change").elements.change_reason.value });
    const headers = { "Content-Type": "application/json", "X-CSRFToken": await csrfToken() };
    await ask(provisioning, { method: "PATCH", headers, body });
    await load();
    say("Saved.");
  } catch (problem) {
    say(problem.message, true);
  }
});

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = event.target.elements.token.value.trim();
  load();
});

load();

//! `GET /api/v1/subscriptions/{subscription_uuid}/utilization/`: reports on the use of a plan's licenses, in JSON or CSV.

use actix_web::http::header::{self, HeaderValue, Quality};
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::NaiveDate;
use license_manager_domain::model::{ActivationDelay, ActivationDelays, IdleSeat, Period, SeatDay, text_cell};
use license_manager_domain::{Error, LicenseManager, PlanId, SubscriptionPlan};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::{OfPlan, Reader};
use crate::http::time;
use crate::http::{ApiResult, Query, Response, Timestamp, blocking};
use crate::http::{accept, fields};
use crate::lists::Lists;
use crate::openapi::errors::FieldErrors;
use crate::openapi::parameters::BomQuery;

/// The default number of idle seats in a response.
const IDLE_SEATS: i64 = 20;

/// The most idle seats in a response.
const MAX_IDLE_SEATS: i64 = 500;

/// The days, and the report to return as CSV.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UtilizationQuery {
    /// The first day, but not before the plan's first day.
    pub from: Option<NaiveDate>,
    /// The last day, but not after today or the plan's last day.
    pub to: Option<NaiveDate>,
    /// How many idle seats are listed; the default is 20.
    #[param(minimum = 1, maximum = 500)]
    pub idle_limit: Option<u64>,
    /// The report to return as CSV; the default is `days`. JSON has all reports.
    #[param(inline)]
    pub report: Option<ReportName>,
}

/// A report.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportName {
    /// The seats by state and the activations of each day.
    Days,
    /// How many seats were activated after how many days.
    DaysToActivation,
    /// The seats that are idle longest.
    Idle,
}

/// The use of a plan's seats.
#[derive(Serialize, ToSchema)]
#[schema(as = Utilization)]
struct UtilizationBody {
    subscription_plan: UtilizedPlanBody,
    /// The days of the reports; null if the plan has not started, or the request has none of its days.
    period: Option<PeriodBody>,
    /// Each day of the period, the earliest first.
    days: Vec<SeatDayBody>,
    days_to_activation: DaysToActivationBody,
    /// The seats that are assigned but not activated, those assigned first at the start.
    idle: Vec<IdleSeatBody>,
}

/// The plan.
#[derive(Serialize, ToSchema)]
#[schema(as = UtilizedPlan)]
struct UtilizedPlanBody {
    uuid: Uuid,
    title: String,
    start_date: Timestamp,
    expiration_date: Timestamp,
}

impl UtilizedPlanBody {
    fn new(plan: SubscriptionPlan) -> Self {
        let (start_date, expiration_date) = (Timestamp(plan.start_date), Timestamp(plan.expiration_date));
        Self { uuid: plan.id.0, title: plan.title, start_date, expiration_date }
    }
}

/// Days in UTC, both included.
#[derive(Serialize, ToSchema)]
#[schema(as = Period)]
struct PeriodBody {
    from: NaiveDate,
    to: NaiveDate,
}

impl From<Period> for PeriodBody {
    fn from(period: Period) -> Self {
        Self { from: period.first, to: period.last }
    }
}

/// How many seats were in each state at the end of a day.
#[derive(Serialize, ToSchema)]
#[schema(as = SeatDay)]
struct SeatDayBody {
    date: NaiveDate,
    unassigned: i64,
    assigned: i64,
    activated: i64,
    revoked: i64,
    /// How many seats were activated on that day.
    activations: i64,
}

impl From<&SeatDay> for SeatDayBody {
    fn from(day: &SeatDay) -> Self {
        Self {
            date: day.day,
            unassigned: day.counts.unassigned,
            assigned: day.counts.assigned,
            activated: day.counts.activated,
            revoked: day.counts.revoked,
            activations: day.activations,
        }
    }
}

/// The time from assignment to activation, in whole days, of the period's activations. Null without activations.
#[derive(Serialize, ToSchema)]
#[schema(as = DaysToActivation)]
struct DaysToActivationBody {
    activations: i64,
    /// With two decimals.
    mean: Option<f64>,
    median: Option<i64>,
    /// 90 percent took no longer.
    percentile_90: Option<i64>,
    /// The number of activations by days, the shortest first.
    distribution: Vec<ActivationDelayBody>,
}

impl From<&ActivationDelays> for DaysToActivationBody {
    fn from(delays: &ActivationDelays) -> Self {
        Self {
            activations: delays.activations(),
            mean: delays.mean().map(|mean| (mean * 100.0).round() / 100.0),
            median: delays.percentile(50),
            percentile_90: delays.percentile(90),
            distribution: delays.iter().map(ActivationDelayBody::from).collect(),
        }
    }
}

/// How many seats were activated after so many days.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivationDelay)]
struct ActivationDelayBody {
    days: i64,
    activations: i64,
}

impl From<&ActivationDelay> for ActivationDelayBody {
    fn from(delay: &ActivationDelay) -> Self {
        Self { days: delay.days, activations: delay.activations }
    }
}

/// A seat that waits for its learner.
#[derive(Serialize, ToSchema)]
#[schema(as = IdleSeat)]
struct IdleSeatBody {
    uuid: Uuid,
    user_email: String,
    assigned_date: Timestamp,
    last_remind_date: Option<Timestamp>,
    /// Whole days since it was assigned.
    days_idle: i64,
}

impl From<&IdleSeat> for IdleSeatBody {
    fn from(seat: &IdleSeat) -> Self {
        Self {
            uuid: seat.license.0,
            user_email: seat.seat.email.as_str().to_owned(),
            assigned_date: Timestamp(seat.seat.assigned_date),
            last_remind_date: seat.seat.last_remind_date.map(Timestamp),
            days_idle: seat.days,
        }
    }
}

/// The request.
struct Asked {
    plan: PlanId,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    idle_limit: i64,
    report: Report,
}

#[derive(Clone, Copy)]
enum Report {
    Days,
    DaysToActivation,
    Idle,
}

license_manager_domain::names!(Report {
    Days => "days",
    DaysToActivation => "days_to_activation",
    Idle => "idle",
});

/// Returns reports on the plan's seats from its first day to today or its last day: seats by state at the end of each day, activations a
/// day, the time to activation, and the seats that are idle longest. `Accept: text/csv` returns one report as CSV. Days are in UTC.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/utilization/",
    tag = "Plans",
    params(UtilizationQuery, BomQuery),
    responses(
        (status = 200, description = "The reports", content((UtilizationBody = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter is not valid", body = FieldErrors),
    )
)]
pub async fn utilization(access: OfPlan<Reader>, request: HttpRequest, lists: Lists) -> ApiResult<HttpResponse> {
    let asked = read(access.plan, &Query::of(&request))?;
    let mut response = if prefers_csv(&request) {
        let disposition = format!("attachment; filename=\"utilization-{}-{}.csv\"", asked.report.as_str(), asked.plan);
        let start = Query::of(&request).csv_start();
        let table = blocking(move || Ok(table(&lists.manager, &asked)?)).await?;
        HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((header::CONTENT_DISPOSITION, disposition))
            .body([start.as_bytes(), &table].concat())
    } else {
        blocking(move || Response::ok(&body(&lists.manager, &asked)?)).await?.respond_to(&request)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// Whether `Accept` names CSV before JSON. Ranges such as `*/*` mean JSON.
fn prefers_csv(request: &HttpRequest) -> bool {
    let csv = accept::quality(request, &["text/csv", "text/*"]);
    csv > Quality::ZERO && csv > accept::quality(request, &["application/json"])
}

fn read(plan: PlanId, query: &Query) -> ApiResult<Asked> {
    let mut errors = fields::FieldErrors::default();
    let given = |name| query.get(name).map(str::trim).filter(|text| !text.is_empty());
    let mut date = |name| {
        let text = given(name)?;
        // A date has ten characters; more would be a moment.
        let date = time::parse(text).filter(|_| text.len() == 10).map(|midnight| midnight.date_naive());
        if date.is_none() {
            errors.add(name, "This must be a date, such as 2030-01-31.");
        }
        date
    };
    let (from, to) = (date("from"), date("to"));
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        errors.add("from", "This must not be later than `to`.");
    }
    let idle_limit =
        given("idle_limit").map(|text| text.parse().ok().filter(|limit| (1..=MAX_IDLE_SEATS).contains(limit)));
    if idle_limit == Some(None) {
        errors.add("idle_limit", format!("This must be a whole number from 1 to {MAX_IDLE_SEATS}."));
    }
    let report = given("report").map_or(Some(Report::Days), Report::from_name);
    if report.is_none() {
        let names = Report::ALL.map(Report::as_str).join(", ");
        errors.add("report", format!("This must be one of {names}."));
    }
    errors.into_result()?;
    Ok(Asked {
        plan,
        from,
        to,
        idle_limit: idle_limit.flatten().unwrap_or(IDLE_SEATS),
        report: report.unwrap_or(Report::Days),
    })
}

fn body(manager: &LicenseManager, asked: &Asked) -> Result<UtilizationBody, Error> {
    let (plan, period) = manager.utilization_period(asked.plan, asked.from, asked.to)?;
    let (days, delays) = match period {
        Some(period) => (manager.seat_days(plan.id, period)?, manager.activation_delays(plan.id, period)?),
        None => (Vec::new(), ActivationDelays::default()),
    };
    let idle = manager.idle_seats(plan.id, asked.idle_limit)?;
    Ok(UtilizationBody {
        subscription_plan: UtilizedPlanBody::new(plan),
        period: period.map(PeriodBody::from),
        days: days.iter().map(SeatDayBody::from).collect(),
        days_to_activation: DaysToActivationBody::from(&delays),
        idle: idle.iter().map(IdleSeatBody::from).collect(),
    })
}

/// The requested report as CSV.
fn table(manager: &LicenseManager, asked: &Asked) -> Result<Vec<u8>, Error> {
    let (plan, period) = manager.utilization_period(asked.plan, asked.from, asked.to)?;
    match asked.report {
        Report::Days => {
            let days = period.map(|period| manager.seat_days(plan.id, period)).transpose()?.unwrap_or_default();
            let lines = days.iter().map(SeatDayBody::from);
            csv(&["date", "unassigned", "assigned", "activated", "revoked", "activations"], lines)
        }
        Report::DaysToActivation => {
            let delays =
                period.map(|period| manager.activation_delays(plan.id, period)).transpose()?.unwrap_or_default();
            csv(&["days", "activations"], delays.iter().map(ActivationDelayBody::from))
        }
        Report::Idle => {
            let idle = manager.idle_seats(plan.id, asked.idle_limit)?;
            let lines = idle.iter().map(IdleSeatBody::from);
            let lines = lines.map(|line| IdleSeatBody { user_email: text_cell(&line.user_email).into_owned(), ..line });
            csv(&["uuid", "user_email", "assigned_date", "last_remind_date", "days_idle"], lines)
        }
    }
}

fn csv<L: Serialize>(head: &[&str], lines: impl Iterator<Item = L>) -> Result<Vec<u8>, Error> {
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(head).map_err(Error::internal)?;
    for line in lines {
        writer.serialize(line).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn csv_is_for_those_who_name_it_before_json() {
        let prefers =
            |accept| prefers_csv(&TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request());
        for accept in ["text/csv", "text/csv, */*", "application/json;q=0.5, Text/CSV", "text/*"] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in ["", "*/*", "application/json", "application/json, text/csv", "text/csv;q=0", "nonsense"] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_csv(&TestRequest::default().to_http_request()));
    }
}

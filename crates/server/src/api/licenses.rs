//! Reading a plan's licenses: `…/licenses/`, `…/licenses/overview/`, `…/licenses/csv/`, and a learner's own, `…/license/`, all
//! below `GET /api/v1/subscriptions/{subscription_uuid}/`.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use license_manager_domain::model::text_cell;
use license_manager_domain::ports::{CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicenseSearch};
use license_manager_domain::use_cases::Page;
use license_manager_domain::{Entity, Error, License, LicenseId, LicenseManager, LicenseStatus, PlanId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::license_cursor;
use crate::api::views::LicenseBody;
use crate::auth::caller::CheckedRead;
use crate::auth::permissions::{AdminOrLearner, Listing, OfPlan, Reader, path_uuid};
use crate::http::paging::{Part, part_of};
use crate::http::response::in_turn;
use crate::http::time;
use crate::http::turns::Access;
use crate::http::{ApiResult, NumberedPageBody, PageBody, Paging, Query, Response, blocking};
use crate::lists::Lists;
use crate::openapi::errors::{BadRequest, Detail, FieldErrors};
use crate::openapi::parameters::{
    BomQuery, CursorQuery, LicenseFilterQuery, LicenseOrderQuery, LicenseState, PageQuery,
};
use crate::state::{AppState, State};

/// The most licenses a page has.
pub(super) const MAX_PAGE_SIZE: u64 = 500;

/// How many licenses are read at once for a CSV file.
const CSV_BATCH: i64 = 1_000;

/// Lists the plan's licenses. The list is empty if the caller may not see the plan.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/",
    tag = "Licenses",
    params(LicenseFilterQuery, LicenseOrderQuery, PageQuery, CursorQuery),
    responses(
        (status = 200, description = "A page of licenses", body = LicensePageBody),
        (status = 400, description = "The cursor or `modified_since` cannot be read", body = FieldErrors),
    )
)]
pub async fn list(access: CheckedRead<Listing<Reader>>, request: HttpRequest, lists: Lists) -> ApiResult {
    let plan = path_uuid(&request, "subscription_uuid").map(PlanId);
    let (query, paging) = (Query::of(&request), Paging::up_to(MAX_PAGE_SIZE, &request));
    let read = access.read(move |state, access| {
        let (plan, filter) = (plan?, filter(&query)?);
        let scope = match visible(state, &access, plan)? {
            true => CustomerScope::All,
            false => CustomerScope::Only(Vec::new()),
        };
        let search = LicenseSearch { scope, customer: None, plan: Some(plan), filter };
        answer(&search, &query, &paging, &lists.manager)
    });
    read.await
}

/// A page of licenses.
#[derive(Serialize, ToSchema)]
#[schema(as = LicensePage)]
pub(super) struct LicensePageBody {
    #[serde(flatten)]
    page: NumberedPageBody<LicenseBody>,
    /// Only if the query has `cursor`: the cursor of the next page; null on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Option<String>>,
}

/// The licenses of a search: the page of a number, or with `cursor` the one after a license.
pub(super) fn answer(search: &LicenseSearch, query: &Query, paging: &Paging, manager: &LicenseManager) -> ApiResult {
    let order = order(query);
    let view = |license| LicenseBody::new(&license);
    let Some(cursor) = query.get("cursor") else {
        return paging.numbered_response(|part| manager.search_licenses(search, &order, part), view);
    };
    let after = license_cursor::read(cursor, &order)?;
    let (page, more) = manager.licenses_after(search, &order, after.as_ref(), paging.size())?;
    let last = page.items.last().filter(|_| more);
    let next_cursor = last.map(|license| license_cursor::write(&order, &license.into()));
    let page = paging.cursor_body(page, next_cursor.as_deref(), view);
    Response::ok(&LicensePageBody { page, next_cursor: Some(next_cursor) })
}

/// How many licenses are in a state.
#[derive(Serialize, ToSchema)]
#[schema(as = StateCount)]
struct StateCountBody {
    status: LicenseState,
    count: i64,
}

/// Counts the plan's licenses by state, the largest count first.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/overview/",
    tag = "Licenses",
    params(LicenseFilterQuery),
    responses(
        (status = 200, description = "The states that occur, each with its number", body = Vec<StateCountBody>),
        (status = 400, description = "`modified_since` cannot be read", body = FieldErrors),
    )
)]
pub async fn overview(access: CheckedRead<OfPlan<Reader>>, request: HttpRequest, lists: Lists) -> ApiResult {
    let query = Query::of(&request);
    let read = access.read(move |_, access| {
        let counts = lists.manager.license_overview(access.plan, &filter(&query)?)?;
        let mut overview = [
            (LicenseStatus::Activated, counts.activated),
            (LicenseStatus::Assigned, counts.assigned),
            (LicenseStatus::Revoked, counts.revoked),
            (LicenseStatus::Unassigned, counts.unassigned),
        ];
        overview.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let present = overview.into_iter().filter(|(_, count)| *count > 0);
        let body = |(status, count)| StateCountBody { status: LicenseState(status), count };
        let body: Vec<_> = present.map(body).collect();
        Response::ok(&body)
    });
    read.await
}

/// Returns a license of the plan.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/{license_uuid}/",
    tag = "Licenses",
    responses((status = 200, description = "The license", body = LicenseBody)),
)]
pub async fn retrieve(access: CheckedRead<OfPlan<Reader>>, request: HttpRequest) -> ApiResult {
    let id = path_uuid(&request, "license_uuid").map(LicenseId);
    let read = access.read(move |state, access| {
        let license = state.manager.license(id?)?;
        if license.plan != access.plan {
            return Err(Error::NotFound(Entity::License).into());
        }
        Response::ok(&LicenseBody::new(&license))
    });
    read.await
}

/// Lists the caller's own live licenses of the plan.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/license/",
    tag = "Learners",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of licenses", body = PageBody<LicenseBody>),
        (status = 400, description = "The token names nobody", body = BadRequest),
    )
)]
pub async fn own(access: Listing<AdminOrLearner>, request: HttpRequest, state: State) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let person = access.caller.person()?;
    let read = move |part: Part<'_>| match visible(&state, &access, plan)? {
        true => part_of(state.manager.own_licenses_of_plan(plan, &person)?, part),
        false => Ok(Page::from(None)),
    };
    Paging::up_to(MAX_PAGE_SIZE, &request).answer(read, |license| LicenseBody::new(&license)).await
}

/// Returns one of the caller's own live licenses of the plan. 404 for any other license.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/license/{license_uuid}/",
    tag = "Learners",
    responses(
        (status = 200, description = "The license", body = LicenseBody),
        (status = 400, description = "The token names nobody", body = BadRequest),
        (status = 404, description = "The caller has no such license", body = Detail),
    )
)]
pub async fn own_license(access: Listing<AdminOrLearner>, request: HttpRequest, state: State) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let id = LicenseId(path_uuid(&request, "license_uuid")?);
    let person = access.caller.person()?;
    blocking(move || {
        let own = match visible(&state, &access, plan)? {
            true => state.manager.own_licenses_of_plan(plan, &person)?,
            false => Vec::new(),
        };
        let license = own.into_iter().find(|license| license.id == id).ok_or(Error::NotFound(Entity::License))?;
        Response::ok(&LicenseBody::new(&license))
    })
    .await
}

fn visible<P>(state: &AppState, access: &Listing<P>, plan: PlanId) -> Result<bool, Error> {
    Ok(state.manager.customer_of_plan(plan)?.is_some_and(|customer| access.scope.covers(customer)))
}

/// One line of the CSV file.
#[derive(Serialize)]
struct CsvLine<'a> {
    status: &'a str,
    user_email: Option<Cow<'a, str>>,
    activation_date: Option<String>,
    last_remind_date: Option<String>,
    activation_link: Option<String>,
}

/// Every license of the plan that was ever handed out, as CSV; written while it is read.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/csv/",
    tag = "Licenses",
    params(BomQuery),
    responses((status = 200, description = "The licenses", body = String, content_type = "text/csv"))
)]
pub async fn csv(access: OfPlan<Reader>, request: HttpRequest, lists: Lists) -> ApiResult<HttpResponse> {
    let Lists { manager, state } = lists;
    let reader = state.clone();
    let plan = access.plan;
    let slug = blocking(move || Ok(reader.manager.customer_slug_of_plan(plan)?)).await?;
    let columns = "status,user_email,activation_date,last_remind_date,activation_link\r\n";
    let head = format!("{}{columns}", Query::of(&request).csv_start());
    let lines = stream::try_unfold(Some((None, Vec::from(head))), move |position| {
        let (manager, state, slug) = (manager.clone(), state.clone(), slug.clone());
        async move {
            let Some((after, mut text)) = position else { return Ok::<_, actix_web::Error>(None) };
            // Each part waits for a turn of its own. It is read after the request, which would take one by itself.
            let turn = state.turns.take(Access::Read).await?;
            let read = move || Ok(csv_batch(&manager, &state, slug.as_deref(), plan, after)?);
            let (last, batch) = in_turn(Some(turn), read).await?;
            text.extend(batch);
            Ok(Some((web::Bytes::from(text), last.map(|id| (Some(id), Vec::new())))))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"licenses-{plan}.csv\"")))
        .streaming(lines))
}

/// The next lines, and the last license of them if there may be more.
fn csv_batch(
    manager: &LicenseManager,
    state: &AppState,
    slug: Option<&str>,
    plan: PlanId,
    after: Option<LicenseId>,
) -> Result<(Option<LicenseId>, Vec<u8>), Error> {
    let licenses = manager.handed_out_licenses(plan, after, CSV_BATCH)?;
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for license in &licenses {
        let columns = license.columns();
        let written = writer.serialize(CsvLine {
            status: columns.status.as_str(),
            user_email: columns.user_email.as_ref().map(|email| text_cell(email.as_str())),
            activation_date: columns.activation_date.as_ref().map(time::format),
            last_remind_date: columns.last_remind_date.as_ref().map(time::format),
            activation_link: activation_link(state, slug, license),
        });
        written.map_err(Error::internal)?;
    }
    let last = licenses.last().filter(|_| licenses.len() as i64 == CSV_BATCH).map(|license| license.id);
    Ok((last, writer.into_inner().map_err(Error::internal)?))
}

/// The address at which the learner activates the license, if it has a key and its customer a slug.
pub(super) fn activation_link(state: &AppState, slug: Option<&str>, license: &License) -> Option<String> {
    let (key, slug) = (license.columns().activation_key?, slug?);
    Some(format!("{}/{slug}/licenses/{key}/activate", state.learner_portal.trim_end_matches('/')))
}

/// The filters of a list of licenses. Unknown statuses match nothing; flags that cannot be read are ignored.
///
/// # Errors
/// 400 if `modified_since` is not a moment.
pub(super) fn filter(query: &Query) -> ApiResult<LicenseFilter> {
    let named = query.get("status").filter(|text| !text.is_empty()).map(|_| query.list("status"));
    let active_only = query.flag("active_only") == Some(true);
    let wanted = |status: &LicenseStatus| {
        named.as_ref().is_none_or(|names| names.contains(&status.as_str()))
            && (!active_only || LicenseStatus::LIVE.contains(status))
    };
    let filtered = named.is_some() || active_only;
    Ok(LicenseFilter {
        statuses: filtered.then(|| LicenseStatus::ALL.into_iter().filter(wanted).collect()),
        email_words: query.words("search"),
        hide_retired: query.flag("ignore_null_emails") == Some(true),
        modified_since: query.moment("modified_since")?,
        ..LicenseFilter::default()
    })
}

/// The order of a list of licenses: the known fields in `ordering`, or status and email if there are none.
pub(super) fn order(query: &Query) -> Vec<LicenseOrder> {
    let ascending = |field| LicenseOrder { field, descending: false };
    let mut named: Vec<LicenseOrder> = Vec::new();
    for name in query.list("ordering") {
        let field = match name.trim_start_matches('-') {
            "user_email" => LicenseField::UserEmail,
            "status" => LicenseField::Status,
            "activation_date" => LicenseField::ActivationDate,
            "last_remind_date" => LicenseField::LastRemindDate,
            _ => continue,
        };
        if named.iter().all(|key| key.field != field) {
            named.push(LicenseOrder { field, descending: name.starts_with('-') });
        }
    }
    if named.is_empty() { vec![ascending(LicenseField::Status), ascending(LicenseField::UserEmail)] } else { named }
}

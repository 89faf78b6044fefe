//! The endpoints: which path leads to which handler. A handler's file tells what it does and what it can answer.

mod customer_agreements;
mod health;
mod learner_licenses;
mod license_activation;
mod license_assignment;
mod license_revocation;
mod licenses;
mod provisioning;
mod subscriptions;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, web};

use crate::access::{Admin, AdminOrLearner, Caller, Listing, OfAgreement, OfPlan, Provisioner};
use crate::answer::Answer;
use crate::error::ApiError;

/// Adds every endpoint. Paths end with a slash: requests without it are given one before they get here.
pub fn configure(service: &mut web::ServiceConfig) {
    service.service(web::resource("/health/").route(read(health::health))).service(
        web::scope("/api/v1")
            .service(endpoint::<Listing<Admin>>("/subscriptions/").route(read(subscriptions::list)))
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/")
                    .route(read(subscriptions::retrieve::<Admin>)),
            )
            .service(
                endpoint::<Listing<Admin>>("/subscriptions/{subscription_uuid}/licenses/").route(read(licenses::list)),
            )
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/licenses/overview/")
                    .route(read(licenses::overview)),
            )
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/licenses/csv/")
                    .route(read(licenses::csv)),
            )
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/licenses/assign/")
                    .route(web::post().to(license_assignment::assign)),
            )
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/licenses/bulk-revoke/")
                    .route(web::post().to(license_revocation::revoke)),
            )
            .service(
                endpoint::<OfPlan<Admin>>("/subscriptions/{subscription_uuid}/licenses/revoke-all/")
                    .route(web::post().to(license_revocation::revoke_all)),
            )
            .service(
                endpoint::<Listing<AdminOrLearner>>("/subscriptions/{subscription_uuid}/license/")
                    .route(read(licenses::own)),
            )
            .service(
                endpoint::<Listing<AdminOrLearner>>("/learner-subscriptions/")
                    .route(read(subscriptions::list_for_learner)),
            )
            .service(
                endpoint::<OfPlan<AdminOrLearner>>("/learner-subscriptions/{subscription_uuid}/")
                    .route(read(subscriptions::retrieve::<AdminOrLearner>)),
            )
            .service(endpoint::<Listing<AdminOrLearner>>("/learner-licenses/").route(read(learner_licenses::list)))
            .service(endpoint::<Caller>("/license-activation/").route(web::post().to(license_activation::activate)))
            .service(endpoint::<Listing<AdminOrLearner>>("/customer-agreement/").route(read(customer_agreements::list)))
            .service(
                endpoint::<OfAgreement<AdminOrLearner>>("/customer-agreement/{customer_agreement_uuid}/")
                    .route(read(customer_agreements::retrieve)),
            )
            .service(
                endpoint::<Provisioner>("/provisioning-admins/customer-agreement/")
                    .route(read(provisioning::agreements::list))
                    .route(web::post().to(provisioning::agreements::create)),
            )
            .service(
                endpoint::<Provisioner>("/provisioning-admins/customer-agreement/{customer_agreement_uuid}/")
                    .route(read(provisioning::agreements::retrieve))
                    .route(web::patch().to(provisioning::agreements::update)),
            )
            .service(
                endpoint::<Provisioner>("/provisioning-admins/subscriptions/")
                    .route(read(provisioning::plans::list))
                    .route(web::post().to(provisioning::plans::create)),
            )
            .service(
                endpoint::<Provisioner>("/provisioning-admins/subscriptions/{subscription_uuid}/")
                    .route(read(provisioning::plans::retrieve))
                    .route(web::patch().to(provisioning::plans::update)),
            ),
    );
}

/// A path whose other methods are answered 405 to those with access `A`, and refused to everybody else.
fn endpoint<A: FromRequest<Error = ApiError> + 'static>(path: &str) -> Resource {
    web::resource(path).default_service(web::to(method_not_allowed::<A>))
}

async fn method_not_allowed<A: FromRequest<Error = ApiError>>(_: A) -> Result<Answer, ApiError> {
    Err(ApiError::detail(StatusCode::METHOD_NOT_ALLOWED, "This path does not have this method."))
}

/// A route for GET, and for HEAD, which is answered the same without the body.
fn read<F, Arguments>(handler: F) -> Route
where
    F: Handler<Arguments>,
    Arguments: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler)
}

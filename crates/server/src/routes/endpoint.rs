//! A path with its methods, and who learns which methods it has.

use std::marker::PhantomData;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, web};

use crate::answer::Answer;
use crate::error::ApiError;

/// A path. Methods it does not have are answered 405 to those with access `A`, and refused to everybody else.
pub struct Endpoint<A> {
    resource: Resource,
    methods: Vec<&'static str>,
    access: PhantomData<A>,
}

impl<A> Endpoint<A> {
    /// A path without methods.
    pub fn new(path: &str) -> Self {
        Self { resource: web::resource(path), methods: Vec::new(), access: PhantomData }
    }

    /// Answers GET, and HEAD the same without the body.
    pub fn get<F, Arguments>(self, handler: F) -> Self
    where
        F: Handler<Arguments>,
        Arguments: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
        self.route(route, &["GET", "HEAD"])
    }

    /// Answers POST.
    pub fn post<F, Arguments>(self, handler: F) -> Self
    where
        F: Handler<Arguments>,
        Arguments: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(web::post().to(handler), &["POST"])
    }

    /// Answers PATCH.
    pub fn patch<F, Arguments>(self, handler: F) -> Self
    where
        F: Handler<Arguments>,
        Arguments: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(web::patch().to(handler), &["PATCH"])
    }

    /// Answers DELETE.
    pub fn delete<F, Arguments>(self, handler: F) -> Self
    where
        F: Handler<Arguments>,
        Arguments: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(web::delete().to(handler), &["DELETE"])
    }

    fn route(mut self, route: Route, methods: &[&'static str]) -> Self {
        self.methods.extend_from_slice(methods);
        Self { resource: self.resource.route(route), ..self }
    }
}

impl<A: FromRequest<Error = ApiError> + 'static> HttpServiceFactory for Endpoint<A> {
    fn register(self, config: &mut AppService) {
        let allowed = self.methods.join(", ");
        let refuse = move |_: A| {
            let error = ApiError::method_not_allowed(allowed.clone());
            async { Err::<Answer, _>(error) }
        };
        self.resource.default_service(web::to(refuse)).register(config);
    }
}

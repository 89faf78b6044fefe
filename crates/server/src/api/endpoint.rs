//! A path with its methods, and who learns which methods it has.

use std::marker::PhantomData;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::{FromRequest, Handler, Resource, Responder, Route, Scope, guard, web};

use crate::http::answer::Answer;
use crate::http::error::ApiError;

/// The endpoints below a path, and which they are.
pub struct Endpoints {
    below: &'static str,
    scope: Scope,
    registered: Vec<(&'static str, String)>,
}

impl Endpoints {
    /// No endpoints yet.
    pub fn below(path: &'static str) -> Self {
        Self { below: path, scope: web::scope(path), registered: Vec::new() }
    }

    /// And this one.
    pub fn service<A: FromRequest<Error = ApiError> + 'static>(mut self, endpoint: Endpoint<A>) -> Self {
        let path = format!("{}{}", self.below, endpoint.path);
        self.registered.extend(endpoint.methods.iter().map(|method| (*method, path.clone())));
        Self { scope: self.scope.service(endpoint), ..self }
    }

    /// Every method of every path.
    pub fn registered(&self) -> &[(&'static str, String)] {
        &self.registered
    }
}

impl HttpServiceFactory for Endpoints {
    fn register(self, config: &mut AppService) {
        self.scope.register(config);
    }
}

/// A path. Methods it does not have are answered 405 to those with access `A`, and refused to everybody else.
pub struct Endpoint<A> {
    path: &'static str,
    resource: Resource,
    methods: Vec<&'static str>,
    access: PhantomData<A>,
}

impl<A> Endpoint<A> {
    /// A path without methods.
    pub fn new(path: &'static str) -> Self {
        Self { path, resource: web::resource(path), methods: Vec::new(), access: PhantomData }
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

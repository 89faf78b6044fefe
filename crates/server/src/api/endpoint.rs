//! Routes handlers. A handler's `#[utoipa::path]` names its path and method. Its first argument is the permission it needs; only
//! callers with that permission learn which methods the path has.

use std::collections::BTreeMap;
use std::iter;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::guard::{self, GuardContext};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, Scope, web};
use utoipa::openapi::HttpMethod;

use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::http::idempotency::Kept;
use crate::http::response::{ApiResult, Response};

/// The two prefixes of agreement paths. Handlers name the first one; every path below it exists below the second one too.
pub const AGREEMENTS: [&str; 2] = ["/api/v1/customer-agreement/", "/api/v1/customer-agreements/"];

/// The arguments of a handler. The first one is its whole permission: a repeated request is answered after this check alone.
pub trait Arguments: FromRequest + 'static {
    /// What checks the whole permission that this request needs; it reads the body if that is part of it.
    type Guarded: FromRequest + 'static;
    /// The permission a caller needs, whatever the request.
    type Access: FromRequest<Error = ApiError> + 'static;
}

impl<A: Guarded + 'static> Arguments for (A,) {
    type Guarded = A::Whole;
    type Access = A::Access;
}

impl<A: Guarded + 'static, B: FromRequest + 'static> Arguments for (A, B) {
    type Guarded = A::Whole;
    type Access = A::Access;
}

impl<A: Guarded + 'static, B: FromRequest + 'static, C: FromRequest + 'static> Arguments for (A, B, C) {
    type Guarded = A::Whole;
    type Access = A::Access;
}

/// What every path of an endpoint begins with.
const ROOT: &str = "/api/v1";

/// The endpoints by path.
#[derive(Default)]
pub struct Endpoints(BTreeMap<String, Endpoint>);

/// A path with its methods. Callers with the permission get 405 for other methods.
struct Endpoint {
    routes: Vec<(&'static [&'static str], Route)>,
    refuse: fn(Resource, String) -> Resource,
}

impl Endpoints {
    /// Adds a handler. `P` is the type that `#[utoipa::path]` generates for it.
    pub fn route<P, F, A>(mut self, handler: F) -> Self
    where
        P: utoipa::Path,
        F: Handler<A>,
        A: Arguments,
        F::Output: Responder + 'static,
    {
        for (path, method) in
            names(P::path()).flat_map(|path| P::methods().into_iter().map(move |method| (path.clone(), method)))
        {
            // HEAD is GET without the body.
            let methods: &[&str] = match method {
                HttpMethod::Get => &["GET", "HEAD"],
                HttpMethod::Post => &["POST"],
                HttpMethod::Put => &["PUT"],
                HttpMethod::Patch => &["PATCH"],
                HttpMethod::Delete => &["DELETE"],
                _ => &[],
            };
            let has_method = move |request: &GuardContext<'_>| methods.contains(&request.head().method.as_str());
            let endpoint = self.0.entry(path).or_insert(Endpoint { routes: Vec::new(), refuse: refuse::<A::Access> });
            if method != HttpMethod::Get {
                let is_repeated = move |request: &GuardContext<'_>| has_method(request) && Kept::is_in(request);
                let again = web::route().guard(guard::fn_guard(is_repeated)).to(again::<A::Guarded>);
                endpoint.routes.push((&[], again));
            }
            let route = web::route().guard(guard::fn_guard(has_method)).to(handler.clone());
            endpoint.routes.push((methods, route));
        }
        self
    }

    /// Every method of every path.
    pub fn registered(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().flat_map(|(path, endpoint)| endpoint.methods().map(move |method| (method, path.as_str())))
    }
}

impl Endpoint {
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.routes.iter().flat_map(|(methods, _)| methods.iter().copied())
    }

    fn resource(self, path: &str) -> Resource {
        let allowed: Vec<_> = self.methods().collect();
        let resource = (self.refuse)(web::resource(path), allowed.join(", "));
        self.routes.into_iter().fold(resource, |resource, (_, route)| resource.route(route))
    }
}

impl HttpServiceFactory for Endpoints {
    /// # Panics
    /// If a path does not begin with [`ROOT`], or if two paths name the parameter in the same place differently.
    fn register(self, config: &mut AppService) {
        let below_root = |(path, endpoint): (String, Endpoint)| {
            let path = path.strip_prefix(ROOT).unwrap_or_else(|| panic!("{path} does not begin with {ROOT}"));
            (path.to_owned(), endpoint)
        };
        nested(web::scope(ROOT), self.0.into_iter().map(below_root).collect()).register(config);
    }
}

/// Adds endpoints to a scope. The router tries what a scope has one after another, and matches a parameter by a regular
/// expression, which is slow. So paths without parameters come first, and the others are in a scope for what they have in
/// common: what stands before the first parameter, or the parameter. A scope that was entered is not left, so a
/// parameter needs the same name in all paths that have it in the same place.
fn nested(scope: Scope, endpoints: BTreeMap<String, Endpoint>) -> Scope {
    let mut scopes: BTreeMap<String, BTreeMap<String, Endpoint>> = BTreeMap::new();
    let mut scope = scope;
    for (path, endpoint) in endpoints {
        let common = match path.find("/{") {
            None => {
                scope = scope.service(endpoint.resource(&path));
                continue;
            }
            Some(0) => path.find('}').map_or(path.len(), |end| end + 1),
            Some(before) => before,
        };
        let (common, rest) = path.split_at(common);
        scopes.entry(common.to_owned()).or_default().insert(rest.to_owned(), endpoint);
    }
    let parameters: Vec<&String> = scopes.keys().filter(|common| common.starts_with("/{")).collect();
    assert!(parameters.len() <= 1, "paths name the parameter in the same place differently: {parameters:?}");
    // The longest first: a scope takes every path that begins with its own.
    for (common, endpoints) in scopes.into_iter().rev() {
        scope = scope.service(nested(web::scope(&common), endpoints));
    }
    scope
}

fn names(path: String) -> impl Iterator<Item = String> {
    let [first, second] = AGREEMENTS;
    let other = path.strip_prefix(first).map(|below| format!("{second}{below}"));
    iter::once(path).chain(other)
}

/// Gives the kept answer to a request that was done before, if its caller still has the permission for it.
async fn again<A>(_: A, request: HttpRequest) -> ApiResult<HttpResponse> {
    Kept::answer(&request).await
}

fn refuse<A: FromRequest<Error = ApiError> + 'static>(resource: Resource, allowed: String) -> Resource {
    resource.default_service(web::to(move |_: A| {
        let error = ApiError::method_not_allowed(allowed.clone());
        async { Err::<Response, _>(error) }
    }))
}

/// Generates, for a list of handlers, the function `endpoints()` that routes them and the struct `Documented` that describes them.
macro_rules! handlers {
    ($($($name:ident)::+),+ $(,)?) => {
        /// The handlers' part of the API's document.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($name)::+),+))]
        pub struct Documented;

        /// The endpoints of the API proper.
        pub fn endpoints() -> $crate::api::endpoint::Endpoints {
            $crate::api::endpoint::Endpoints::default()
                $(.route::<$crate::api::endpoint::described!($($name)::+), _, _>($($name)::+))+
        }
    };
}

/// The type that `#[utoipa::path]` generates for a handler.
macro_rules! described {
    ($module:ident::$handler:ident) => {
        pastey::paste! { $module::[<__path_ $handler>] }
    };
    ($group:ident::$module:ident::$handler:ident) => {
        pastey::paste! { $group::$module::[<__path_ $handler>] }
    };
}

pub(crate) use {described, handlers};

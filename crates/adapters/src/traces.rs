//! Traces: how what is going on is carried across storage, and to other services.
//!
//! Whoever records traces makes a span the current one, in OpenTelemetry's [`Context`] of the thread or task, and sets the global
//! tracer. Where nobody does, everything here does nothing.

use std::borrow::Cow;

use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};

/// The name under which this program's spans are made.
pub const SCOPE: &str = "license-manager";

/// The header of W3C Trace Context that names a trace and the span in it which is at work.
pub const TRACE_PARENT: &str = "traceparent";

/// What is going on here, as [`TRACE_PARENT`] has it; `None` where no trace is recorded.
pub fn parent() -> Option<String> {
    Context::map_current(name)
}

fn name(context: &Context) -> Option<String> {
    let span = context.span();
    let span = span.span_context();
    let sampled = u8::from(span.is_sampled());
    span.is_valid().then(|| format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id()))
}

/// The span of a call to another service, below what is going on. It ends when it is dropped.
pub(crate) struct CallSpan(Context);

impl CallSpan {
    /// `None` where no trace is recorded. No attribute may name a person or hold a secret.
    pub(crate) fn start(
        name: impl Into<Cow<'static, str>>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Option<Self> {
        let parent = Context::current();
        if !parent.span().span_context().is_valid() {
            return None;
        }
        let tracer = global::tracer(SCOPE);
        let span = tracer.span_builder(name).with_kind(SpanKind::Client).with_attributes(attributes());
        let span = span.start_with_context(&tracer, &parent);
        Some(Self(parent.with_span(span)))
    }

    /// What the called service is to go on with, as [`TRACE_PARENT`] has it.
    pub(crate) fn parent(&self) -> Option<String> {
        name(&self.0)
    }

    /// Notes what the service answered.
    pub(crate) fn note(&self, attribute: KeyValue) {
        self.0.span().set_attribute(attribute);
    }

    /// Notes that the call came to nothing, and why, in one of a few words.
    pub(crate) fn failed(&self, kind: impl Into<Cow<'static, str>>) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("error.type", kind.into()));
        span.set_status(Status::error(""));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn what_is_going_on_has_a_name_while_it_goes_on() {
        assert_eq!(parent(), None);
        let span = SpanContext::new(
            TraceId::from(0xabc),
            SpanId::from(0xdef),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let at_work = Context::new().with_remote_span_context(span).attach();
        let name = "00-00000000000000000000000000000abc-0000000000000def-01";
        assert_eq!(parent().as_deref(), Some(name));
        let call = CallSpan::start("call", Vec::new).expect("there is a trace to be part of");
        assert_eq!(call.parent().as_deref(), Some(name), "nobody makes spans, and the trace goes on");
        drop(at_work);
        assert_eq!(parent(), None);
        assert!(CallSpan::start("call", Vec::new).is_none());
    }
}

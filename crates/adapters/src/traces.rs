//! Passes trace contexts through storage and on to other services.
//!
//! The caller attaches a span to OpenTelemetry's current [`Context`] and sets the global tracer. Without a current
//! span, everything here does nothing.

use std::borrow::Cow;

use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};

/// The instrumentation scope of this program's spans.
pub const SCOPE: &str = "license-manager";

/// The W3C Trace Context header with the ids of the trace and of the calling span.
pub const TRACE_PARENT: &str = "traceparent";

/// The current span in the format of [`TRACE_PARENT`]; `None` when no trace is recorded.
pub fn parent() -> Option<String> {
    Context::map_current(name)
}

fn name(context: &Context) -> Option<String> {
    let span = context.span();
    let span = span.span_context();
    let sampled = u8::from(span.is_sampled());
    span.is_valid().then(|| format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id()))
}

/// The client span of a call to another service, a child of the current span. It ends when dropped.
pub(crate) struct CallSpan(Context);

impl CallSpan {
    /// Starts a span; `None` when no trace is recorded. Attributes must not name a person or hold a secret.
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

    /// This span in the format of [`TRACE_PARENT`], to send to the called service.
    pub(crate) fn parent(&self) -> Option<String> {
        name(&self.0)
    }

    /// Adds an attribute of the answer.
    pub(crate) fn note(&self, attribute: KeyValue) {
        self.0.span().set_attribute(attribute);
    }

    /// Marks the call as failed. `kind` is a short error type, such as `timeout`.
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
    fn a_span_has_a_trace_parent_only_while_it_is_current() {
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
        let call = CallSpan::start("call", Vec::new).expect("a trace is recorded");
        assert_eq!(call.parent().as_deref(), Some(name), "without a tracer, the trace keeps its ids");
        drop(at_work);
        assert_eq!(parent(), None);
        assert!(CallSpan::start("call", Vec::new).is_none());
    }
}

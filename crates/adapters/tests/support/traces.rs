//! A trace that work is a part of.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

/// Runs work within a trace, and returns its trace parent.
pub fn within_a_trace(work: &mut dyn FnMut()) -> String {
    let (trace, span) = (TraceId::from(0xabc), SpanId::from(0xdef));
    let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
    let _traced = Context::new().with_remote_span_context(span).attach();
    work();
    "00-00000000000000000000000000000abc-0000000000000def-01".to_owned()
}

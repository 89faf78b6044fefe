//! Traces of work that is not part of a request: a batch of a job, a scheduled run, a command.
//!
//! Each is a trace of its own. The messages that it stores and the calls that it makes belong to this trace.

use opentelemetry::trace::{SpanBuilder, SpanRef, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::telemetry::traces;

/// The first span of a trace. It ends when this is dropped.
pub struct Work(Context);

impl Work {
    /// Starts the span of a batch of a job of this kind on a plan.
    pub fn job(kind: &'static str, plan: impl ToString) -> Self {
        Self::begin("job", kind, || {
            vec![
                KeyValue::new("license_manager.job.kind", kind),
                KeyValue::new("license_manager.plan", plan.to_string()),
            ]
        })
    }

    /// Starts the span of a scheduled run of an operation.
    pub fn scheduled(operation: &'static str) -> Self {
        Self::begin("scheduled", operation, || vec![KeyValue::new("license_manager.operation", operation)])
    }

    /// Starts the span of a command. It is named without its arguments, which may hold personal data and secrets.
    pub fn command(name: &str) -> Self {
        Self::begin("command", name, || vec![KeyValue::new("license_manager.command", name.to_owned())])
    }

    fn begin(what: &str, name: &str, attributes: impl FnOnce() -> Vec<KeyValue>) -> Self {
        if !traces::is_recording() {
            return Self(Context::new());
        }
        let span = SpanBuilder::from_name(format!("{what} {name}")).with_attributes(attributes());
        Self(traces::begin(span, &Context::new()))
    }

    /// The context to do the work in.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    /// Records numbers of what was worked on, by name.
    pub fn count<'n>(&self, numbers: impl IntoIterator<Item = (&'n str, i64)>) {
        set_counts(&self.0.span(), numbers);
    }

    /// Records that the work failed.
    pub fn failed(&self) {
        self.0.span().set_status(Status::error(""));
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // A task that is still around may hold the context.
        self.0.span().end();
    }
}

/// As [`Work::count`], for the work whose context is attached to this thread.
pub fn count<'n>(numbers: impl IntoIterator<Item = (&'n str, i64)>) {
    set_counts(&Context::current().span(), numbers);
}

fn set_counts<'n>(span: &SpanRef<'_>, numbers: impl IntoIterator<Item = (&'n str, i64)>) {
    if span.is_recording() {
        for (name, number) in numbers {
            span.set_attribute(KeyValue::new(format!("license_manager.count.{name}"), number));
        }
    }
}

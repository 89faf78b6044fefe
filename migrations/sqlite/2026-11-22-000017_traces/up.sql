-- What a message or a delivery is part of: the trace and the span in it at work when it was promised, as traceparent of W3C Trace
-- Context; null where no traces are recorded.
ALTER TABLE outbox ADD COLUMN trace_parent TEXT;
ALTER TABLE webhook_delivery ADD COLUMN trace_parent TEXT;

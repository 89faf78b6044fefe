-- Nothing to undo: every version can read addresses in their normal form.
SELECT 1;

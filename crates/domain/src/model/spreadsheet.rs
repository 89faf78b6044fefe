//! Files that people open in spreadsheets.

use std::borrow::Cow;

/// The cell of a CSV file, in a form that spreadsheets do not take for a formula: what people type, addresses among it, may begin
/// with the same characters.
pub fn text_cell(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(text_cell(formula), format!("'{formula}"));
        }
        assert_eq!(text_cell("amy+1@example.com"), "amy+1@example.com");
    }
}

//! CSV files for spreadsheets.

use std::borrow::Cow;

/// A CSV cell that spreadsheets do not run as a formula. User input, such as an email address, can start like one.
pub fn text_cell(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

/// What the cell says to a spreadsheet: the opposite of [`text_cell`].
pub fn cell_text(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text_cell(text) != text => text,
        _ => cell,
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
        for text in ["=1+1", "-1", "amy+1@example.com", "'amy@example.com", ""] {
            assert_eq!(cell_text(&text_cell(text)), text);
        }
    }
}

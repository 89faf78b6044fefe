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

/// Writes lines of cells.
#[cfg(feature = "csv")]
pub(crate) fn csv_of<L>(mut lines: impl Iterator<Item = L>) -> String
where
    L: IntoIterator,
    L::Item: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let written = lines.try_for_each(|line| writer.write_record(line));
    // Writing to memory does not fail.
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Nothing to write: without the feature `csv`, bulk enrollments are refused before.
#[cfg(not(feature = "csv"))]
pub(crate) fn csv_of<L>(_: impl Iterator<Item = L>) -> String {
    String::new()
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

//! Addresses as people paste them: one a line, separated by commas, or a CSV file from a spreadsheet.

use std::collections::HashSet;

use license_manager_domain::Email;
use license_manager_domain::model::cell_text;

/// Names of the column with the addresses, in lowercase. Without one of these, the first name with "mail" counts.
const COLUMNS: [&str; 6] = ["email", "e-mail", "mail", "email address", "user_email", "address"];

/// The most addresses of one assignment.
pub(crate) const MOST: usize = 10_000;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The addresses, each once, in order.
    pub(crate) good: Vec<Email>,
    /// How many were there more than once.
    pub(crate) repeated: usize,
    /// What cannot be read.
    pub(crate) bad: Vec<BadLine>,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// Its number, from 1.
    pub(crate) line: u64,
    /// What it says.
    pub(crate) text: String,
    /// What is wrong.
    pub(crate) problem: String,
}

/// Reads addresses from texts, each with its own separators and headings. With a line of headings, only the column of
/// addresses counts; otherwise every cell with an `@`.
pub(crate) fn read<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Addresses {
    let (mut found, mut seen) = (Addresses::default(), HashSet::new());
    for text in texts {
        read_one(text.as_ref(), &mut found, &mut seen);
    }
    found
}

fn read_one(text: &str, found: &mut Addresses, seen: &mut HashSet<Email>) {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = if first.contains(';') {
        b';'
    } else if first.contains('\t') {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut column = None;
    let mut is_first = true;
    for record in reader.records() {
        // The text is UTF-8, and lines may have any number of cells.
        let Ok(record) = record else { continue };
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<&str> = record.iter().map(cell_text).collect();
        if cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        if std::mem::take(&mut is_first) && !cells.iter().any(|cell| cell.contains('@')) {
            let names: Vec<String> = cells.iter().map(|cell| cell.to_lowercase()).collect();
            let known = names.iter().position(|name| COLUMNS.contains(&name.as_str()));
            column = known.or_else(|| names.iter().position(|name| name.contains("mail")));
            if column.is_some() {
                continue;
            }
        }
        let words: Vec<&str> = match column {
            Some(column) => vec![cells.get(column).copied().unwrap_or_default()],
            None => cells.iter().flat_map(|cell| addresses_in(cell)).collect(),
        };
        if words.is_empty() {
            found.bad.push(bad(line, &cells.join(", "), "This is no email address."));
        }
        for word in words {
            match address(word).parse::<Email>() {
                Ok(email) if seen.insert(email.clone()) => found.good.push(email),
                Ok(_) => found.repeated += 1,
                Err(problem) => found.bad.push(bad(line, word, &problem.to_string())),
            }
        }
    }
}

/// What may be addresses in a cell: `Amy Adams <amy@example.com>` is one, and so is each word with an `@`.
fn addresses_in(cell: &str) -> Vec<&str> {
    if cell.contains('<') && cell.ends_with('>') {
        return vec![cell];
    }
    cell.split([' ', ',', ';', '\t']).filter(|word| word.contains('@')).collect()
}

/// The address within `<` and `>`, or the word itself.
fn address(word: &str) -> &str {
    let inner = word.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    inner.unwrap_or(word).trim()
}

fn bad(line: u64, text: &str, problem: &str) -> BadLine {
    BadLine { line, text: text.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Vec<String> {
        read([text]).good.into_iter().map(String::from).collect()
    }

    #[test]
    fn addresses_are_read_however_they_are_separated() {
        let both = ["amy@example.com", "bob@example.com"];
        for text in [
            "amy@example.com\nbob@example.com",
            "amy@example.com, bob@example.com\r\n",
            "amy@example.com bob@example.com",
            "amy@example.com;bob@example.com;",
            "\u{feff}Name;Email\nAmy;amy@example.com\nBob;bob@example.com\n",
            "\"Adams, Amy\",amy@example.com\n\n\"Brown, Bob\",BOB@example.com",
            "Amy Adams <amy@example.com>\nBob <bob@example.com>",
            "E-Mail\tTeam\namy@example.com\tblue\nbob@example.com\tred@team",
            "Name,Work email,Manager's email\nAmy,amy@example.com,cleo@example.com\nBob,bob@example.com,cleo@example.com",
        ] {
            assert_eq!(good(text), both, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line() {
        let read = read(["email\namy@example.com\nmary.major\nbob@@example.com\n\namy@example.com\n"]);
        assert_eq!((read.good.len(), read.repeated), (1, 1));
        let lines: Vec<(u64, &str)> = read.bad.iter().map(|bad| (bad.line, bad.text.as_str())).collect();
        assert_eq!(lines, [(3, "mary.major"), (4, "bob@@example.com")]);
        assert_eq!(super::read(["mary.major"]).bad[0].problem, "This is no email address.");
        assert_eq!(super::read([" \n"]), Addresses::default());
    }
}

//! The files of the package that follow from the program: settings, man pages, completions; and the alerts and the
//! dashboard, which follow the documentation. `UPDATE_PACKAGE=1` writes the first kind anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use license_manager::cli::Cli;
use license_manager::config::Config;

/// The longest line of a comment.
const WIDTH: usize = 100;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// Panics unless the file has this text, or writes it.
fn assert_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_PACKAGE").is_some() {
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("its folder is made");
        fs::write(path, text).expect("the file is written");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{} does not fit the program: `UPDATE_PACKAGE=1 cargo nextest run --workspace --test server -E 'test(package_files)'`",
        path.display()
    );
}

/// A cell of a table in Markdown, as plain text.
fn plain(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.split_once("](").and_then(|(label, after)| Some((label, after.split_once(')')?.1))) {
            Some((label, after)) => {
                text.push_str(label);
                rest = after;
            }
            None => {
                text.push('[');
                rest = after;
            }
        }
    }
    text + rest
}

/// A comment of lines that are not too long.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > WIDTH) {
            lines.push(String::from("#"));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// The values and the meaning of each variable in docs/SETTINGS.md.
fn documented(variable: &str) -> (String, String) {
    let page = include_str!("../../../../docs/SETTINGS.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| `{variable}` |")));
    let row = row.unwrap_or_else(|| panic!("docs/SETTINGS.md lacks {variable}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    (plain(cells[3]), plain(cells[4]))
}

/// The settings of the package: every key as a comment, with its default.
fn settings() -> String {
    let mut file = comment(
        "The settings of license-manager. Every key stands here as a comment, with its default; a key without a value is \
         not set. Environment variables override this file: the units read them from /etc/license-manager/environment. \
         `license-manager config` checks the settings, and `license-manager doctor` looks whether they work.",
    );
    let shown = Config::default().effective();
    for line in shown.lines() {
        if line.starts_with('[') {
            file.push_str(&format!("\n{line}\n"));
            continue;
        }
        let Some((setting, variable)) = line.rsplit_once("  # ") else { continue };
        let (values, meaning) = documented(variable);
        file.push('\n');
        file.push_str(&comment(&format!("{meaning} ({values}; {variable})")));
        match setting.split_once(" = ") {
            Some((key, value)) => file.push_str(&format!("#{key} = {value}\n")),
            None => {
                let key = setting.trim_start_matches("# ").trim_end_matches(" is not set");
                file.push_str(&format!("#{key} =\n"));
            }
        }
    }
    file
}

#[test]
fn the_settings_of_the_package_have_every_key_with_its_default() {
    let file = settings();
    assert_file(&folder().join("debian/config.toml"), &file);
    let load = |text: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let path = folder.path().join("config.toml");
        fs::write(&path, text).expect("a file is written");
        Config::load(Some(&path), std::iter::empty()).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    assert_eq!(load(&file).effective(), Config::default().effective(), "as it is, it sets nothing");
    let set: Vec<String> = file
        .lines()
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|letter: char| letter.is_ascii_lowercase()) => key.to_owned(),
            Some(_) => String::new(),
            None => line.to_owned(),
        })
        .collect();
    assert!(set.len() > 100, "{}", set.len());
    assert_eq!(
        load(&set.join("\n")).effective(),
        Config::default().effective(),
        "its defaults are those of the program"
    );
}

#[test]
fn the_man_pages_and_the_completions_are_those_of_the_command_line() {
    let pages = tempfile::tempdir().expect("a temporary folder is created");
    clap_mangen::generate_to(Cli::command(), pages.path()).expect("the pages are written");
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry is read").file_name().to_string_lossy().into_owned()).collect()
    };
    let man = folder().join("man");
    let generated = names(pages.path());
    assert!(generated.contains("license-manager.1") && generated.contains("license-manager-doctor.1"), "{generated:?}");
    for name in &generated {
        assert_file(&man.join(name), &fs::read_to_string(pages.path().join(name)).expect("a page is text"));
    }
    assert_eq!(names(&man), generated, "no page is about a command that is gone");
    for (shell, name) in
        [(Shell::Bash, "license-manager.bash"), (Shell::Zsh, "_license-manager"), (Shell::Fish, "license-manager.fish")]
    {
        let mut completions = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "license-manager", &mut completions);
        let completions = String::from_utf8(completions).expect("completions are text");
        assert_file(&folder().join("completions").join(name), &completions);
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
}

/// The names in a text that begin as variables of settings do.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|letter| !is_of_name(letter)).filter(|word| word.starts_with("LM_")).collect()
}

/// The variables that a file for containers sets, with their values; one in a line.
fn set_variables(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| {
            let from_name = &line[line.find("LM_")?..];
            let (name, rest) = from_name.split_at(from_name.find(|letter| !is_of_name(letter))?);
            let value = rest.trim_start_matches([':', '=', ',', ' ']).trim_start_matches("value:");
            Some((name.to_owned(), value.trim_matches([' ', '"', '}']).to_owned()))
        })
        .collect()
}

/// The texts of the files in a folder below `deploy`, or of one file, each with its path.
fn texts(place: &str) -> Vec<(PathBuf, String)> {
    let path = folder().join(place);
    let files: Vec<PathBuf> = match path.is_dir() {
        true => fs::read_dir(&path).expect("a folder is read").map(|file| file.expect("a file").path()).collect(),
        false => vec![path],
    };
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("the file is text");
        (file, text)
    };
    files.into_iter().filter(|file| file.is_file()).map(read).collect()
}

#[test]
fn pages_name_settings_that_there_are() {
    let shown = Config::default().effective();
    let known = variables(&shown);
    let mut pages = texts("../docs");
    pages.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "md"));
    pages.extend(texts("../README.md"));
    assert!(pages.len() > 5, "{}", pages.len());
    for (path, text) in pages {
        // A page may name all of a section: LM_BACKUP__…
        let is_known = |name: &str| {
            known.contains(name) || (name.ends_with('_') && known.iter().any(|known| known.starts_with(name)))
        };
        let strange: Vec<_> = variables(&text).into_iter().filter(|name| !is_known(name)).collect();
        assert!(strange.is_empty(), "{}: {strange:?}", path.display());
    }
}

#[test]
fn containers_are_started_with_settings_that_there_are() {
    let shown = Config::default().effective();
    let known = variables(&shown);
    for place in ["Dockerfile", "compose", "kubernetes"] {
        for (file, text) in texts(place) {
            let strange: Vec<_> = variables(&text).difference(&known).copied().collect();
            assert!(strange.is_empty(), "{}: {strange:?}", file.display());
        }
    }
    let of_compose = fs::read_to_string(folder().join("compose/secrets.example.toml")).expect("the file is there");
    let of_kubernetes = fs::read_to_string(folder().join("kubernetes/secret.example.yaml")).expect("the file is there");
    let (_, of_kubernetes) = of_kubernetes.split_once("secrets.toml: |").expect("the secret has a file");
    for (place, secrets) in [("compose", of_compose.as_str()), ("kubernetes", of_kubernetes)] {
        let set: Vec<_> = texts(place).iter().flat_map(|(_, text)| set_variables(text)).collect();
        assert!(set.len() > 10, "{place}: {set:?}");
        let temporary = tempfile::tempdir().expect("a temporary folder is created");
        let path = temporary.path().join("secrets");
        fs::write(&path, secrets).expect("a file is written");
        Config::load(Some(&path), set.into_iter()).unwrap_or_else(|error| panic!("{place}: {error}\n{secrets}"));
    }
}

/// An alert: its summary, its expression, and how long that must hold.
type Alert = (String, String, Option<String>);

/// The alerts of docs/OPERATIONS.md, with all of their expressions.
fn documented_alerts() -> Vec<Alert> {
    let page = include_str!("../../../../docs/OPERATIONS.md");
    let table = page.split("### Alerts").nth(1).and_then(|rest| rest.split("### ").next()).expect("there are alerts");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.flat_map(|row| {
        let cells: Vec<String> =
            row.replace("\\|", "\u{0}").split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        let (title, condition) = (cells[1].clone(), cells[2].clone());
        let parts: Vec<&str> = condition.split('`').collect();
        let words = parts.last().copied().unwrap_or_default();
        let holds = words.split_once("for ").map(|(_, time)| {
            let (number, unit) = time.split_once(' ').expect("a number and a unit");
            let number = if number == "a" { "1" } else { number };
            format!("{number}{}", &unit[..1])
        });
        let expressions: Vec<Alert> =
            parts.iter().skip(1).step_by(2).map(|text| (title.clone(), (*text).to_owned(), holds.clone())).collect();
        expressions
    })
    .collect()
}

/// The alerts of deploy/prometheus/alerts.yml.
fn alerts() -> Vec<Alert> {
    let file = fs::read_to_string(folder().join("prometheus/alerts.yml")).expect("the alerts are there");
    let rules = file.split("- alert: ").skip(1);
    rules
        .map(|rule| {
            let value = |key: &str| rule.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim);
            let summary = value("annotations: { summary:").expect("a summary").trim_end_matches([' ', '}']);
            let expression = value("expr:").expect("an expression").trim_matches('\'');
            (summary.to_owned(), expression.to_owned(), value("for:").map(str::to_owned))
        })
        .collect()
}

#[test]
fn every_alert_of_the_documentation_is_a_rule() {
    let (documented, alerts) = (documented_alerts(), alerts());
    assert!(documented.len() > 20, "{documented:?}");
    let missing: Vec<_> = documented.iter().filter(|alert| !alerts.contains(alert)).collect();
    assert!(missing.is_empty(), "alerts.yml lacks {missing:#?}");
    let strange: Vec<_> =
        alerts.iter().filter(|(summary, ..)| !documented.iter().any(|(title, ..)| title == summary)).collect();
    assert!(strange.is_empty(), "docs/OPERATIONS.md lacks {strange:#?}");
}

#[test]
fn alerts_and_the_dashboard_show_metrics_that_are_there() {
    let page = include_str!("../../../../docs/OPERATIONS.md");
    let table = page.split("### Metrics").nth(1).and_then(|rest| rest.split("### ").next()).expect("there are metrics");
    let known: BTreeSet<&str> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2))
        .collect();
    assert!(known.contains("http_requests_total") && known.len() > 20, "{known:?}");
    for file in ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/license-manager.json"] {
        let text = fs::read_to_string(folder().join(file)).expect("the file is there");
        for after in text.split("license_manager_").skip(1) {
            let end =
                after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len());
            let name = after[..end].trim_end_matches("_bucket");
            assert!(
                known.contains(name),
                "{file} shows license_manager_{name}, which docs/OPERATIONS.md does not know"
            );
        }
    }
}

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

/// The page with this between its marks.
fn with_marked(text: &str, mark: &str, inner: &str) -> String {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begin).expect(mark);
    let (_, after) = rest.split_once(&end).expect(mark);
    format!("{before}{begin}{inner}{end}{after}")
}

/// What a command's page says of its arguments, from the table that reads them.
fn arguments(command: &mut clap::Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim_end();
    let lines: Vec<&str> = usage.lines().map(str::trim).collect();
    let mut text = format!("## SYNOPSIS\n\n```text\n{}\n```\n", lines.join("\n"));
    text += "\n## OPTIONS\n\n| Option | Meaning |\n|---|---|\n";
    for argument in command.get_arguments().filter(|it| !it.is_hide_set()) {
        let values = argument.get_value_names().unwrap_or_default().join(" ");
        let flag = |flag: String| {
            let is_last = flag.starts_with("--") || argument.get_long().is_none();
            let takes = is_last && argument.get_action().takes_values();
            let value = if takes {
                format!(" {values}")
            } else {
                String::new()
            };
            format!("`{flag}{value}`")
        };
        let short = argument.get_short().map(|short| flag(format!("-{short}")));
        let long = argument.get_long().map(|long| flag(format!("--{long}")));
        let mut names: Vec<String> = short.into_iter().chain(long).collect();
        if names.is_empty() {
            names.push(format!("`{values}`"));
        }
        let help = argument.get_help().expect("help").to_string();
        let default = argument.get_default_values().first();
        let default = default.filter(|_| argument.get_action().takes_values());
        let default = default.map(|default| format!(" [default: {}]", default.display()));
        let default = default.unwrap_or_default();
        writeln!(text, "| {} | {help}{default} |", names.join(", ")).expect("a string");
    }
    text
}

/// `STERNA_WRITE_GOLDEN` in the environment has the pages written anew.
#[test]
fn pages_say_of_arguments_what_the_program_takes() {
    let mut command = Cli::command();
    command.build();
    let mut commands = String::from("| Command | What it does |\n|---|---|\n");
    for subcommand in command.get_subcommands() {
        let (name, about) = (
            subcommand.get_name(),
            subcommand.get_about().expect("about"),
        );
        writeln!(commands, "| [`{name}`](sterna-{name}.1.md) | {about} |").expect("a string");
    }
    let mut expected = vec![(
        "sterna".to_owned(),
        with_marked(PAGES[0].text, "commands", &commands),
    )];
    expected[0].1 = with_marked(&expected[0].1, "options sterna", &arguments(&mut command));
    for subcommand in command.get_subcommands_mut() {
        let name = format!("sterna-{}", subcommand.get_name());
        let page = Page::of(&name).expect(&name);
        let about = subcommand.get_about().expect("about").to_string();
        assert_eq!(page.about(), about, "{name}");
        let mark = format!("options {name}");
        let text = with_marked(page.text, &mark, &arguments(subcommand));
        expected.push((name, text));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (name, text) in expected {
        if Page::of(&name).expect(&name).text != text {
            if std::env::var_os("STERNA_WRITE_GOLDEN").is_some() {
                fs::write(root.join(format!("etc/doc/{name}.1.md")), &text).expect("written");
            }
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "stale pages: {stale:?}");
}

#[test]
fn every_page_is_in_the_binary_and_every_command_has_all_sections() {
    let mut files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/doc"))
        .expect("etc/doc")
        .map(|file| file.expect("an entry").file_name().display().to_string())
        .filter(|name| {
            !["clients.md", "contributing.md", "runbook.md", "sizing.md"].contains(&&**name)
        })
        .collect::<Vec<_>>();
    let mut known: Vec<String> = PAGES
        .iter()
        .map(|page| format!("{}.md", page.file()))
        .collect();
    files.sort();
    known.sort();
    assert_eq!(files, known);
    for page in PAGES.iter().filter(|page| page.number == 1) {
        for head in [
            "SYNOPSIS",
            "OPTIONS",
            "EXAMPLES",
            "EXIT STATUS",
            "FILES",
            "SIGNALS",
            "ENVIRONMENT",
        ] {
            assert!(page.section(head).is_some(), "{}: no {head}", page.name);
        }
    }
}

#[test]
fn a_page_is_found_by_every_name_that_it_has() {
    let found = |topic: &str| PAGES.iter().find(|page| page.is(topic)).map(Page::file);
    for topic in ["toml", "sterna.toml", "sterna.toml.5", "sterna.toml(5)"] {
        assert_eq!(found(topic).as_deref(), Some("sterna.toml.5"), "{topic}");
    }
    for topic in ["api", "sterna-api", "sterna-api.7", "sterna-api(7)"] {
        assert_eq!(found(topic).as_deref(), Some("sterna-api.7"), "{topic}");
    }
    assert_eq!(found("sterna").as_deref(), Some("sterna.1"));
    assert_eq!(found(""), None);
    assert_eq!(
        unknown("limit"),
        "there is no page \"limit\"; did you mean limits?"
    );
    let long = unknown(&"x".repeat(1000));
    assert!(
        long.len() < 120 && long.ends_with("`sterna help` lists all"),
        "{long}"
    );
}

const SAMPLE: &str = "\
# sterna-x(1): Do x

<!-- a mark -->
## ONE

Text of *one*
paragraph, `-c \"it's\"` and [a link](sterna.1.md).

- first `a`
  and more

  ```sh
  .request \\ ~
  ```

- second
  - inner

1. counted

| A | B |
|---|---|
| `term` | meaning |

### Two

| A | B | C |
|---|---|---|
| **group** | | |
| x | | c |
| y | b | c |
";

#[test]
fn a_page_is_shown_as_text() {
    let shown = plain::page(&markdown::blocks(SAMPLE));
    let expected = "\
sterna-x(1): Do x

ONE

    Text of one paragraph, -c \"it's\" and a link.

    - first a and more

        .request \\ ~

    - second

      - inner

    1. counted

    term
        meaning

  Two

  group

    x
        C: c

    y
        B: b
        C: c
";
    assert_eq!(shown, expected);
    let long = plain::page(&markdown::blocks(&"word ".repeat(100)));
    assert!(long.lines().all(|line| line.len() < 80), "{long}");
}

#[test]
fn a_page_is_written_for_man() {
    let written = roff::page("sterna-x", 1, &markdown::blocks(SAMPLE));
    let expected = format!(
        "\
.TH \"sterna\\-x\" 1 \"\" \"Sterna {}\" \"Sterna\"
.SH NAME
sterna\\-x \\- Do x
.SH \"ONE\"
.PP
Text of \\fIone\\fR paragraph, \\fB\\-c \\(dqit\\(aqs\\(dq\\fR and a link.
.IP \"\\(bu\" 4
first \\fBa\\fR and more
.RS 4
.PP
.RS 4
.nf
\\&.request \\e \\(ti
.fi
.RE
.RE
.IP \"\\(bu\" 4
second
.RS 4
.IP \"\\(bu\" 4
inner
.RE
.IP \"1.\" 4
counted
.TP
\\fBterm\\fR
meaning
.SS \"Two\"
.SS \"\\fBgroup\\fR\"
.TP
x
\\fIC\\fR: c
.TP
y
\\fIB\\fR: b
.br
\\fIC\\fR: c
",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(written, expected);
}

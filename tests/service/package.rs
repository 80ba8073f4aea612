//! The Debian package: what its description names is there; and what runs before a change is taken.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use toml::Table;
use toml::Value;

use crate::harness::site::{run, sterna};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn description() -> Table {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: Table = text.parse().unwrap();
    let package = manifest["package"].as_table().unwrap();
    let metadata = package["metadata"].as_table().unwrap();
    metadata["deb"].as_table().unwrap().clone()
}

fn texts(value: &Value) -> Vec<&str> {
    let texts = value.as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn every_file_of_the_package_is_there() {
    let description = description();
    let assets = description["assets"].as_array().unwrap();
    let mut installed = Vec::new();
    for asset in assets.iter().map(texts) {
        let (source, target) = (asset[0], asset[1]);
        // The binary is built, its name is the crate's; the rest of target comes from it.
        if !source.starts_with("target/") {
            assert!(root().join(source).is_file(), "{source} is missing");
        }
        let name = Path::new(source).file_name().unwrap().to_str().unwrap();
        installed.push(if target.ends_with('/') {
            format!("/{target}{name}")
        } else {
            format!("/{target}")
        });
    }
    for kept in texts(&description["conf-files"]) {
        assert!(
            installed.iter().any(|path| path == kept),
            "{kept}: {installed:?}"
        );
    }
    // Where the unit and its head say they are.
    for path in [
        "/usr/bin/sterna",
        "/etc/sterna/sterna.toml",
        "/usr/lib/sysusers.d/sterna.conf",
    ] {
        assert!(
            installed.iter().any(|installed| installed == path),
            "{path}: {installed:?}"
        );
    }
    let units = description["systemd-units"].as_table().unwrap();
    let directory = root().join(units["unit-scripts"].as_str().unwrap());
    // Where cargo deb looks for those of this name.
    for unit in [
        "sterna.service",
        "sterna.socket",
        "sterna@.service",
        "sterna@.socket",
    ] {
        assert!(directory.join(unit).is_file(), "{unit}");
    }
}

#[test]
fn man_pages_and_completions_are_those_that_the_binary_writes() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["man", "completions"] {
        let mut sterna = sterna();
        let output = run({
            sterna.arg(command).arg("--dir").arg(directory.path());
            sterna
        });
        assert!(output.status.success(), "{output:?}");
    }
    let files = fs::read_dir(directory.path()).unwrap();
    let mut written: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let description = description();
    for asset in description["assets"].as_array().unwrap().iter().map(texts) {
        let Some(name) = asset[0].strip_prefix("target/pages/") else {
            continue;
        };
        let before = written.len();
        written.retain(|file| match name.strip_prefix('*') {
            Some(end) => !file.ends_with(end),
            None => file != name,
        });
        assert!(written.len() < before, "{name} is not written");
    }
    assert!(written.is_empty(), "not packaged: {written:?}");
}

#[test]
fn man_shows_each_page_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let mut sterna = sterna();
    sterna.arg("man").arg("--dir").arg(directory.path());
    assert!(run(sterna).status.success());
    for file in fs::read_dir(directory.path()).unwrap() {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l"]);
        man.arg(file.unwrap().path()).env("LC_ALL", "C.UTF-8");
        match man.output() {
            Ok(output) => assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            ),
            Err(_) => println!("skipped: there is no man"),
        }
    }
}

#[test]
fn maintainer_scripts_leave_room_for_what_the_tools_add() {
    let description = description();
    let directory = root().join(description["maintainer-scripts"].as_str().unwrap());
    for name in ["postinst", "postrm"] {
        let script = fs::read_to_string(directory.join(name)).unwrap();
        assert!(script.starts_with("#!/bin/sh\n"), "{name}");
        assert!(script.contains("\nset -e\n"), "{name}");
        assert!(script.contains("\n#DEBHELPER#\n"), "{name}");
    }
}

#[test]
fn purging_takes_logs_and_journal_of_that_root_only_and_removing_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    let ours = [
        "var/log/sterna",
        "var/lib/sterna",
        "var/log/sterna-instances",
        "var/lib/sterna-instances",
    ];
    let others = ["var/lib/sterna-backup", "etc/sterna"];
    for path in ours.into_iter().chain(others) {
        fs::create_dir_all(at(path).join("one")).unwrap();
    }
    fs::write(at("etc/sterna/key.p8"), "k").unwrap();
    let description = description();
    let scripts = root().join(description["maintainer-scripts"].as_str().unwrap());
    let is_there = || ours.map(|path| at(path).exists());
    for (reason, left) in [
        ("remove", true),
        ("upgrade", true),
        ("disappear", true),
        ("purge", false),
    ] {
        // dpkg names another root so (dpkg --root with scripts that are not chrooted).
        let output = run({
            let mut script = Command::new("sh");
            script.arg(scripts.join("postrm")).arg(reason);
            script.env("DPKG_ROOT", directory.path());
            script
        });
        assert!(output.status.success(), "{output:?}");
        assert_eq!(is_there(), [left; 4], "{reason}");
    }
    assert!(at("etc/sterna/key.p8").exists());
    assert!(at("var/lib/sterna-backup/one").exists());
}

#[test]
fn an_upgrade_restarts_each_daemon_that_runs() {
    let directory = tempfile::tempdir().unwrap();
    let tool = |name: &str, script: &str| {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, executable).unwrap();
    };
    let told = directory.path().join("told");
    tool(
        "systemctl",
        "[ \"$2\" = list-units ] && printf '%s\\n' 'sterna@a.service loaded active running A' \
         'sterna@b.service loaded active running B'\nexit 0",
    );
    tool(
        "deb-systemd-invoke",
        &format!("echo \"$@\" > {}", told.display()),
    );
    let description = description();
    let scripts = root().join(description["maintainer-scripts"].as_str().unwrap());
    // The host of the tests may not run systemd.
    let script = fs::read_to_string(scripts.join("postinst")).unwrap();
    let script = script.replace("/run/systemd/system", directory.path().to_str().unwrap());
    let output = run({
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "postinst", "configure", "0.0.1"]);
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", directory.path().display()));
        shell
    });
    assert!(output.status.success(), "{output:?}");
    let told = fs::read_to_string(told).unwrap();
    let restarted = "try-restart sterna.service sterna@a.service sterna@b.service\n";
    assert_eq!(told, restarted);
}

#[test]
fn who_asks_what_ci_does_does_not_start_it() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["-h"], 0),
        (&["--fast"], 2),
        (&["tests"], 2),
        (&[""], 2),
    ] {
        let mut run = Command::new("/bin/bash");
        // Whatever it wants to start is not found.
        run.arg(root().join(".ci/run"))
            .args(arguments)
            .env("PATH", "");
        let output = run.output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let (told, other) = match code {
            0 => (output.stdout, output.stderr),
            _ => (output.stderr, output.stdout),
        };
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("usage: .ci/run\n"), "{told}");
        assert!(other.is_empty(), "{arguments:?}");
        assert!(
            code == 0 || told.contains(&format!("unknown argument: {}\n", arguments[0])),
            "{told}"
        );
    }
}

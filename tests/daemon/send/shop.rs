//! A directory with files to send, and the command beside them.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::harness::daemon::Daemon;
use crate::harness::site::{read_text, run, sterna};
use crate::harness::{hex_token, wait_until};

/// Files of a test, and the command beside them.
pub(crate) struct Shop {
    directory: tempfile::TempDir,
    url: String,
}

impl Shop {
    pub(crate) fn before(url: &str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            url: url.to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        read_text(&self.path(name))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sterna();
        command.args(["send", "--url", &self.url]).args(arguments);
        command.current_dir(self.directory.path());
        command
    }

    pub(crate) fn send(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments))
    }

    /// Starts it, its outputs going to the files `out` and `err`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Daemon {
        let mut command = self.command(arguments);
        command
            .stdout(File::create(self.path("out")).unwrap())
            .stderr(File::create(self.path("err")).unwrap());
        Daemon::spawn(command)
    }

    pub(crate) fn wait_for_told(&self, told: &str) {
        wait_until(told, || self.read("err").contains(told));
    }

    /// Rows of the devices of these numbers, with a name each.
    pub(crate) fn write_devices(&self, name: &str, numbers: impl IntoIterator<Item = u64>) {
        let mut rows = BufWriter::new(File::create(self.path(name)).unwrap());
        rows.write_all(b"token,name\r\n").unwrap();
        for number in numbers {
            write!(rows, "{},\"no. {number}\"\r\n", hex_token(number)).unwrap();
        }
        rows.flush().unwrap();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A text whose blanks are one between words.
pub(crate) fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ") + "\n"
    });
    lines.collect()
}

#[track_caller]
pub(crate) fn check(output: &Output, code: i32, printed: &[&str], told: &[&str]) {
    let (out, err) = (squeezed(&stdout(output)), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    for part in printed {
        assert!(out.contains(part), "{part}: {out}{err}");
    }
    for part in told {
        assert!(err.contains(part), "{part}: {out}{err}");
    }
}

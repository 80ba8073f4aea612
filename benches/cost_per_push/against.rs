//! The daemon of another commit, to be measured by turns with this one: what a machine does
//! meanwhile strikes both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;

/// The program of that commit, built as it is shipped; a file is the program itself.
///
/// It is built in a work tree of its own, which is taken away again, and what it is built of stays
/// below the target folder: the same commit takes no time at the next run.
pub(crate) fn program(named: &str) -> Result<PathBuf, Failure> {
    if Path::new(named).is_file() {
        return Ok(named.into());
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commit = format!("{named}^{{commit}}");
    let commit = told_by(git(repository).args(["rev-parse", "--verify", &commit]))?;
    let commit = commit.trim();
    let program = Path::new(env!("CARGO_BIN_EXE_sterna"));
    let folder = program.parent().ok_or("the daemon is in no folder")?;
    let folder = folder.join("against").join(commit);
    let built = folder.join("release/sterna");
    if built.is_file() {
        return Ok(built);
    }
    let tree = folder.join("tree");
    if tree.exists() {
        // A build that was interrupted has left it.
        fs::remove_dir_all(&tree)?;
    }
    told_by(
        git(repository)
            .args(["worktree", "add", "--force", "--detach"])
            .args([tree.as_os_str(), commit.as_ref()]),
    )?;
    let done = told_by(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "--bin", "sterna"])
            .env("CARGO_TARGET_DIR", &folder)
            .current_dir(&tree),
    );
    told_by(
        git(repository)
            .args(["worktree", "remove", "--force"])
            .arg(&tree),
    )?;
    done.map(|_| built)
}

/// What a program knows of a configuration: without the keys that came after it.
pub(crate) fn known(program: &Path, config: &str, directory: &Path) -> Result<String, Failure> {
    let file = directory.join("known.toml");
    fs::write(&file, config)?;
    let mut check = Command::new(program);
    let output = check.arg("check").arg("-c").arg(&file).output()?;
    let found = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let unknown = found
        .lines()
        .filter_map(|line| line.strip_suffix(": unknown key")?.rsplit_once('.'));
    let unknown: Vec<&str> = unknown.map(|(_, key)| key).collect();
    let is_known = |line: &&str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        !unknown.contains(&key)
    };
    let known: Vec<&str> = config.lines().filter(is_known).collect();
    Ok(known.join("\n"))
}

fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository);
    command
}

/// What a command says that must succeed.
fn told_by(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{complaint}", output.status).into())
}

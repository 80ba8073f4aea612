use std::os::unix::fs::PermissionsExt;

use super::*;

fn text(error: &PidFileError, path: &Path) -> String {
    error.to_string().replace(path.to_str().unwrap(), "PATH")
}

#[test]
fn holds_our_pid_without_a_newline_and_vanishes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.pid");
    let pid_file = PidFile::create(&path).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        std::process::id().to_string()
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !FILE_MODE, 0, "{mode:o}");
    drop(pid_file);
    assert!(!path.exists());
}

#[test]
fn a_second_instance_is_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.pid");
    let first = PidFile::create(&path).unwrap();
    let error = PidFile::create(&path).unwrap_err();
    let pid = std::process::id();
    let expected = format!("another instance is running with pid {pid}: it holds pid file PATH");
    assert_eq!(text(&error, &path), expected);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        pid.to_string(),
        "untouched"
    );
    drop(first);
    assert!(PidFile::create(&path).is_ok());
}

#[test]
fn a_stale_file_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.pid");
    let ours = format!("{}\n", std::process::id());
    for stale in ["", "4294967295", &ours] {
        fs::write(&path, stale).unwrap();
        let pid_file = PidFile::create(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            std::process::id().to_string()
        );
        drop(pid_file);
    }
}

/// A process that was begun before the file was written, and one that has its pid by chance.
#[test]
fn the_pid_of_another_program_that_runs_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.pid");
    let mut other = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    // It has its name once it runs another program.
    while name_of(&other.id().to_string()).as_deref() != Some("sleep") {
        std::thread::yield_now();
    }
    fs::write(&path, other.id().to_string()).unwrap();
    let refused = PidFile::create(&path).map(drop);
    let is_foreign = PidFile::why_foreign(&path).is_some();
    let file = File::options().write(true).open(&path).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(long_ago).unwrap();
    let (stale, taken) = (
        PidFile::why_foreign(&path).is_some(),
        PidFile::create(&path).is_ok(),
    );
    other.kill().unwrap();
    other.wait().unwrap();
    let said = text(&refused.unwrap_err(), &path);
    assert!(
        said.starts_with("PATH is the pid file of sleep, which runs with pid "),
        "{said}"
    );
    assert!(is_foreign && !stale && taken);
}

#[test]
fn a_link_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let [path, victim] = ["sterna.pid", "victim"].map(|name| directory.path().join(name));
    std::os::unix::fs::symlink(&victim, &path).unwrap();
    for content in [Some("1234"), Some("text"), None] {
        match content {
            Some(content) => fs::write(&victim, content).unwrap(),
            None => fs::remove_file(&victim).unwrap(),
        }
        let error = PidFile::create(&path).unwrap_err();
        let said = text(&error, &path);
        assert!(said.starts_with("PATH is a symbolic link"), "{said}");
        assert_eq!(fs::read_to_string(&victim).ok().as_deref(), content);
        assert!(PidFile::why_foreign(&path).is_some());
    }
}

#[test]
fn another_file_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.toml");
    for foreign in ["[core]\n", &"1".repeat(33), "-1", "\u{fffd}"] {
        fs::write(&path, foreign).unwrap();
        let error = PidFile::create(&path).unwrap_err();
        assert!(
            text(&error, &path).starts_with("PATH is not a pid file"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    }
}

#[test]
fn a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let path = missing.join("sterna.pid");
    let error = PidFile::create(&path).unwrap_err();
    let missing = missing.to_str().unwrap();
    let expected = format!("failed to create pid file PATH: directory {missing} does not exist");
    assert_eq!(text(&error, &path), expected);
}

#[test]
fn a_directory_in_its_place_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = PidFile::create(directory.path()).unwrap_err();
    let text = text(&error, directory.path());
    assert!(
        text.starts_with("failed to create pid file PATH: "),
        "{text}"
    );
}

#[test]
fn a_file_put_in_its_place_is_left_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.pid");
    let pid_file = PidFile::create(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "1").unwrap();
    drop(pid_file);
    assert_eq!(fs::read_to_string(&path).unwrap(), "1");
}

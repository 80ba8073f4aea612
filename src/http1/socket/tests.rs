use super::*;

fn bind(path: &Path) -> Result<Bound, String> {
    Bound::unix(path, None, None).map_err(|error| error.to_string())
}

#[test]
fn a_unix_socket_comes_and_goes_with_its_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sterna.sock");
    let bound = bind(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sterna.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _bound = bind(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn a_live_socket_and_a_plain_file_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sterna.sock");
    let _other = UnixListener::bind(&path).unwrap();
    assert_eq!(
        bind(&path).unwrap_err(),
        format!(
            "cannot listen on unix:{}: another process is listening there",
            path.display()
        )
    );
    assert!(UnixStream::connect(&path).is_ok());
    let file = dir.path().join("file");
    fs::write(&file, "kept").unwrap();
    assert!(
        bind(&file)
            .unwrap_err()
            .ends_with("there is a file that is no socket")
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn a_successors_socket_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sterna.sock");
    let bound = bind(&path).unwrap();
    fs::rename(&path, dir.path().join("old.sock")).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn a_taken_port_is_named_in_the_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = Bound::tcp(address).unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {address}: ")),
        "{text}"
    );
}

//! Keys whose values are numbers.

use super::*;

#[test]
fn numbers_end_at_their_range() {
    for key in all_keys() {
        let Allowed::Number { min, max, unit, .. } = key.allowed else {
            continue;
        };
        let line = |number: u64| format!("{} = {number}", key.name);
        // One connection is enough for one provider.
        let enough = if key.name == "provider_connections" {
            2
        } else {
            min
        };
        accepted(key.section, &line(enough));
        accepted(key.section, &line(max));
        let range = format!("must be {min} to {max} {unit}");
        if let Some(under) = min.checked_sub(1) {
            check_refused(key.section, &line(under), &[&range]);
        }
        if key.name == "workers" {
            assert_eq!(
                accepted(key.section, &line(max + 1)).core.workers.get(),
                256
            );
            assert!(
                warned(key.section, &line(max + 1))[0].contains("workers = 257: lowered to 256")
            );
        } else {
            check_refused(key.section, &line(max + 1), &[&range, &key.path()]);
        }
        for wrong in [
            "-1",
            "1.5",
            "\"1\"",
            "true",
            "[1]",
            "1979-05-27",
            "99999999999999999999",
        ] {
            check_refused(
                key.section,
                &format!("{} = {wrong}", key.name),
                &[&range, wrong],
            );
        }
    }
}

#[test]
fn pusher_max_0_is_one_at_a_time() {
    let streams = |lines: &str| accepted("core", lines).core.pusher_max.map(NonZeroU32::get);
    assert_eq!(streams(""), None);
    assert_eq!(streams("pusher_max = 0"), Some(1));
    assert_eq!(streams("pusher_max = 16"), Some(16));
}

#[test]
fn each_provider_that_is_enabled_needs_a_connection() {
    let connections = |lines: &str| accepted("core", lines).core.provider_connections;
    assert_eq!(connections(""), None);
    assert_eq!(
        connections("provider_connections = 2"),
        NonZeroUsize::new(2)
    );
    check_refused(
        "core",
        "provider_connections = 1",
        &["each of the 2 lanes that are enabled needs one"],
    );
    let of_one = format!("[core]\nprovider_connections = 1\n{IOS}[android]\nenabled = false\n");
    assert!(parse(&of_one).is_ok());
}

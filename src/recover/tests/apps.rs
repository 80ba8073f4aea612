use super::*;

/// A line of the app `shop`, in that environment.
pub(super) fn of_app(line: &str, environment: &str) -> String {
    let line = line.trim_end().trim_end_matches('}');
    match environment {
        "" => format!("{line},\"app\":\"shop\"}}\n"),
        word => format!("{line},\"app\":\"shop\",\"environment\":\"{word}\"}}\n"),
    }
}

#[test]
fn the_lines_of_an_app_lead_to_its_lane() {
    let accepted = |environment| of_app(&line("accepted", 1, 1, "aa"), environment);
    for (environment, name) in [("", "shop/ios"), ("sandbox", "shop/ios/sandbox")] {
        let found = Logs::of(&[accepted(environment)]).read();
        let lanes = found.outstanding.iter().map(|push| push.notification.lane);
        assert_eq!(lanes.collect::<Vec<_>>(), LaneId::named(name).as_slice());
        let settled = of_app(&line("succeeded", 2, 1, "aa"), environment);
        check(&[accepted(environment) + &settled], &[], 1, 0);
    }
    // What no lane is called is no line of ours.
    let damaged = accepted("x") + &accepted("").replace("shop", "no app");
    check(
        &[line("accepted", 1, 2, "bb") + &damaged],
        &[("01", 2, "bb")],
        1,
        2,
    );
}

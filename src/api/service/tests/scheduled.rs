//! What is to be sent later.

use super::*;
use crate::api::apps::Apps;

#[test]
fn what_is_scheduled_is_kept_and_not_queued_and_can_be_looked_at_and_cancelled() {
    let site = site(Some(1), None);
    let backlog = Arc::clone(&site.service.backlog);
    drop(backlog.open_with_one_left());
    (site.host.register).set_backlog(Arc::<Backlog>::clone(&backlog));
    let register = Arc::clone(&site.host.register);
    let logs = &site.service.whereabouts.logs;
    logs.on_written(move |access, error| register.written(access, error));
    let mut web = web(site);
    let at = Moment::now().unix_secs() + 1000;
    // The queue has no room for so many, and is asked for none.
    let one = format!(r#"{{"token":["a","b"],"platform":1,"message":"m","send_at":{at}}}"#);
    let got = web.push(&one);
    assert_eq!(got.status, 200, "{}", got.body);
    let lines = web.host.take_raw_lines();
    let accepted = format!("\"send_at\":{at}");
    let told = lines.iter().filter(|line| line.contains(&accepted));
    assert_eq!(told.count(), 2, "{lines:?}");
    let ios = web.ios.clone().unwrap();
    assert_eq!((ios.tokens(), ios.outstanding()), (vec![], 0));
    let stat = web.ask("GET", "/stat/app", "").body;
    let told = format!("\"scheduled\": 2,\n   \"next_scheduled\": {at}\n");
    assert!(
        stat.contains(&told) && stat.contains("\"queue_usage\": 0"),
        "{stat}"
    );
    let state = web.ask("GET", "/push/1", "").body;
    let shown = r#"{"id":1,"platform":"ios","state":"scheduled","at":""#;
    assert!(state.starts_with(shown), "{state}");
    assert!(state.contains(&format!("\"at_unix\":{at}")), "{state}");
    let cancelled = web.ask("DELETE", "/push/1", "");
    let body = "{\"message\":\"ok\",\"purged\":1}\n";
    assert_eq!((cancelled.status, &*cancelled.body), (200, body));
    assert_eq!(web.host.take_lines(), ["purged 1 a"]);
    assert_eq!(web.ask("DELETE", "/push/1", "").status, 409);
    let state = web.ask("GET", "/push/1", "").body;
    assert!(state.contains("\"reason\":\"purged\""), "{state}");
}

#[test]
fn more_than_may_ever_be_scheduled_is_refused_for_good() {
    // Nobody keeps anything here.
    let mut web = web(site(Some(10), None));
    let at = Moment::now().unix_secs() + 1000;
    let one = format!(r#"{{"token":["a","b"],"platform":1,"message":"m","send_at":{at}}}"#);
    let got = web.push(&one);
    let said = "number of scheduled pushes(2) over what journal.scheduled_max lets in(0)";
    assert_eq!(
        (got.status, got.body.contains(said)),
        (413, true),
        "{}",
        got.body
    );
}

#[test]
fn an_app_has_its_part_also_while_another_is_disabled_and_hears_nothing_of_others() {
    let shop = LaneId::named("shop/ios").unwrap();
    let apps = || Apps::of([(LaneId::IOS, true, None), (shop, false, None)]);
    let site = site(Some(10), None).with(|terms| terms.rules.apps = apps());
    site.service.backlog.open_scheduling(11);
    let mut web = web(site);
    let at = Moment::now().unix_secs() + 1000;
    let mut push = |tokens: &str| {
        let one = format!(r#"{{"token":[{tokens}],"platform":1,"message":"m","send_at":{at}}}"#);
        let got = web.push(&one);
        (got.status, got.body)
    };
    let said = |(status, body): (u16, String), expected: &str| {
        assert!(body.contains(expected), "{body}");
        status
    };
    let of_seven = r#""a","b","c","d","e","f","g""#;
    let expected = "number of scheduled pushes(7) of app default over half of what \
                    journal.scheduled_max lets in(11)";
    assert_eq!(said(push(of_seven), expected), 413);
    assert_eq!(said(push(r#""a","b","c","d""#), "ok"), 200);
    let expected = "there is no room for pushes that are scheduled: app default has 7 with these, \
                    and beside other apps it may have half of what they leave of \
                    journal.scheduled_max; cancel some of its own";
    assert_eq!(said(push(r#""a","b","c""#), expected), 503);
    assert_eq!(said(push(r#""a","b""#), "ok"), 200);
}

#[test]
fn a_purge_that_misses_some_of_what_is_scheduled_is_no_success() {
    let got = operating::purged(&crate::backlog::Purged {
        pushes: 3,
        unread: 0,
        unkept: None,
        misses_disabled: false,
        misses_scheduled: true,
    });
    let said = "but for scheduled pushes that cannot be read from the journal now";
    let body = String::from_utf8(got.body).unwrap();
    assert_eq!((got.status, body.contains(said)), (500, true), "{body}");
}

#[test]
fn what_could_never_be_kept_is_refused_for_good_and_what_has_no_room_now_for_now() {
    for (is_for_good, status) in [(true, 413), (false, 503)] {
        let why = "why".to_owned();
        let got = commit::not_kept(&crate::backlog::Refused {
            state: crate::journal::State::NoShare { why, is_for_good },
            is_unknown: false,
        });
        let body = String::from_utf8(got.body).unwrap();
        let is_said = body.contains("no room for pushes that are scheduled: why");
        assert_eq!((got.status, is_said), (status, true), "{body}");
    }
}

//! What room there is for pushes of which class.

use super::*;

#[test]
fn a_campaign_that_has_filled_the_queue_turns_no_transactional_push_away() {
    let mut web = web(site(Some(16), None));
    let of = |count: usize| {
        let tokens = vec!["\"a\""; count].join(",");
        format!(r#"{{"platform":1,"message":"m","token":[{tokens}]}}"#)
    };
    for (pushes, status, said) in [
        (16, 200, ""),
        (10, 503, "10 pushes do not fit, it has room for 0 of 16"),
        (2, 200, ""),
        (1, 503, "1 push does not fit, it has room for 0 of 18"),
        (
            17,
            413,
            "ios pushes(17) over what the ios queue can hold(16)",
        ),
    ] {
        let got = web.push(&of(pushes));
        assert_eq!(got.status, status, "{pushes}: {}", got.body);
        assert!(got.body.contains(said), "{pushes}: {}", got.body);
    }
    assert_eq!(web.ios.unwrap().outstanding(), 18);
}

//! Which streams are kept for which pushes.

use super::*;
use crate::push::fixture;

/// However many are in flight: those that are kept are for transactional pushes alone.
#[test]
fn bulk_pushes_leave_streams_to_the_others() {
    for (streams, kept) in [(1, 0), (3, 0), (4, 1), (31, 1), (32, 2), (100, 6)] {
        let mut wire = Wire::apns(streams);
        wire.settle();
        let streams = usize::try_from(streams).unwrap();
        let mut bulk = fixture::bulk_pushes(1, streams + 2, wire.now).into_iter();
        for left in (kept..streams).rev() {
            let room = PushClass::ALL.map(|class| wire.room_for(class, usize::MAX));
            assert_eq!(room, [left + 1, left + 1 - kept], "of {streams}");
            wire.send(bulk.next().unwrap());
        }
        let mut others = pushes(kept + 1, |_| {}).into_iter();
        for left in (0..kept).rev() {
            let room = PushClass::ALL.map(|class| wire.room_for(class, usize::MAX));
            assert_eq!(room, [left + 1, 0], "of {streams}");
            wire.send(others.next().unwrap());
        }
        wire.settle();
        // One that comes free is for any of them, unless it was a kept one.
        let ends = [wire.heard.last(), wire.heard.first()];
        let [last, first] = ends.map(|heard| heard.unwrap().0);
        let kept_one = (last, 0, others.next());
        let of_bulk = (first, 1, bulk.next());
        for (stream, room, next) in [kept_one, of_bulk].into_iter().skip(usize::from(kept == 0)) {
            wire.answer(stream, 200, b"");
            assert_eq!(
                wire.room_for(PushClass::Bulk, usize::MAX),
                room,
                "of {streams}"
            );
            wire.send(next.unwrap());
        }
        assert_eq!(wire.room_for(PushClass::Bulk, streams), 0);
        let in_turn = wire.session.room_in_turn(&wire.client, streams);
        assert_eq!(in_turn, 0, "also in their turn");
    }
}

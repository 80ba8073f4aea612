//! Sites of chance: runs of Gaurun that crash, logs that are rotated, recoveries that break off.
//! The world knows which pushes have no outcome; what is read from its logs must be just these.

use proptest::prelude::*;

use super::{Logs, gzipped, left, line, recovered};

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A push to one of three devices is accepted.
    Accept(u8),
    /// One of those that the run still has is settled.
    Settle {
        which: prop::sample::Index,
        failed: bool,
    },
    /// The run ends, with whatever it has, and the next begins.
    Crash,
    /// Both logs are rotated, the old one is perhaps compressed.
    Rotate { compress: bool },
    /// A second passes.
    Tick,
    /// A recovery sends one that is outstanding of an earlier run, and ends.
    Recover {
        which: prop::sample::Index,
        failed: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (0..3_u8).prop_map(Event::Accept),
        4 => (index(), any::<bool>()).prop_map(|(which, failed)| Event::Settle { which, failed }),
        1 => Just(Event::Crash),
        1 => any::<bool>().prop_map(|compress| Event::Rotate { compress }),
        3 => Just(Event::Tick),
        1 => (index(), any::<bool>()).prop_map(|(which, failed)| Event::Recover { which, failed }),
    ]
}

type Named = (u32, u64, &'static str);

#[derive(Default)]
struct World {
    second: u32,
    next_id: u64,
    /// Of the run that goes on.
    present: Vec<Named>,
    /// Of the runs that have ended.
    lost: Vec<Named>,
    accepted: u64,
    /// When the first line of the latest access log was written.
    begun: Option<u32>,
    access: String,
    error: String,
    rotated: Vec<Vec<u8>>,
}

impl World {
    /// Logs that begin within one second are told apart by the order in which they are named only.
    fn begin_log(&mut self) {
        if self.access.is_empty() && self.begun == Some(self.second) {
            self.second += 1;
        }
        if self.access.is_empty() {
            self.begun = Some(self.second);
        }
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Accept(device) => {
                self.begin_log();
                let token = ["aa", "bb", "cc"][usize::from(*device)];
                self.next_id += 1;
                self.accepted += 1;
                self.present.push((self.second, self.next_id, token));
                self.access += &line("accepted", self.second, self.next_id, token);
            }
            Event::Settle { which, failed } if !self.present.is_empty() => {
                let (_, id, token) = self.present.remove(which.index(self.present.len()));
                self.begin_log();
                if *failed {
                    self.error += &line("failed", self.second, id, token);
                } else {
                    self.access += &line("succeeded", self.second, id, token);
                }
            }
            Event::Crash => {
                self.lost.append(&mut self.present);
                self.next_id = 0;
                // A restart within the second leaves an outcome ambiguous that stands in the other
                // log, between two pushes that are alike but for their run.
                self.second += 1;
            }
            Event::Rotate { compress } => {
                for text in [&mut self.access, &mut self.error] {
                    let text = std::mem::take(text);
                    self.rotated.push(if *compress {
                        gzipped(&text)
                    } else {
                        text.into_bytes()
                    });
                }
            }
            Event::Tick => self.second += 1,
            Event::Recover { which, failed } if !self.lost.is_empty() => {
                let (second, id, token) = self.lost.remove(which.index(self.lost.len()));
                let kind = if *failed { "failed" } else { "succeeded" };
                self.begin_log();
                self.access += &recovered(kind, self.second, second, id, token);
            }
            Event::Settle { .. } | Event::Recover { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_has_no_outcome_is_found_and_nothing_else(
        events in prop::collection::vec(event(), 0..120),
        order in any::<prop::sample::Index>(),
    ) {
        let mut world = World::default();
        for event in &events {
            // The lines have two digits for it.
            if world.second < 58 {
                world.play(event);
            }
        }
        let mut logs = world.rotated;
        logs.push(world.access.into_bytes());
        logs.push(world.error.into_bytes());
        let first = order.index(logs.len());
        logs.rotate_left(first);
        let found = Logs::of(&logs).read();
        let mut expected: Vec<_> = world.lost.iter().chain(&world.present)
            .map(|(second, id, token)| (format!("{second:02}"), *id, (*token).to_owned()))
            .collect();
        expected.sort();
        let mut left = left(&found);
        left.sort();
        prop_assert_eq!(left, expected);
        prop_assert_eq!((found.accepted, found.damaged), (world.accepted, 0));
    }
}

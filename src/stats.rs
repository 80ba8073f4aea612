//! What is counted: settlements for `/stat/app`, and the process's own figures.

mod counters;
mod process;

pub use self::counters::{LaneFigures, LaneStats};
pub use self::process::Process;

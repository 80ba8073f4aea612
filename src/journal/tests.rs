//! The journal as a whole.

mod aside;
mod crash;
mod damage;
mod disk;
mod feed;
mod flushing;
mod ids;
mod limits;
mod reads;
mod refused;
mod room;
mod rotation;
mod scheduled;
mod script;
mod sent;
mod spoilt;
mod standing;
mod trouble;
mod turns;

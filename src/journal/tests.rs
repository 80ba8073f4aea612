//! The journal as a whole.

mod aside;
mod crash;
mod damage;
mod disk;
mod feed;
mod flushing;
mod ids;
mod reads;
mod rotation;
mod script;
mod spoilt;
mod sent;
mod trouble;

//! The journal as a whole.

mod crash;
mod damage;
mod disk;
mod feed;
mod flushing;
mod ids;
mod rotation;
mod script;
mod trouble;

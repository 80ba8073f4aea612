//! The daemon as a process, before simulated providers: a module for each thing that it promises.
//!
//! They are one binary since most of each is waiting, so that one works while another waits. What
//! keeps all cores busy by itself has a binary of its own.

#[path = "../harness/mod.rs"]
mod harness;

mod alerts;
mod answers;
mod apps;
mod callers;
#[path = "../check/mod.rs"]
mod check;
mod command_line;
mod disks;
mod documents;
mod feed;
mod front;
#[path = "../gaurun_contract/mod.rs"]
mod gaurun_contract;
mod gorush;
mod journal;
mod lanes;
mod life;
mod main_job;
mod metrics;
mod nodes;
mod promises;
#[path = "../providers/mod.rs"]
mod providers;
#[path = "../recover/mod.rs"]
mod recover;
#[path = "../reload/mod.rs"]
mod reload;
mod scraping;
mod secrets;
mod send;
#[path = "../service/mod.rs"]
mod service;
mod stat;
mod strangers;
mod streams;
mod systemd;
mod tokens;
mod underfoot;
mod webhook;

//! The command as a user meets it: commands over small captures, compared to the byte.

mod alerts;
mod audit;
mod audit_sessions;
mod basics;
mod chisel_loading;
mod chisels;
#[path = "../common/mod.rs"]
mod common;
mod compressed;
mod containers;
mod cut;
mod derived;
#[path = "../common/dice.rs"]
mod dice;
mod fds;
mod files;
mod joined;
mod limits;
mod merged;
mod native_chisels;
mod parallel;
mod paths;
#[path = "../common/pty.rs"]
mod pty;
mod redact;
mod repair;
#[path = "../common/repeat.rs"]
mod repeat;
mod sample;
mod screens;
mod scripted_views;
mod seal;
mod search;
mod slice;
mod sql;
mod state;
mod stopped;
mod strangers;
mod summary;
mod text;
mod times;
mod top;
mod verify;
mod written;

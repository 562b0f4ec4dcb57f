//! Chisels: Lua scripts over captures and live streams, as sysdig has them, and views, their tables.

pub mod view;

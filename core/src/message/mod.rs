//! The record layout of the commit log, as pure functions over bytes (`spec/store.md` sections 3, 4 and 12).

pub mod batch;
pub mod delay;
pub mod encode;
pub mod id;
pub mod light;
pub mod prop_crc;
pub mod properties;
pub mod record;
pub mod sysflag;
pub mod tags;

//! A set of two classic brokers, its NameServer and a master of another name, in memory: the master dies, its slave
//! acts, the master comes back.

mod handed_out;
mod histories;
mod returning;
mod services;
mod world;

//! The example for those who bring their own IO keeps working.

#[path = "../examples/in_memory.rs"]
mod in_memory;

#[test]
fn messages_come_back_without_any_io() {
    assert!(in_memory::main().is_ok());
}

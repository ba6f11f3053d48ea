//! Bits of a record's `sysFlag` field (`spec/store.md` section 3).

/// The stored body is compressed.
pub const COMPRESSED: i32 = 1;
/// More than one tag; kept for old clients, nothing reads it.
pub const MULTI_TAGS: i32 = 1 << 1;
/// Bits 2 and 3: the transaction state of the record.
pub const TRANSACTION_MASK: i32 = 3 << 2;
/// Not part of a transaction.
pub const TRANSACTION_NONE: i32 = 0;
/// Half message: invisible until committed.
pub const TRANSACTION_PREPARED: i32 = 1 << 2;
/// Committed copy of a half message.
pub const TRANSACTION_COMMIT: i32 = 2 << 2;
/// Rolled-back half message.
pub const TRANSACTION_ROLLBACK: i32 = 3 << 2;
/// `bornHost` takes 16 + 4 bytes instead of 4 + 4.
pub const BORN_HOST_V6: i32 = 1 << 4;
/// `storeHost` takes 16 + 4 bytes instead of 4 + 4.
pub const STORE_HOST_V6: i32 = 1 << 5;
/// The body is a batch the client has to unwrap.
pub const NEED_UNWRAP: i32 = 1 << 6;
/// One record holding a whole batch (queues of type `BatchCQ`).
pub const INNER_BATCH: i32 = 1 << 7;
/// Bits 8 to 10: compression type.
pub const COMPRESSION_TYPE_MASK: i32 = 7 << 8;

/// The transaction bits of `sys_flag`, comparable with the `TRANSACTION_*` constants.
#[must_use]
pub const fn transaction(sys_flag: i32) -> i32 {
    sys_flag & TRANSACTION_MASK
}

/// `sys_flag` with the transaction bits replaced by `state`.
#[must_use]
pub const fn with_transaction(sys_flag: i32, state: i32) -> i32 {
    (sys_flag & !TRANSACTION_MASK) | (state & TRANSACTION_MASK)
}

/// Whether a record of this kind gets a queue offset and a consume-queue entry: plain and committed
/// records do, half and rolled-back ones do not.
#[must_use]
pub const fn enters_queue(sys_flag: i32) -> bool {
    matches!(transaction(sys_flag), TRANSACTION_NONE | TRANSACTION_COMMIT)
}

/// Whether a record of this kind is entered into the key index: all but rolled-back ones.
#[must_use]
pub const fn enters_index(sys_flag: i32) -> bool {
    transaction(sys_flag) != TRANSACTION_ROLLBACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_states_decide_queue_and_index() {
        assert!(enters_queue(COMPRESSED) && enters_queue(TRANSACTION_COMMIT | COMPRESSED));
        assert!(!enters_queue(TRANSACTION_PREPARED) && !enters_queue(TRANSACTION_ROLLBACK));
        assert!(enters_index(TRANSACTION_PREPARED) && !enters_index(TRANSACTION_ROLLBACK));
        assert_eq!(
            with_transaction(0x301 | TRANSACTION_PREPARED, TRANSACTION_COMMIT),
            0x301 | TRANSACTION_COMMIT
        );
    }
}

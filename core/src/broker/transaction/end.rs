//! END_TRANSACTION (37): a producer commits or rolls back (`spec/broker-pop-txn-timer.md` A.2).

use std::borrow::Cow;

use super::half::Half;
use crate::broker::Broker;
use crate::broker::properties::Known;
use crate::broker::put::Again;
use crate::message::{properties, record, sysflag};
use crate::store::{Appended, Store};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::message::EndTransaction;
use crate::wire::{Frame, Peer, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn end_transaction(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header = EndTransaction::parse(frame);
        let commit = match header.commit_or_rollback {
            Some(sysflag::TRANSACTION_COMMIT) => true,
            Some(sysflag::TRANSACTION_ROLLBACK) => false,
            // The producer does not know yet: it is asked later, and hears nothing now.
            Some(sysflag::TRANSACTION_NONE) => return,
            _ => {
                let remark = "org.apache.rocketmq.remoting.exception.RemotingCommandException: \
                              commitOrRollback field wrong";
                return self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
            }
        };
        match self.end(now, &header, commit) {
            Ok(Some(stored)) => self.answer_stored(now, to, Reply::success(), stored.end, None, true),
            Ok(None) => self.reply(to, Reply::success()),
            Err(reply) => self.reply(to, reply),
        }
    }

    /// Ends one half message; what was stored for it.
    fn end(
        &mut self,
        now: Now,
        header: &EndTransaction<'_>,
        commit: bool,
    ) -> Result<Option<Appended>, Reply> {
        let refuse = |remark: &'static str| Reply::error(response::SYSTEM_ERROR, remark);
        let not_found = || refuse("Find prepared transaction message failed");
        let at = header.commit_log_offset.and_then(|at| u64::try_from(at).ok());
        let bytes = at.and_then(|at| self.store.record_at(at)).ok_or_else(not_found)?;
        let timeout = self.settings.broker.transaction_time_out;
        let half =
            record::decode(&bytes).ok().and_then(|found| Half::read(found, timeout)).ok_or_else(|| {
                refuse("java.lang.NullPointerException: the message at commitLogOffset is no half message")
            })?;
        let age = now.wall_ms.saturating_sub(half.record.born_timestamp);
        if !header.from_transaction_check && half.immunity_ms.is_some_and(|immunity| age > immunity) {
            return Err(Reply::error(response::ILLEGAL_OPERATION, "not set any response code"));
        }
        if header.producer_group.is_none_or(|group| group != half.group) {
            return Err(refuse("The producer group wrong"));
        }
        let offset = half.record.queue_offset;
        if header.tran_state_table_offset != Some(offset) {
            return Err(refuse("The transaction state table offset wrong"));
        }
        if header.commit_log_offset != Some(half.record.physical_offset) {
            return Err(refuse("The commit log offset wrong"));
        }
        match self.transaction_progress(now).ended(offset, half.id) {
            Some(how) if how.is_none_or(|how| how == commit) => return Ok(None),
            Some(_) => return Err(not_found()),
            None => {}
        }
        if commit && self.was_committed_before(now, &half) {
            return Ok(None);
        }
        let stored = if commit { Some(self.commit(now, &half)?) } else { None };
        self.transactions.metrics.add(now.wall_ms, half.real_topic, -1);
        let copy = self.transaction_progress(now).end(offset, half.id, commit);
        self.mark_done(now, offset);
        if let Some(copy) = copy {
            self.mark_done(now, copy);
        }
        Ok(stored)
    }

    /// Stores a half message where it was sent to. Its delay counts from now.
    fn commit(&mut self, now: Now, half: &Half<'_>) -> Result<Appended, Reply> {
        let found = &half.record;
        let known = Known::scan(found.properties);
        let topic = Cow::Borrowed(half.real_topic);
        let placed = self.place(now, topic, half.real_queue_id, Cow::Borrowed(found.properties), &known)?;
        let whole = [&placed.own[..], properties::missing_separator(&placed.own), &placed.extra].concat();
        let again = Again {
            topic: &placed.topic,
            queue_id: placed.queue_id,
            sys_flag: sysflag::with_transaction(found.sys_flag, sysflag::TRANSACTION_COMMIT),
            prepared_transaction_offset: found.physical_offset,
            properties: &whole,
            tags_code: placed.tags_code,
        };
        self.put_again(now, found, &again).map_err(|error| self.put_failure(error))
    }
}

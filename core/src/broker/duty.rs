//! What a broker may do in the role it has: a slave stores nothing of its own, and a broker that waits for its
//! first role does nothing that could be taken for one (`spec/controller.md` section 7, `spec/ha.md` A.8).

use super::Broker;
use super::replicas::Acks;
use crate::store::{AppendError, Store};
use crate::time::Now;
use crate::wire::Reply;
use crate::wire::code::{request as code, response};

/// The role a broker is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Master,
    Slave,
    /// Under a controller, before the first role.
    Fenced,
}

const BUSY: &str = "[REJECTREQUEST]system busy, start flow control for a while";
const SLAVE_ADMIN: &str =
    "Can't modify topic or subscription group from slave broker, please execute it from master broker.";

impl<S: Store> Broker<S> {
    pub(super) fn is_master(&self) -> bool {
        self.duty == Duty::Master && self.ha.is_master()
    }

    fn is_slave(&self) -> bool {
        self.duty == Duty::Slave || self.duty == Duty::Master && !self.ha.is_master()
    }

    /// The answer to a request this broker must not serve in its role.
    pub(super) fn refuse_for_duty(&mut self, now: Now, request: i32) -> Option<Reply> {
        if self.is_master() && self.controllers.is_none() {
            return None;
        }
        match request {
            code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE => self.refuse_put(now),
            // Who could store it is known to the client: it sends the message to the retry topic itself.
            code::CONSUMER_SEND_MSG_BACK if self.may_act() => Some(Reply::error(
                response::SYSTEM_ERROR,
                format!("no master available along with {}", self.settings.broker.broker_ip1),
            )),
            code::CONSUMER_SEND_MSG_BACK => self.refuse_put(now),
            code::RECALL_MESSAGE if self.is_slave() => Some(Reply::error(
                response::SLAVE_NOT_AVAILABLE,
                "recall failed, broker service not available",
            )),
            code::RECALL_MESSAGE => self.refuse_put(now),
            code::END_TRANSACTION if self.is_slave() => Some(Reply::error(
                response::SLAVE_NOT_AVAILABLE,
                "Message store is slave mode, so end transaction is forbidden. ",
            )),
            code::END_TRANSACTION => self.refuse_put(now),
            code::PULL_MESSAGE | code::LITE_PULL_MESSAGE => {
                let may_read = self.is_master() || self.settings.broker.slave_read_enable;
                (!may_read).then(|| Reply::error(response::SYSTEM_BUSY, BUSY))
            }
            code::UPDATE_AND_CREATE_TOPIC
            | code::UPDATE_AND_CREATE_TOPIC_LIST
            | code::DELETE_TOPIC_IN_BROKER
            | code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP
            | code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST
            | code::DELETE_SUBSCRIPTIONGROUP
            | code::UPDATE_AND_GET_GROUP_FORBIDDEN
            | code::SET_MESSAGE_REQUEST_MODE
            | code::CLONE_GROUP_OFFSET
            | code::INVOKE_BROKER_TO_RESET_OFFSET => {
                if self.is_slave() {
                    Some(Reply::error(response::SYSTEM_ERROR, SLAVE_ADMIN))
                } else {
                    self.refuse_put(now)
                }
            }
            _ => None,
        }
    }

    /// A slave that may come to act for its master; its store refuses what its role does not.
    fn may_act(&self) -> bool {
        self.settings.broker.enable_slave_acting_master && self.is_slave()
    }

    fn refuse_put(&mut self, now: Now) -> Option<Reply> {
        if self.may_act() {
            return Some(self.put_failure(AppendError::NotWritable));
        }
        match self.duty {
            Duty::Master if !self.ha.is_master() => Some(Reply::error(response::SYSTEM_BUSY, BUSY)),
            Duty::Slave => Some(Reply::error(response::SYSTEM_BUSY, BUSY)),
            Duty::Fenced => Some(self.put_failure(AppendError::NotWritable)),
            Duty::Master => (self.ack_terms(now) == Acks::Refused).then(not_acknowledged),
        }
    }
}

/// A master that does not know whether it still is one.
pub(super) fn not_acknowledged() -> Reply {
    Reply::error(
        response::SERVICE_NOT_AVAILABLE,
        "service not available now: this master may have been replaced and waits for a controller's word",
    )
}

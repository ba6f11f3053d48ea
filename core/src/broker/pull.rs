//! PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361): `spec/broker.md` section 6.

use std::borrow::Cow;

use super::cold::PULL_ROUNDS;
use super::hold::HeldPull;
use super::persist::File;
use super::redirect::Homes;
use super::{Broker, Stopping, dispatch, names};
use crate::body::{MessageModel, SubscriptionData, SubscriptionGroupConfig, TopicConfig, perm};
use crate::message::tags::java_hash;
use crate::store::fetch::{FetchId, Lookup};
use crate::store::{ReadRequest, ReadResult, ReadStatus, Store, TagFilter};
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::headers::message::PullMessage;
use crate::wire::{Body, Ext, Frame, Peer, Reply, ReplyTo};

const FLAG_COMMIT_OFFSET: i32 = 1;
const FLAG_SUSPEND: i32 = 2;
const FLAG_SUBSCRIPTION: i32 = 4;

/// `forbiddenType` of the response header.
mod forbidden {
    pub const BROKER: i32 = 1;
    pub const GROUP: i32 = 2;
    pub const TOPIC: i32 = 3;
    pub const BROADCAST: i32 = 4;
    pub const SUBSCRIPTION: i32 = 5;
}

/// What passed the checks.
struct Allowed {
    topic_sys_flag: i32,
    group_sys_flag: i32,
    /// Where the group reads, and where it reads when it is far behind.
    homes: Homes,
    /// Tag hashes to select; `None` for everything.
    codes: Option<Vec<i32>>,
}

/// Which time a pull is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    /// It was held, and something has arrived or its time is up.
    Woken,
    /// So many fetches have brought into memory what it reads.
    Fetched(u32),
}

impl<S: Store> Broker<S> {
    pub(super) fn pull(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let lite = frame.code() == request::LITE_PULL_MESSAGE;
        match PullMessage::parse_strict(frame) {
            Ok(header) => self.pull_with(now, peer, to, &header, lite, Attempt::First),
            Err(error) => self.reply(to, Reply::error(response::SYSTEM_ERROR, error.to_string())),
        }
    }

    /// Runs a held pull from the top; it is not held a second time.
    pub(super) fn pull_again(&mut self, now: Now, held: &HeldPull) {
        self.pull_fetched(now, held, Attempt::Woken);
    }

    pub(super) fn pull_fetched(&mut self, now: Now, held: &HeldPull, attempt: Attempt) {
        self.pull_with(now, held.peer, held.to, &held.header(), held.lite, attempt);
    }

    fn pull_with(
        &mut self,
        now: Now,
        peer: Peer,
        to: ReplyTo,
        header: &PullMessage<'_>,
        lite: bool,
        attempt: Attempt,
    ) {
        let first = attempt == Attempt::First;
        let allowed = match self.check_pull(now, peer, header, lite) {
            Ok(allowed) => allowed,
            Err(reply) => {
                let reply = if reply.ext.is_some() { reply } else { reply.with_ext(Ext::new()) };
                return self.reply(to, reply);
            }
        };
        let (group, topic) = (header.consumer_group.unwrap_or(""), header.topic.unwrap_or(""));
        let (queue_id, offset) = (header.queue_id.unwrap_or(0), header.queue_offset.unwrap_or(0));
        let sys_flag = header.sys_flag.unwrap_or(0);
        if first && sys_flag & FLAG_COMMIT_OFFSET != 0 {
            let commit = header.commit_offset.unwrap_or(0);
            if !self.offsets.has_reset(group, topic, queue_id) {
                self.offsets.commit(now.wall_ms, group, topic, queue_id, commit);
            }
        }
        let rounds = if let Attempt::Fetched(rounds) = attempt { rounds } else { 0 };
        let result = match self.read_for(header, &allowed, offset, rounds) {
            Ok(result) => result,
            Err(fetch) => {
                let pull = HeldPull::new(to, peer, now.mono, lite, header, allowed.codes);
                return self.cold.park(fetch, rounds, pull);
            }
        };
        self.offsets.note_pulled(group, topic, queue_id, result.next_offset);
        let code = pull_code(result.status, offset);
        let (code, suggest_broker) = self.redirect(topic, queue_id, allowed.homes, &result, code);
        let may_hold = first && sys_flag & FLAG_SUSPEND != 0 && self.stopping == Stopping::No;
        if code == response::PULL_NOT_FOUND && may_hold {
            let timeout = if self.settings.broker.long_polling_enable {
                header.suspend_timeout_millis.unwrap_or(0)
            } else {
                self.settings.broker.short_polling_time_mills
            };
            let deadline = now.mono.plus_ms(u64::try_from(timeout).unwrap_or(0));
            self.held.hold(now, HeldPull::new(to, peer, deadline, lite, header, allowed.codes));
            return;
        }
        self.stats.pulled(group, topic, result.count, result.bytes);
        let ext = Ext::with_capacity(6)
            .with("suggestWhichBrokerId", suggest_broker)
            .with("nextBeginOffset", result.next_offset)
            .with("minOffset", result.bounds.min)
            .with("maxOffset", result.bounds.max)
            .with("topicSysFlag", allowed.topic_sys_flag)
            .with("groupSysFlag", allowed.group_sys_flag);
        let body = if result.records.is_empty() { Body::Empty } else { Body::Many(result.records) };
        let remark = Some(Cow::Borrowed(result.status.name()));
        self.reply(to, Reply { code, remark, ext: Some(ext), body });
    }

    /// Reads, or names the fetch that has to end first; `rounds` were waited for already.
    fn read_for(
        &mut self,
        header: &PullMessage<'_>,
        allowed: &Allowed,
        offset: i64,
        rounds: u32,
    ) -> Result<ReadResult, FetchId> {
        let (group, topic) = (header.consumer_group.unwrap_or(""), header.topic.unwrap_or(""));
        let queue_id = header.queue_id.unwrap_or(0);
        let visible_end = self.visible_end();
        if let Some(reset) = self.offsets.take_reset(group, topic, queue_id) {
            let bounds = self.store.queue_bounds(topic, queue_id, visible_end).unwrap_or_default();
            let status = ReadStatus::OffsetReset;
            return Ok(ReadResult {
                status,
                next_offset: reset,
                bounds,
                records: Vec::new(),
                count: 0,
                bytes: 0,
            });
        }
        let filter = match &allowed.codes {
            None => TagFilter::All,
            Some(codes) => TagFilter::Codes(codes),
        };
        let most = self.settings.store.pull_batch_max_message_count;
        let wanted = header.max_msg_nums.unwrap_or(0).clamp(0, most.max(1));
        let request = ReadRequest {
            topic,
            queue_id,
            offset,
            max_count: u32::try_from(wanted).unwrap_or(0),
            visible_end,
            filter,
        };
        if rounds < PULL_ROUNDS
            && let Some(fetch) = self.store.prefetch(&Lookup::Read(&request))
        {
            return Err(fetch);
        }
        Ok(self.store.read(&request))
    }

    fn check_pull(
        &mut self,
        now: Now,
        peer: Peer,
        header: &PullMessage<'_>,
        lite: bool,
    ) -> Result<Allowed, Reply> {
        let (group, topic) = (header.consumer_group.unwrap_or(""), header.topic.unwrap_or(""));
        let config = &self.settings.broker;
        let ip = &config.broker_ip1;
        if config.broker_permission & perm::READ == 0 {
            let remark = format!("the broker[{ip}] pulling message is forbidden");
            return Err(forbid(forbidden::BROKER, remark));
        }
        if lite && !config.lite_pull_message_enable {
            let remark = format!("the broker[{ip}] for lite pull consumer is forbidden");
            return Err(forbid(forbidden::BROKER, remark));
        }
        if self.groups.get(group).is_none() && self.groups.create_on_demand(now.wall_ms, group) {
            self.persist.mark(File::Groups);
        }
        let Some(group_config) = self.groups.get(group) else {
            return Err(Reply::error(
                response::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("subscription group [{group}] does not exist, {}", dispatch::FAQ),
            ));
        };
        if !group_config.consume_enable {
            return Err(forbid(forbidden::GROUP, format!("subscription group no permission, {group}")));
        }
        let Some(topic_config) = self.topics.get(topic) else {
            return Err(Reply::error(
                response::TOPIC_NOT_EXIST,
                format!("topic[{topic}] not exist, apply first please! {}", dispatch::FAQ),
            ));
        };
        check_queue(topic_config, header, peer)?;
        let codes = if header.sys_flag.unwrap_or(0) & FLAG_SUBSCRIPTION != 0 {
            self.inline_filter(header)?
        } else {
            self.registered_filter(group, group_config, topic, header)?
        };
        Ok(Allowed {
            topic_sys_flag: topic_config.topic_sys_flag,
            group_sys_flag: group_config.group_sys_flag,
            homes: Homes {
                usual: group_config.broker_id,
                slow: group_config.which_broker_when_consume_slowly,
            },
            codes,
        })
    }

    /// The subscription of a consumer that sends it along.
    fn inline_filter(&self, header: &PullMessage<'_>) -> Result<Option<Vec<i32>>, Reply> {
        let tag_expression = header.expression_type.is_none_or(|kind| kind.is_empty() || kind == "TAG");
        if !tag_expression && header.expression_type == Some("SQL92") {
            return Err(sql_refusal());
        }
        // An unknown expression type compiles to no filter in the reference: everything matches.
        let expression = if tag_expression { header.subscription.unwrap_or("*") } else { "*" };
        Ok(codes_of(expression))
    }

    /// The subscription the group's heartbeats registered.
    fn registered_filter(
        &self,
        group: &str,
        group_config: &SubscriptionGroupConfig,
        topic: &str,
        header: &PullMessage<'_>,
    ) -> Result<Option<Vec<i32>>, Reply> {
        let Some(consumers) = self.consumers.get(group) else {
            return Err(Reply::error(
                response::SUBSCRIPTION_NOT_EXIST,
                format!("the consumer's group info not exist{}", dispatch::FAQ),
            ));
        };
        if !group_config.consume_broadcast_enable && consumers.message_model == MessageModel::Broadcasting {
            let remark = format!("the consumer group[{group}] can not consume by broadcast way");
            return Err(forbid(forbidden::BROADCAST, remark));
        }
        if self.groups.is_read_forbidden(group, topic) {
            let remark = format!("the consumer group[{group}] is forbidden for topic[{topic}]");
            return Err(forbid(forbidden::SUBSCRIPTION, remark));
        }
        let Some(subscription) = consumers.subscriptions.get(topic) else {
            return Err(Reply::error(
                response::SUBSCRIPTION_NOT_EXIST,
                format!("the consumer's subscription not exist{}", dispatch::FAQ),
            ));
        };
        if subscription.sub_version < header.sub_version.unwrap_or(0) {
            return Err(Reply::error(
                response::SUBSCRIPTION_NOT_LATEST,
                "the consumer's subscription not latest",
            ));
        }
        if !subscription.is_tag() {
            return Err(sql_refusal());
        }
        Ok(subscription_codes(subscription))
    }
}

fn check_queue(topic: &TopicConfig, header: &PullMessage<'_>, peer: Peer) -> Result<(), Reply> {
    let name = &topic.topic_name;
    if topic.perm & perm::READ == 0 {
        return Err(forbid(forbidden::TOPIC, format!("the topic[{name}] pulling message is forbidden")));
    }
    let queue_id = header.queue_id.unwrap_or(0);
    if queue_id < 0 || queue_id >= topic.read_queue_nums {
        return Err(Reply::error(
            response::INVALID_PARAMETER,
            format!(
                "queueId[{queue_id}] is illegal, topic:[{name}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
                topic.read_queue_nums, peer.addr
            ),
        ));
    }
    Ok(())
}

fn forbid(kind: i32, remark: String) -> Reply {
    Reply::error(response::NO_PERMISSION, remark).with_ext(Ext::new().with("forbiddenType", kind))
}

fn sql_refusal() -> Reply {
    Reply::error(response::SYSTEM_ERROR, "The broker does not support consumer to filter message by SQL92")
}

/// The tag hashes of `a || b`; `None` for an expression that takes everything.
pub(super) fn codes_of(expression: &str) -> Option<Vec<i32>> {
    if expression.is_empty() || expression == "*" {
        return None;
    }
    let tags = expression.split("||").map(str::trim).filter(|tag| !tag.is_empty());
    Some(tags.map(java_hash).collect())
}

fn subscription_codes(subscription: &SubscriptionData) -> Option<Vec<i32>> {
    if subscription.sub_string == "*" {
        None
    } else if subscription.code_set.is_empty() {
        codes_of(&subscription.sub_string)
    } else {
        Some(subscription.code_set.iter().copied().collect())
    }
}

/// The response code of a read status (`spec/store.md` section 13).
fn pull_code(status: ReadStatus, offset: i64) -> i32 {
    match status {
        ReadStatus::Found => response::SUCCESS,
        ReadStatus::NoMatchedMessage | ReadStatus::MessageWasRemoving => response::PULL_RETRY_IMMEDIATELY,
        ReadStatus::OffsetFoundNull | ReadStatus::OffsetOverflowOne => response::PULL_NOT_FOUND,
        ReadStatus::NoMessageInQueue | ReadStatus::NoMatchedLogicQueue if offset == 0 => {
            response::PULL_NOT_FOUND
        }
        _ => response::PULL_OFFSET_MOVED,
    }
}

/// Whether a topic is one the broker made for redelivery.
#[must_use]
pub(super) fn is_retry(topic: &str) -> bool {
    topic.starts_with(names::RETRY_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_expressions_become_hashes() {
        assert_eq!(codes_of("*"), None);
        assert_eq!(codes_of("TagA || TagC"), Some(vec![2_598_919, 2_598_921]));
        assert_eq!(codes_of(" || TagA||"), Some(vec![2_598_919]));
    }
}

//! Which handler a request code goes to, and what happens after every input.

use super::replicas::In;
use super::{Broker, Stopping};
use crate::json::{self, Json, Style, ToJson};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::{request as code, response};
use crate::wire::{Ext, Frame, Peer, Reply, ReplyTo, ServerIn};

/// The hint at the end of some remarks.
pub(super) const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

/// A body in the reference's dialect.
pub(super) fn body<T: ToJson + ?Sized>(value: &T) -> Vec<u8> {
    json::to_vec(value, Style::Fastjson)
}

/// Success as some of the reference's processors answer it: the remark of an unfinished response stays.
pub(super) fn code_only(json: Json) -> Reply {
    Reply::success().with_remark("not set any response code").with_body(body(&json))
}

impl<S: Store> Broker<S> {
    /// Takes one input; drain [`Broker::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match input {
            ServerIn::Request { peer, frame } => self.request(now, peer, &frame),
            ServerIn::Tick => self.tick(now),
            ServerIn::Answer { token, result } => {
                let known = self.registered(now, token, &result)
                    || self.group_told(now, token, &result)
                    || self.escaped(now, token, &result)
                    || self.fetched(now, token, &result)
                    || self.online_answered(now, token, &result)
                    || self.relayed(token, &result)
                    || self.controller_answered(now, token, &result)
                    || self.master_told(now, token, &result);
                if !known {
                    tracing::debug!(token, "an answer nobody waits for");
                }
            }
            ServerIn::Closed(conn) => {
                if self.session_gone(now, conn) {
                    // A replica that leaves may have followed another master.
                    self.tell_replicas(now, In::Doubt);
                } else {
                    self.client_gone(conn);
                }
            }
            ServerIn::Saved { token, result } => self.saved(now, token, &result),
            ServerIn::Lost(addr) => {
                self.name_server_lost(now, &addr);
                self.tell_replicas(now, In::Lost(addr));
            }
            ServerIn::Stream(input) => self.stream(now, input),
        }
        if self.stopping != Stopping::Done {
            self.drive_ha(now);
            self.drive_controllers(now);
            self.look_for_link(now);
            self.review_standing(now);
            self.drive_escape(now);
            self.start_saves(now);
        }
    }

    fn tick(&mut self, now: Now) {
        self.store.tick(now);
        self.sweep_held(now);
        self.expire_durable(now);
        if self.stopping == Stopping::No {
            self.tick_ha(now);
            self.run_services(now);
            self.scan_clients(now);
            self.save_periodically(now);
            self.register_due(now);
            self.follow_master(now);
            self.tick_group(now);
        }
        self.save_timers(now);
        self.stats.tick(now);
        self.advance_stop(now);
    }

    fn request(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        if let Some(refusal) = self.refuse_for_duty(now, frame.code()) {
            return self.reply(to, refusal);
        }
        match frame.code() {
            code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE => {
                return self.send(now, peer, frame);
            }
            code::PULL_MESSAGE | code::LITE_PULL_MESSAGE if !peer.fast_port => {
                return self.pull(now, peer, frame);
            }
            code::RECALL_MESSAGE => return self.recall_message(now, peer, frame),
            code::END_TRANSACTION => return self.end_transaction(now, peer, frame),
            code::CONSUMER_SEND_MSG_BACK => return self.send_back(now, peer, frame),
            code::GET_CONSUMER_RUNNING_INFO | code::CONSUME_MESSAGE_DIRECTLY => {
                return self.relay_to_consumer(peer, frame);
            }
            super::metadata::SYNC_METADATA => return self.sync_metadata(now, to, frame),
            code::SEND_REPLY_MESSAGE | code::SEND_REPLY_MESSAGE_V2 => {
                return self.send_reply_message(now, peer, frame);
            }
            _ => {}
        }
        let reply = self.client_request(now, peer, frame).or_else(|| self.admin_request(now, to, frame));
        match reply {
            Some(Answer::Now(reply)) => self.reply(to, reply),
            Some(Answer::Later) => {}
            None => self.reply(to, Reply::not_supported(frame.code())),
        }
    }

    /// Requests of producers and consumers.
    fn client_request(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) -> Option<Answer> {
        let to = ReplyTo::new(peer.conn, frame);
        let later = match frame.code() {
            code::SEARCH_OFFSET_BY_TIMESTAMP => Some(self.search_offset(to, frame)),
            code::QUERY_MESSAGE => Some(self.query_message(to, frame)),
            code::VIEW_MESSAGE_BY_ID => Some(self.view_message(to, frame)),
            _ => None,
        };
        if let Some(reply) = later {
            return Some(reply.map_or(Answer::Later, Answer::Now));
        }
        Some(Answer::Now(match frame.code() {
            code::HEART_BEAT => self.heartbeat(now, peer, frame),
            code::UNREGISTER_CLIENT => self.unregister_client(peer, frame),
            code::GET_CONSUMER_LIST_BY_GROUP => self.consumer_list(frame),
            code::CHECK_CLIENT_CONFIG => self.check_client_config(frame),
            code::QUERY_CONSUMER_OFFSET => self.query_consumer_offset(frame),
            code::UPDATE_CONSUMER_OFFSET => self.update_consumer_offset(now, frame),
            code::GET_MAX_OFFSET => self.max_offset(frame),
            code::GET_MIN_OFFSET => self.min_offset(frame),
            code::GET_EARLIEST_MSG_STORETIME => self.earliest_store_time(frame),
            code::LOCK_BATCH_MQ => self.lock_batch(now, frame),
            code::UNLOCK_BATCH_MQ => self.unlock_batch(frame),
            code::QUERY_ASSIGNMENT => self.query_assignment(frame),
            code::SET_MESSAGE_REQUEST_MODE => self.set_message_request_mode(frame),
            code::GET_ALL_MESSAGE_REQUEST_MODE => self.all_message_request_modes(),
            _ => return None,
        }))
    }

    /// Requests of operators, slaves and proxies.
    fn admin_request(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Answer> {
        let later = match frame.code() {
            code::UPDATE_AND_CREATE_TOPIC => Some(self.create_topic(now, to, frame)),
            code::UPDATE_AND_CREATE_TOPIC_LIST => Some(self.create_topics(now, to, frame)),
            code::DELETE_TOPIC_IN_BROKER => Some(self.delete_topic(now, to, frame)),
            code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => Some(self.create_group(now, to, frame)),
            code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => Some(self.create_groups(now, to, frame)),
            code::DELETE_SUBSCRIPTIONGROUP => Some(self.delete_group(now, to, frame)),
            code::UPDATE_BROKER_CONFIG => Some(self.update_broker_config(now, to, frame)),
            code if self.ask_progress(to, code) => return Some(Answer::Later),
            _ => None,
        };
        if let Some(reply) = later {
            return Some(reply.map_or(Answer::Later, Answer::Now));
        }
        Some(Answer::Now(match frame.code() {
            code::GET_ALL_TOPIC_CONFIG => self.all_topics(),
            code::GET_TOPIC_CONFIG => self.topic_config(frame),
            code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => self.all_groups(),
            code::GET_SUBSCRIPTIONGROUP_CONFIG => self.group_config(frame),
            code::UPDATE_AND_GET_GROUP_FORBIDDEN => self.group_forbidden(now, frame),
            code::GET_ALL_CONSUMER_OFFSET => self.all_consumer_offsets(),
            code::GET_ALL_DELAY_OFFSET => Reply::success().with_body(body(self.schedule.snapshot())),
            code::GET_TIMER_CHECK_POINT => self.timer_checkpoint(),
            code::GET_TIMER_METRICS => self.timer_metrics(),
            code::GET_BROKER_HA_STATUS => self.ha_status(now),
            code::GET_BROKER_EPOCH_CACHE => self.epoch_cache(),
            code::GET_BROKER_CONFIG => self.broker_config(),
            code::GET_BROKER_RUNTIME_INFO => self.runtime_info(now),
            code::GET_TOPIC_STATS_INFO => self.topic_stats(frame),
            code::GET_CONSUME_STATS => self.consume_stats(frame),
            code::GET_BROKER_CONSUME_STATS => self.broker_consume_stats(frame),
            code::GET_CONSUMER_CONNECTION_LIST => self.consumer_connections(frame),
            code::GET_PRODUCER_CONNECTION_LIST => self.producer_connections(frame),
            code::GET_ALL_PRODUCER_INFO => self.all_producers(),
            code::QUERY_TOPIC_CONSUME_BY_WHO => self.consumed_by_whom(frame),
            code::QUERY_TOPICS_BY_CONSUMER => self.topics_by_consumer(frame),
            code::QUERY_SUBSCRIPTION_BY_CONSUMER => self.subscription_by_consumer(frame),
            code::QUERY_CONSUME_TIME_SPAN => self.consume_time_span(now, frame),
            code::QUERY_CORRECTION_OFFSET => self.correction_offset(frame),
            code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => self.system_topics(),
            code::VIEW_BROKER_STATS_DATA => self.view_stats(now, frame),
            code::QUERY_CONSUME_QUEUE => self.query_consume_queue(frame),
            code::CLONE_GROUP_OFFSET => self.clone_group_offset(frame),
            code::INVOKE_BROKER_TO_RESET_OFFSET => self.reset_offset(now, frame),
            code::RESUME_CHECK_HALF_MESSAGE => self.resume_check(now, frame),
            code::EXCHANGE_BROKER_HA_INFO => self.exchange_ha_info(now, frame),
            code::NOTIFY_BROKER_ROLE_CHANGED => self.role_changed(now, frame),
            code::NOTIFY_MIN_BROKER_ID_CHANGE => self.min_broker_changed(now, frame),
            code::CLEAN_UNUSED_TOPIC => Reply::success(),
            code::CLEAN_EXPIRED_CONSUMEQUEUE => {
                self.store.clean_queues_now();
                Reply::success()
            }
            code::DELETE_EXPIRED_COMMITLOG => {
                self.store.clean_now();
                Reply::success()
            }
            _ => return None,
        }))
    }
}

/// An answer given at once, or one that something else will release.
enum Answer {
    Now(Reply),
    Later,
}

/// A body that does not parse, in one line.
pub(super) fn bad_body(what: &str, why: &dyn core::fmt::Display) -> Reply {
    Reply::error(response::SYSTEM_ERROR, format!("{what} cannot be read: {why}"))
}

/// An empty typed header, as a response with one carries.
pub(super) fn success_with_header() -> Reply {
    Reply::success().with_ext(Ext::new())
}

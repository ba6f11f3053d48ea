//! Request codes onto the tables: headers in, replies out, with the reference's codes and remarks.

use super::kv::ORDER_TOPIC_CONFIG;
use super::machine::Namesrv;
use super::notify::MinIdNotice;
use super::register::{Policy, Registered, Registration};
use super::register_body::decode_body;
use super::route::RouteOptions;
use super::tables::BrokerKey;
use super::topics::UnitTopics;
use crate::body::{BrokerMemberGroupBody, DataVersion, TopicRouteData};
use crate::config::{BLACK_LISTED, Refusal};
use crate::json::{Style, ToJson, from_slice, to_vec};
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::headers::naming::{BrokerIdentity, GetRouteInfo, KvConfig, NamesrvTopic, RegisterBroker};
use crate::wire::{Ext, Frame, Peer, Reply, V4_9_4};

/// What one request leads to.
pub(super) struct Answer {
    pub reply: Reply,
    pub notice: Option<MinIdNotice>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Answer { reply, notice: None }
    }
}

/// A request that cannot be served; becomes the reply.
type Served = Result<Reply, Reply>;

pub(super) fn answer(ns: &mut Namesrv, now: Now, peer: Peer, frame: &Frame<'_>) -> Answer {
    let served = match frame.code() {
        request::REGISTER_BROKER => return register(ns, now, peer, frame).unwrap_or_else(Answer::from),
        request::UNREGISTER_BROKER => return unregister(ns, peer, frame).unwrap_or_else(Answer::from),
        request::GET_ROUTEINFO_BY_TOPIC => route(ns, now, frame),
        request::GET_BROKER_CLUSTER_INFO => Ok(body(&ns.tables.cluster_info())),
        request::BROKER_HEARTBEAT => heartbeat(ns, now, frame),
        request::QUERY_DATA_VERSION => query_data_version(ns, now, frame),
        request::GET_BROKER_MEMBER_GROUP => member_group(ns, frame),
        request::PUT_KV_CONFIG | request::GET_KV_CONFIG | request::DELETE_KV_CONFIG => kv(ns, frame),
        request::GET_KVLIST_BY_NAMESPACE => kv_list(ns, frame),
        request::UPDATE_NAMESRV_CONFIG => Ok(update_config(ns, frame)),
        request::GET_NAMESRV_CONFIG => Ok(Reply::success().with_body(ns.settings.shown())),
        code => topics(ns, code, frame),
    };
    served.unwrap_or_else(|refusal| refusal).into()
}

fn body<T: ToJson>(value: &T) -> Reply {
    Reply::success().with_body(to_vec(value, Style::Fastjson))
}

/// A header field that must be there.
fn need<T>(field: Option<T>, name: &'static str) -> Result<T, Reply> {
    field.ok_or_else(|| {
        Reply::error(response::SYSTEM_ERROR, format!("the request header lacks a usable {name}"))
    })
}

fn register(ns: &mut Namesrv, now: Now, peer: Peer, frame: &Frame<'_>) -> Result<Answer, Reply> {
    let header = RegisterBroker::parse(frame);
    let failed = |text: String| Reply::error(response::SYSTEM_ERROR, text).with_ext(Ext::new());
    let crc = i32::try_from(crc32fast::hash(frame.body()) & 0x7fff_ffff).unwrap_or(0);
    if header.body_crc32 != 0 && header.body_crc32 != crc {
        return Err(failed("crc32 not match".to_owned()));
    }
    if frame.version() < 0 {
        // The reference looks the version up in an array.
        return Err(failed(format!("java.lang.ArrayIndexOutOfBoundsException: {}", frame.version())));
    }
    let content =
        decode_body(frame.body(), frame.version(), header.compressed).map_err(|e| failed(e.to_string()))?;
    let registration = Registration {
        cluster: need(header.cluster_name, "clusterName")?,
        broker_addr: need(header.broker_addr, "brokerAddr")?,
        broker_name: need(header.broker_name, "brokerName")?,
        broker_id: need(header.broker_id, "brokerId")?,
        ha_server_addr: header.ha_server_addr.unwrap_or_default(),
        zone_name: header.zone_name,
        heartbeat_timeout_ms: header.heartbeat_timeout_millis,
        enable_acting_master: header.enable_acting_master,
        conn: peer.conn,
        body: content,
    };
    let policy = Policy { delete_missing_topics: ns.settings.namesrv.delete_topic_with_broker_registration };
    let mut ext = Ext::new();
    let mut notice = None;
    match ns.tables.register(now.mono, policy, registration) {
        Registered::Failed => return Err(failed("register broker failed".to_owned())),
        Registered::Stale => {}
        Registered::Done { master, notice: told } => {
            notice = told;
            if let Some((master_addr, ha_addr)) = master {
                ext.put("haServerAddr", ha_addr);
                ext.put("masterAddr", master_addr);
            }
        }
    }
    let mut reply = Reply::success().with_ext(ext);
    let wanted = ns.settings.namesrv.return_order_topic_config_to_broker;
    if let Some(order) = ns.kv.namespace(ORDER_TOPIC_CONFIG).filter(|_| wanted) {
        reply = reply.with_body(to_vec(&order, Style::Fastjson));
    }
    Ok(Answer { reply, notice })
}

/// The broker a request is about: its live key and its name.
fn identity<'a>(frame: &Frame<'a>) -> Result<(BrokerKey, &'a str), Reply> {
    let header = BrokerIdentity::parse(frame);
    let key = BrokerKey {
        cluster: need(header.cluster_name, "clusterName")?.to_owned(),
        addr: need(header.broker_addr, "brokerAddr")?.to_owned(),
    };
    Ok((key, need(header.broker_name, "brokerName")?))
}

fn unregister(ns: &mut Namesrv, peer: Peer, frame: &Frame<'_>) -> Result<Answer, Reply> {
    let (key, broker_name) = identity(frame)?;
    let notice = ns.tables.unregister(peer.conn, &key, broker_name);
    Ok(Answer { reply: Reply::success(), notice })
}

fn heartbeat(ns: &mut Namesrv, now: Now, frame: &Frame<'_>) -> Served {
    let (key, _) = identity(frame)?;
    ns.tables.heard(now.mono, &key);
    Ok(Reply::success())
}

fn query_data_version(ns: &mut Namesrv, now: Now, frame: &Frame<'_>) -> Served {
    let (key, _) = identity(frame)?;
    let told: DataVersion =
        from_slice(frame.body()).map_err(|e| Reply::error(response::SYSTEM_ERROR, e.to_string()))?;
    let changed = ns.tables.version_changed(&key, &told);
    ns.tables.heard(now.mono, &key);
    let reply = Reply::success().with_ext(Ext::new().with("changed", changed));
    Ok(match ns.tables.data_version(&key) {
        Some(known) => reply.with_body(to_vec(&known, Style::Fastjson)),
        None => reply,
    })
}

fn member_group(ns: &Namesrv, frame: &Frame<'_>) -> Served {
    let header = BrokerIdentity::parse(frame);
    let cluster = need(header.cluster_name, "clusterName")?;
    let group = ns.tables.member_group(cluster, need(header.broker_name, "brokerName")?);
    Ok(body(&BrokerMemberGroupBody { group }).with_remark("not set any response code"))
}

fn route(ns: &Namesrv, now: Now, frame: &Frame<'_>) -> Served {
    let header = GetRouteInfo::parse(frame);
    let config = &ns.settings.namesrv;
    let warm_ms = u64::try_from(config.wait_seconds_for_service).unwrap_or(0) * 1_000;
    if config.need_wait_for_service && now.mono.ms_since(ns.started) < warm_ms {
        return Err(Reply::error(response::SYSTEM_ERROR, "name server not ready"));
    }
    let topic = need(header.topic, "topic")?;
    let zone = header.zone_name.filter(|name| header.zone_mode == Some(true) && !name.trim().is_empty());
    let order = ns.kv.get(ORDER_TOPIC_CONFIG, topic).filter(|_| config.order_message_enable);
    let options = RouteOptions {
        acting_master: config.support_acting_master,
        zone,
        order_conf: order.map(str::to_owned),
    };
    let route = ns.tables.route(topic, options).ok_or_else(|| no_route(topic))?;
    let standard = frame.version() >= V4_9_4 || header.accept_standard_json_only == Some(true);
    let style = if standard && zone.is_none() { Style::Standard } else { Style::Fastjson };
    Ok(Reply::success().with_body(to_vec(&route, style)))
}

fn no_route(topic: &str) -> Reply {
    Reply::error(
        response::TOPIC_NOT_EXIST,
        format!(
            "No topic route info in name server for the topic: {topic}\n\
             See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
        ),
    )
}

fn topics(ns: &mut Namesrv, code: i32, frame: &Frame<'_>) -> Served {
    let header = NamesrvTopic::parse(frame);
    let enabled = match code {
        request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => ns.settings.namesrv.enable_all_topic_list,
        request::GET_TOPICS_BY_CLUSTER
        | request::GET_UNIT_TOPIC_LIST
        | request::GET_HAS_UNIT_SUB_TOPIC_LIST
        | request::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => ns.settings.namesrv.enable_topic_list,
        _ => true,
    };
    if !enabled {
        return Err(Reply::error(response::SYSTEM_ERROR, "disable"));
    }
    let tables = &mut ns.tables;
    Ok(match code {
        request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => body(&tables.all_topics()),
        request::GET_TOPICS_BY_CLUSTER => body(&tables.topics_of_cluster(need(header.cluster, "cluster")?)),
        request::GET_SYSTEM_TOPIC_LIST_FROM_NS => body(&tables.system_topics()),
        request::GET_UNIT_TOPIC_LIST => body(&tables.unit_topics(UnitTopics::Unit)),
        request::GET_HAS_UNIT_SUB_TOPIC_LIST => body(&tables.unit_topics(UnitTopics::Subscribed)),
        request::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => body(&tables.unit_topics(UnitTopics::SubscribedOnly)),
        request::WIPE_WRITE_PERM_OF_BROKER => {
            let count = tables.wipe_write_perm(need(BrokerIdentity::parse(frame).broker_name, "brokerName")?);
            Reply::success().with_ext(Ext::new().with("wipeTopicCount", count))
        }
        request::ADD_WRITE_PERM_OF_BROKER => {
            let count = tables.add_write_perm(need(BrokerIdentity::parse(frame).broker_name, "brokerName")?);
            Reply::success().with_ext(Ext::new().with("addTopicCount", count))
        }
        request::DELETE_TOPIC_IN_NAMESRV => {
            let cluster = header.cluster_name.filter(|name| !name.is_empty());
            tables.delete_topic(need(header.topic, "topic")?, cluster);
            Reply::success()
        }
        request::REGISTER_TOPIC_IN_NAMESRV => {
            if !frame.body().is_empty() {
                let route: TopicRouteData = from_slice(frame.body())
                    .map_err(|e| Reply::error(response::SYSTEM_ERROR, e.to_string()))?;
                tables.register_topic(need(header.topic, "topic")?, route.queue_datas);
            }
            Reply::success()
        }
        other => Reply::not_supported(other),
    })
}

fn kv(ns: &mut Namesrv, frame: &Frame<'_>) -> Served {
    let header = KvConfig::parse(frame);
    let (Some(namespace), Some(key)) = (header.namespace, header.key) else {
        return Err(Reply::error(response::SYSTEM_ERROR, "namespace or key is null"));
    };
    match frame.code() {
        request::GET_KV_CONFIG => {
            let Some(value) = ns.kv.get(namespace, key) else {
                let remark = format!("No config item, Namespace: {namespace} Key: {key}");
                return Err(Reply::error(response::QUERY_NOT_FOUND, remark).with_ext(Ext::new()));
            };
            return Ok(Reply::success().with_ext(Ext::new().with("value", value.to_owned())));
        }
        request::PUT_KV_CONFIG => ns.kv.put(namespace, key, need(header.value, "value")?),
        _ => ns.kv.delete(namespace, key),
    }
    ns.save(ns.settings.namesrv.kv_config_path.clone(), ns.kv.file());
    Ok(Reply::success())
}

fn kv_list(ns: &Namesrv, frame: &Frame<'_>) -> Served {
    let namespace = need(KvConfig::parse(frame).namespace, "namespace")?;
    ns.kv.namespace(namespace).map(|table| body(&table)).ok_or_else(|| {
        Reply::error(response::QUERY_NOT_FOUND, format!("No config item, Namespace: {namespace}"))
    })
}

fn update_config(ns: &mut Namesrv, frame: &Frame<'_>) -> Reply {
    if frame.body().is_empty() {
        return Reply::success();
    }
    match ns.settings.update(&String::from_utf8_lossy(frame.body())) {
        Ok(set) => {
            tracing::info!("updateConfig, keys {set:?}");
            ns.save(ns.settings.namesrv.config_store_path.clone(), ns.settings.stored());
            Reply::success()
        }
        Err(Refusal::Key(_)) => Reply::error(response::NO_PERMISSION, BLACK_LISTED),
        Err(refusal) => Reply::error(response::SYSTEM_ERROR, refusal.to_string()),
    }
}

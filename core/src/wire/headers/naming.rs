//! NameServer requests (`spec/namesrv.md`).

use crate::header;

header! {
    /// `RegisterBrokerRequestHeader` (code 103).
    RegisterBroker {
        broker_name: Option<&'a str> = "brokerName",
        broker_addr: Option<&'a str> = "brokerAddr",
        cluster_name: Option<&'a str> = "clusterName",
        ha_server_addr: Option<&'a str> = "haServerAddr",
        broker_id: Option<i64> = "brokerId",
        heartbeat_timeout_millis: Option<i64> = "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = "enableActingMaster",
        compressed: bool = "compressed",
        body_crc32: i32 = "bodyCrc32",
        zone_name: Option<&'a str> = "__ZONE_NAME",
    }
}

header! {
    /// A broker as codes 104, 322, 901 and 904 name it.
    BrokerIdentity {
        broker_name: Option<&'a str> = "brokerName",
        broker_addr: Option<&'a str> = "brokerAddr",
        cluster_name: Option<&'a str> = "clusterName",
        broker_id: Option<i64> = "brokerId",
    }
}

header! {
    /// `GetRouteInfoRequestHeader` (code 105).
    GetRouteInfo {
        topic: Option<&'a str> = "topic",
        accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
        zone_mode: Option<bool> = "__ZONE_MODE",
        zone_name: Option<&'a str> = "__ZONE_NAME",
    }
}

header! {
    /// Key-value requests (codes 100 to 102 and 219).
    KvConfig {
        namespace: Option<&'a str> = "namespace",
        key: Option<&'a str> = "key",
        value: Option<&'a str> = "value",
    }
}

header! {
    /// Topic requests of a NameServer (codes 216, 217, 224).
    NamesrvTopic {
        topic: Option<&'a str> = "topic",
        cluster_name: Option<&'a str> = "clusterName",
        cluster: Option<&'a str> = "cluster",
    }
}

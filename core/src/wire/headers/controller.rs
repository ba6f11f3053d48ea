//! Controller requests (`spec/controller.md` section 3, `remoting/protocol/header/controller`).

use crate::header;

header! {
    /// `BrokerHeartbeatRequestHeader` (code 904 to a controller).
    ControllerHeartbeat {
        cluster_name: Option<&'a str> = "clusterName",
        broker_addr: Option<&'a str> = "brokerAddr",
        broker_name: Option<&'a str> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        epoch: Option<i32> = "epoch",
        max_offset: Option<i64> = "maxOffset",
        confirm_offset: Option<i64> = "confirmOffset",
        heartbeat_timeout_mills: Option<i64> = "heartbeatTimeoutMills",
        election_priority: Option<i32> = "electionPriority",
    }
}

header! {
    /// `AlterSyncStateSetRequestHeader` (code 1001).
    AlterSyncStateSet {
        broker_name: Option<&'a str> = "brokerName",
        master_broker_id: Option<i64> = "masterBrokerId",
        master_epoch: Option<i32> = "masterEpoch",
        invoke_time: Option<i64> = "invokeTime",
    }
}

header! {
    /// `ElectMasterRequestHeader` (code 1002).
    ElectMaster {
        cluster_name: Option<&'a str> = "clusterName",
        broker_name: Option<&'a str> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        designate_elect: bool = "designateElect",
        invoke_time: Option<i64> = "invokeTime",
    }
}

header! {
    /// A broker as codes 1003, 1004, 1012 and 1013 name it.
    ControllerBroker {
        cluster_name: Option<&'a str> = "clusterName",
        broker_name: Option<&'a str> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        broker_address: Option<&'a str> = "brokerAddress",
        applied_broker_id: Option<i64> = "appliedBrokerId",
        register_check_code: Option<&'a str> = "registerCheckCode",
    }
}

header! {
    /// `CleanControllerBrokerDataRequestHeader` (code 1011).
    CleanBrokerData {
        cluster_name: Option<&'a str> = "clusterName",
        broker_name: Option<&'a str> = "brokerName",
        ids_to_clean: Option<&'a str> = "brokerControllerIdsToClean",
        clean_living_broker: bool = "isCleanLivingBroker",
        invoke_time: Option<i64> = "invokeTime",
    }
}

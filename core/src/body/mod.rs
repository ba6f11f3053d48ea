//! The JSON bodies that more than one role reads or writes. Names, defaults and order of members are the
//! reference's; everything optional there is optional here.

mod client;
mod controller;
mod group;
mod ha;
mod register;
mod route;
mod topic;

#[cfg(test)]
mod tests;

pub use client::{
    ConsumeFromWhere, ConsumeType, ConsumerData, HeartbeatData, MessageModel, MessageQueue, ProducerData,
    SubscriptionData,
};
pub use controller::{BrokerReplicasInfo, ElectedBody, ReplicaIdentity, ReplicasInfo, SyncStateSetBody};
pub use group::{
    CustomizedRetryPolicy, ExponentialRetryPolicy, GroupRetryPolicy, RetryPolicyType, SimpleSubscriptionData,
    SubscriptionGroupConfig, SubscriptionGroupTable,
};
pub use ha::{EpochCacheInfo, EpochInfo, HaClientInfo, HaConnectionInfo, HaStatus};
pub use register::{RegisterBrokerBody, TopicConfigTable, TopicConfigWrapper, TopicQueueMappingInfo};
pub use route::{
    BrokerData, BrokerMemberGroup, BrokerMemberGroupBody, ClusterInfo, KvTable, QueueData, TopicList,
    TopicRouteData,
};
pub use topic::{DataVersion, TopicConfig, TopicFilterType, perm};

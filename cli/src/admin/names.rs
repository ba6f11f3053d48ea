//! What name servers are asked.

use sansmq_core::body::{BrokerData, ClusterInfo, TopicList, TopicRouteData};
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::naming;
use sansmq_core::wire::{Command, Ext};

use super::{accepted, read_body};
use crate::app::World;
use crate::client::ClientError;
use crate::failure::Failure;

/// What the retry topic of a group starts with.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Namespace of the order configurations of topics.
const ORDER_NAMESPACE: &str = "ORDER_TOPIC_CONFIG";
const UNKNOWN_CLUSTER: &str =
    "[error] Make sure the specified clusterName exists or the name server connected to is correct.";

/// The retry topic of a group.
#[must_use]
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The address commands use for a set of replicas: the master's, or any other.
#[must_use]
pub fn address_of(data: &BrokerData) -> Option<&str> {
    data.broker_addrs.get(&0).or_else(|| data.broker_addrs.values().next()).map(String::as_str)
}

impl World {
    /// Asks the first name server that can be reached.
    ///
    /// # Errors
    /// [`Failure::Refused`] or the last client error.
    pub fn ask_names(&mut self, code: i32, ext: Ext) -> Result<Command, Failure> {
        let mut last = ClientError::NoNames;
        for name in self.client.names()? {
            match self.client.call(&name, Command::request(code, ext.clone())) {
                Ok(answer) => return accepted(answer, None),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Tells every name server the same; the first failure ends it.
    ///
    /// # Errors
    /// As [`World::ask_names`].
    pub fn tell_names(&mut self, command: &Command) -> Result<Vec<(String, Command)>, Failure> {
        let mut answers = Vec::new();
        for name in self.client.names()? {
            let answer = self.client.call(&name, command.clone())?;
            answers.push((name, accepted(answer, None)?));
        }
        Ok(answers)
    }

    /// The route of a topic.
    ///
    /// # Errors
    /// Code 17 for an unknown topic.
    pub fn route(&mut self, topic: &str) -> Result<TopicRouteData, Failure> {
        const CODE: i32 = request::GET_ROUTEINFO_BY_TOPIC;
        let header = naming::GetRouteInfo { topic: Some(topic), ..Default::default() };
        read_body(CODE, &self.ask_names(CODE, header.to_ext())?)
    }

    /// All clusters and brokers.
    ///
    /// # Errors
    /// As [`World::ask_names`].
    pub fn clusters(&mut self) -> Result<ClusterInfo, Failure> {
        const CODE: i32 = request::GET_BROKER_CLUSTER_INFO;
        read_body(CODE, &self.ask_names(CODE, Ext::new())?)
    }

    /// All topics.
    ///
    /// # Errors
    /// As [`World::ask_names`].
    pub fn topics(&mut self) -> Result<Vec<String>, Failure> {
        const CODE: i32 = request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        read_body(CODE, &self.ask_names(CODE, Ext::new())?).map(|list: TopicList| list.topics)
    }

    /// The sets of replicas of a cluster, sorted by name.
    ///
    /// # Errors
    /// [`Failure::Input`] for an unknown cluster.
    pub fn replicas(&mut self, cluster: &str) -> Result<Vec<BrokerData>, Failure> {
        let info = self.clusters()?;
        let names = info.clusters.get(cluster).ok_or_else(|| Failure::input(UNKNOWN_CLUSTER))?;
        Ok(names.iter().filter_map(|name| info.brokers.get(name)).cloned().collect())
    }

    /// Addresses of the masters of a cluster.
    ///
    /// # Errors
    /// As [`World::replicas`].
    pub fn masters(&mut self, cluster: &str) -> Result<Vec<String>, Failure> {
        let sets = self.replicas(cluster)?;
        Ok(sets.iter().filter_map(|data| data.broker_addrs.get(&0)).cloned().collect())
    }

    /// Addresses of masters and slaves of a cluster.
    ///
    /// # Errors
    /// As [`World::replicas`].
    pub fn members(&mut self, cluster: &str) -> Result<Vec<String>, Failure> {
        let sets = self.replicas(cluster)?;
        Ok(sets.iter().flat_map(|data| data.broker_addrs.values()).cloned().collect())
    }

    /// Addresses of the replicas of a broker name, the master's first.
    ///
    /// # Errors
    /// [`Failure::Input`] for an unknown name.
    pub fn replicas_of(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let info = self.clusters()?;
        let unknown = || Failure::input(format!("the name server knows no broker named {name}"));
        Ok(info.brokers.get(name).ok_or_else(unknown)?.broker_addrs.values().cloned().collect())
    }

    /// The one broker given, or the masters of the cluster given, or a failure.
    ///
    /// # Errors
    /// [`Failure::NoTarget`] when neither is given, [`Failure::Input`] when the cluster is unknown.
    pub fn broker_or_masters(
        &mut self,
        broker: Option<&str>,
        cluster: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        match (broker, cluster) {
            (Some(broker), _) => Ok(vec![broker.to_owned()]),
            (None, Some(cluster)) => self.masters(cluster),
            (None, None) => Err(Failure::NoTarget),
        }
    }

    /// Sets a key of a namespace on all name servers.
    ///
    /// # Errors
    /// As [`World::tell_names`].
    pub fn put_kv(&mut self, namespace: &str, key: &str, value: &str) -> Result<(), Failure> {
        let header = naming::KvConfig {
            namespace: Some(namespace),
            key: Some(key),
            value: Some(value),
            ..Default::default()
        };
        self.tell_names(&Command::request(request::PUT_KV_CONFIG, header.to_ext())).map(drop)
    }

    /// Removes a key of a namespace from all name servers.
    ///
    /// # Errors
    /// As [`World::tell_names`].
    pub fn delete_kv(&mut self, namespace: &str, key: &str) -> Result<(), Failure> {
        let header = naming::KvConfig { namespace: Some(namespace), key: Some(key), ..Default::default() };
        self.tell_names(&Command::request(request::DELETE_KV_CONFIG, header.to_ext())).map(drop)
    }

    /// The order configuration of a topic.
    ///
    /// # Errors
    /// Code 22 when there is none.
    pub fn order_conf(&mut self, topic: &str) -> Result<String, Failure> {
        let header =
            naming::KvConfig { namespace: Some(ORDER_NAMESPACE), key: Some(topic), ..Default::default() };
        let answer = self.ask_names(request::GET_KV_CONFIG, header.to_ext())?;
        Ok(answer.ext_text("value").unwrap_or_default())
    }

    /// Replaces the order configuration of a topic.
    ///
    /// # Errors
    /// As [`World::tell_names`].
    pub fn set_order_conf(&mut self, topic: &str, value: &str) -> Result<(), Failure> {
        self.put_kv(ORDER_NAMESPACE, topic, value)
    }

    /// Removes the order configuration of a topic.
    ///
    /// # Errors
    /// As [`World::tell_names`].
    pub fn drop_order_conf(&mut self, topic: &str) -> Result<(), Failure> {
        self.delete_kv(ORDER_NAMESPACE, topic)
    }

    /// Deletes a topic on all name servers.
    ///
    /// # Errors
    /// As [`World::tell_names`].
    pub fn delete_topic_in_names(&mut self, topic: &str, cluster: Option<&str>) -> Result<(), Failure> {
        let header = naming::NamesrvTopic { topic: Some(topic), cluster_name: cluster, ..Default::default() };
        self.tell_names(&Command::request(request::DELETE_TOPIC_IN_NAMESRV, header.to_ext())).map(drop)
    }
}

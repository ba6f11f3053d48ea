//! What is asked about consumer groups, across the brokers that hold them.

use sansmq_core::body::BrokerData;
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::headers::{admin, client};

use super::{address_of, read_body, retry_topic};
use crate::app::World;
use crate::bodies::{ConsumeStats, ConsumerConnection, GroupList, RunningInfo};
use crate::failure::Failure;

impl World {
    /// Addresses, one per set of replicas, of the brokers that hold a topic.
    ///
    /// # Errors
    /// Code 17 for an unknown topic.
    pub fn brokers_of(&mut self, topic: &str) -> Result<Vec<String>, Failure> {
        let route = self.route(topic)?;
        Ok(route.broker_datas.iter().filter_map(address_of).map(str::to_owned).collect())
    }

    /// Some broker that knows the group.
    fn broker_of_group(&mut self, group: &str) -> Result<String, Failure> {
        let retry = retry_topic(group);
        let route = self.route(&retry)?;
        let address = route.broker_datas.first().and_then(|data: &BrokerData| address_of(data));
        address.map(str::to_owned).ok_or_else(|| Failure::input(format!("the route of {retry} is empty")))
    }

    /// Where a group stands, over all brokers; `topic` narrows it down, `route` finds the brokers instead of
    /// the group's retry topic.
    ///
    /// # Errors
    /// Code 206 when no broker knows an offset of the group.
    pub fn consume_stats(
        &mut self,
        group: &str,
        topic: Option<&str>,
        route: Option<&str>,
    ) -> Result<ConsumeStats, Failure> {
        const CODE: i32 = request::GET_CONSUME_STATS;
        let route = route.map_or_else(|| retry_topic(group), str::to_owned);
        let mut all = ConsumeStats::default();
        for broker in self.brokers_of(&route)? {
            let header = admin::GetConsumeStats { consumer_group: Some(group), topic, ..Default::default() };
            let stats: ConsumeStats = read_body(CODE, &self.ask(&broker, CODE, header.to_ext())?)?;
            all.offsets.extend(stats.offsets);
            all.consume_tps += stats.consume_tps;
        }
        if all.offsets.is_empty() {
            return Err(Failure::Refused {
                code: response::CONSUMER_NOT_ONLINE,
                desc:
                    "Not found the consumer group consume stats, because return offset table is empty, maybe \
                       the consumer not consume any message"
                        .to_owned(),
                broker: None,
            });
        }
        Ok(all)
    }

    /// The members of a group, as `broker` or else some broker of the group knows them.
    ///
    /// # Errors
    /// Code 206 when the group has no members.
    pub fn consumer_connection(
        &mut self,
        group: &str,
        broker: Option<&str>,
    ) -> Result<ConsumerConnection, Failure> {
        const CODE: i32 = request::GET_CONSUMER_CONNECTION_LIST;
        let broker = match broker {
            Some(broker) => broker.to_owned(),
            None => self.broker_of_group(group)?,
        };
        let header = client::ConsumerGroup { consumer_group: Some(group), ..Default::default() };
        read_body(CODE, &self.ask(&broker, CODE, header.to_ext())?)
    }

    /// What a member of a group tells about itself.
    ///
    /// # Errors
    /// When the member is gone or does not answer.
    pub fn running_info(&mut self, group: &str, client_id: &str) -> Result<RunningInfo, Failure> {
        const CODE: i32 = request::GET_CONSUMER_RUNNING_INFO;
        let broker = self.broker_of_group(group)?;
        let header = admin::RelayToConsumer {
            consumer_group: Some(group),
            client_id: Some(client_id),
            ..Default::default()
        };
        read_body(CODE, &self.ask(&broker, CODE, header.to_ext().with("jstackEnable", false))?)
    }

    /// The groups that consume a topic, as the first broker of its route knows them.
    ///
    /// # Errors
    /// Code 17 for an unknown topic.
    pub fn groups_of(&mut self, topic: &str) -> Result<Vec<String>, Failure> {
        const CODE: i32 = request::QUERY_TOPIC_CONSUME_BY_WHO;
        let Some(broker) = self.brokers_of(topic)?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let header = admin::Topic { topic: Some(topic), ..Default::default() };
        let answer = self.ask(&broker, CODE, header.to_ext())?;
        read_body(CODE, &answer).map(|list: GroupList| list.groups)
    }
}

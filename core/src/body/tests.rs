//! The bodies against what the reference writes.

use super::*;
use crate::json::{Style, ToJson, from_slice, to_vec};
use std::collections::BTreeMap;

fn text<T: ToJson>(value: &T) -> String {
    String::from_utf8(to_vec(value, Style::Fastjson)).unwrap()
}

#[test]
fn topic_config() {
    let wire = "{\"attributes\":{\"message.type\":\"FIFO\"},\"order\":false,\"perm\":6,\"readQueueNums\":2,\
                \"topicFilterType\":\"SINGLE_TAG\",\"topicName\":\"TATTR\",\"topicSysFlag\":0,\"writeQueueNums\":2}";
    let config: TopicConfig = from_slice(wire.as_bytes()).unwrap();
    assert_eq!(text(&config), wire);
    assert_eq!(
        config.to_string(),
        "TopicConfig [topicName=TATTR, readQueueNums=2, writeQueueNums=2, perm=RW-, topicFilterType=SINGLE_TAG, \
         topicSysFlag=0, order=false, attributes={message.type=FIFO}]"
    );
    assert_eq!(perm::text(5), "R-X");
}

#[test]
fn group_config() {
    let wire = "{\"attributes\":{},\"brokerId\":0,\"consumeBroadcastEnable\":true,\"consumeEnable\":true,\
                \"consumeFromMinEnable\":true,\"consumeMessageOrderly\":false,\"consumeTimeoutMinute\":15,\
                \"groupName\":\"g1\",\"groupRetryPolicy\":{\"type\":\"CUSTOMIZED\"},\"groupSysFlag\":0,\
                \"notifyConsumerIdsChangedEnable\":true,\"retryMaxTimes\":16,\"retryQueueNums\":1,\
                \"whichBrokerWhenConsumeSlowly\":1}";
    let config: SubscriptionGroupConfig = from_slice(b"{\"groupName\":\"g1\"}").unwrap();
    assert_eq!(text(&config), wire);
    assert_eq!(
        SubscriptionGroupConfig { consume_from_min_enable: false, ..config }.to_string(),
        "SubscriptionGroupConfig{groupName=g1, consumeEnable=true, consumeFromMinEnable=false, \
         consumeBroadcastEnable=true, consumeMessageOrderly=false, retryQueueNums=1, retryMaxTimes=16, \
         groupRetryPolicy=GroupRetryPolicy{type=CUSTOMIZED, exponentialRetryPolicy=null, \
         customizedRetryPolicy=null}, brokerId=0, whichBrokerWhenConsumeSlowly=1, \
         notifyConsumerIdsChangedEnable=true, groupSysFlag=0, consumeTimeoutMinute=15, \
         subscriptionDataSet=null, attributes={}}"
    );
}

#[test]
fn route_with_bare_and_quoted_ids() {
    let wire = "{\"brokerDatas\":[{\"brokerAddrs\":{0:\"127.0.0.2:21010\",1:\"127.0.0.2:21020\"},\
                \"brokerName\":\"broker-a\",\"cluster\":\"C\",\"enableActingMaster\":false}],\
                \"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,\
                \"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":4}]}";
    let route: TopicRouteData = from_slice(wire.as_bytes()).unwrap();
    assert_eq!(text(&route), wire);
    let standard = to_vec(&route, Style::Standard);
    assert!(standard.windows(5).any(|w| w == b"{\"0\":"));
    assert_eq!(from_slice::<TopicRouteData>(&standard).unwrap(), route);
}

#[test]
fn queue_as_key() {
    let wire = "{{\"brokerName\":\"b\",\"queueId\":1,\"topic\":\"T\"}:7}";
    let table: BTreeMap<MessageQueue, i64> = from_slice(wire.as_bytes()).unwrap();
    assert_eq!(text(&table), wire);
    assert_eq!(from_slice::<BTreeMap<MessageQueue, i64>>(&to_vec(&table, Style::Standard)).unwrap(), table);
}

#[test]
fn heartbeats_of_odd_clients() {
    let beat: HeartbeatData = from_slice(
        b"{\"clientID\":\"c\",\"consumerDataSet\":[{\"groupName\":\"g\",\"consumeType\":1,\"messageModel\":0,\
          \"consumeFromWhere\":\"4\",\"subscriptionDataSet\":[{\"topic\":\"T\",\"subString\":\"*\",\
          \"tagsSet\":null,\"subVersion\":\"12\"}]}],\"producerDataSet\":null}",
    )
    .unwrap();
    let group = &beat.consumers[0];
    assert_eq!(
        (group.consume_type, group.message_model, group.consume_from_where),
        (ConsumeType::Passively, MessageModel::Broadcasting, ConsumeFromWhere::FirstOffset)
    );
    assert!(group.subscription_data_set[0].is_tag());
    assert_eq!(group.subscription_data_set[0].sub_version, 12);
}

#[test]
fn registration_body() {
    let body: RegisterBrokerBody = from_slice(
        b"{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{\"dataVersion\":{\"counter\":1,\
          \"stateVersion\":2,\"timestamp\":3},\"topicConfigTable\":{\"T\":{\"topicName\":\"T\"}},\
          \"topicQueueMappingInfoMap\":{\"T\":{\"bname\":\"b\",\"currIdMap\":{0:0},\"totalQueues\":1}}}}",
    )
    .unwrap();
    assert_eq!(body.wrapper.data_version, DataVersion { counter: 1, state_version: 2, timestamp: 3 });
    assert_eq!(body.wrapper.topics["T"].read_queue_nums, 16);
    assert_eq!(body.wrapper.mapping_infos["T"].current, BTreeMap::from([(0, 0)]));
    assert_eq!(body.filter_servers, Some(Vec::new()));
}

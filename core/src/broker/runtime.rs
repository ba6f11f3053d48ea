//! GET_BROKER_RUNTIME_INFO (28): `spec/broker.md` section 13. Queues of thread pools do not exist here; their
//! keys are answered with zero, because mqadmin reads them without asking whether they are there.

use std::collections::BTreeMap;

use super::Broker;
use super::dispatch::body;
use crate::body::KvTable;
use crate::store::Store;
use crate::time::Now;
use crate::wire::{Reply, VERSION};

/// Keys that describe what this server does not have.
const ZERO_KEYS: [&str; 13] = [
    "sendThreadPoolQueueSize",
    "sendThreadPoolQueueHeadWaitTimeMills",
    "pullThreadPoolQueueSize",
    "pullThreadPoolQueueHeadWaitTimeMills",
    "litePullThreadPoolQueueSize",
    "litePullThreadPoolQueueHeadWaitTimeMills",
    "queryThreadPoolQueueSize",
    "queryThreadPoolQueueHeadWaitTimeMills",
    "ackThreadPoolQueueSize",
    "EndTransactionQueueSize",
    "pageCacheLockTimeMills",
    "dispatchBehindBytes",
    "dispatchMaxBuffer",
];

const PUT_TIME_BUCKETS: &str = "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 \
     [500ms~1s]:0 [1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ";

impl<S: Store> Broker<S> {
    pub(super) fn runtime_info(&self, now: Now) -> Reply {
        let mut table = BTreeMap::new();
        for key in ZERO_KEYS {
            table.insert(key.to_owned(), "0".to_owned());
        }
        self.put_process(now, &mut table);
        self.put_traffic(&mut table);
        self.put_log(&mut table);
        self.put_timers(now, &mut table);
        Reply::success().with_body(body(&KvTable { table }))
    }

    fn put_process(&self, now: Now, table: &mut BTreeMap<String, String>) {
        let config = &self.settings.broker;
        let seconds = now.mono.ms_since(self.started.mono) / 1_000;
        let mut put = |key: &str, value: String| table.insert(key.to_owned(), value);
        put("brokerActive", self.is_active().to_string());
        put("brokerVersion", VERSION.to_string());
        put("brokerVersionDesc", "V5_3_3".to_owned());
        put("bootTimestamp", self.started.wall_ms.to_string());
        put(
            "runtime",
            format!(
                "[ {} days, {} hours, {} minutes, {} seconds ]",
                seconds / 86_400,
                seconds / 3_600 % 24,
                seconds / 60 % 60,
                seconds % 60
            ),
        );
        put("startAcceptSendRequestTimeStamp", config.start_accept_send_request_time_stamp.to_string());
        put("sendThreadPoolQueueCapacity", config.send_thread_pool_queue_capacity.to_string());
        put("pullThreadPoolQueueCapacity", config.pull_thread_pool_queue_capacity.to_string());
        put("litePullThreadPoolQueueCapacity", config.lite_pull_thread_pool_queue_capacity.to_string());
        put("queryThreadPoolQueueCapacity", config.query_thread_pool_queue_capacity.to_string());
        put("ackThreadPoolQueueCapacity", config.ack_thread_pool_queue_capacity.to_string());
        put("ackThreadPoolQueueHeadWaitTimeMills", "0".to_owned());
        put("EndTransactionThreadPoolQueueCapacity", config.end_transaction_pool_queue_capacity.to_string());
        put("remainTransientStoreBufferNumbs", i32::MAX.to_string());
    }

    fn put_traffic(&self, table: &mut BTreeMap<String, String>) {
        let totals = self.stats.totals();
        let mut put = |key: &str, value: String| table.insert(key.to_owned(), value);
        put("putTps", self.stats.recent(|t| t.put));
        put("getFoundTps", self.stats.recent(|t| t.found));
        put("getMissTps", self.stats.recent(|t| t.missed));
        put("getTotalTps", self.stats.recent(|t| t.found + t.missed));
        put("getTransferredTps", self.stats.recent(|t| t.transferred));
        for (day, when) in self.stats.days().iter().zip(["YesterdayMorning", "TodayMorning", "TodayNow"]) {
            put(&format!("msgPutTotal{when}"), day.put.to_string());
            put(&format!("msgGetTotal{when}"), day.transferred.to_string());
        }
        #[allow(clippy::cast_precision_loss)] // an average for people
        let average = if totals.put > 0 { totals.put_bytes as f64 / totals.put as f64 } else { 0.0 };
        put("putMessageAverageSize", format!("{average:?}"));
        put("putMessageSizeTotal", totals.put_bytes.to_string());
        put("putMessageTimesTotal", totals.put.to_string());
        put("putMessageFailedTimes", totals.put_failed.to_string());
        put("putMessageDistributeTime", PUT_TIME_BUCKETS.to_owned());
        put("putMessageEntireTimeMax", "0".to_owned());
        put("getMessageEntireTimeMax", "0".to_owned());
        put("putLatency99", "0.00".to_owned());
        put("putLatency999", "0.00".to_owned());
    }

    fn put_log(&self, table: &mut BTreeMap<String, String>) {
        let bounds = self.store.log_bounds();
        let disk = self.store.disk_use();
        let ratio = format!("{:.2}", disk.commit_log_ratio);
        let mut put = |key: &str, value: String| table.insert(key.to_owned(), value);
        put("commitLogMinOffset", bounds.min.to_string());
        put("commitLogMaxOffset", bounds.max.to_string());
        put("remainHowManyDataToFlush", human_bytes(bounds.max - bounds.durable.min(bounds.max)));
        put("earliestMessageTimeStamp", self.earliest_message_time().to_string());
        put("commitLogDiskRatio", ratio.clone());
        put(&format!("commitLogDiskRatio_{}", disk.commit_log_path), ratio);
        put("consumeQueueDiskRatio", format!("{:.2}", disk.consume_queue_ratio));
        put(
            "commitLogDirCapacity",
            format!("Total : {}, Free : {}.", human_bytes(disk.total_bytes), human_bytes(disk.free_bytes)),
        );
        for (level, offset) in &self.schedule.snapshot().offsets {
            let queue = self.store.queue_bounds(super::names::SCHEDULE_TOPIC, level - 1, u64::MAX);
            let max = queue.unwrap_or_default().max;
            put(&format!("scheduleMessageOffset_{level}"), format!("{offset},{max}"));
        }
    }
}

/// `237.2 GiB`, as the reference prints sizes.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss)] // one decimal for people
    let mut amount = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if amount < 1_024.0 {
            break;
        }
        amount /= 1_024.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::human_bytes;

    #[test]
    fn sizes_read_well() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1_536), "1.5 KiB");
        assert_eq!(human_bytes(252 << 30), "252.0 GiB");
    }
}

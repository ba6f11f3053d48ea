//! Reads whose bytes are not in memory: they wait, and nobody else does.

use super::*;
use crate::store::Store;
use crate::store::memory::Warming;
use crate::wire::code::response;

impl Bench {
    /// The reads a driver would hand to its helper threads.
    fn reads(&mut self) -> Vec<Warming> {
        core::iter::from_fn(|| self.broker.poll_job()).collect()
    }

    fn finish(&mut self, job: Warming) {
        self.broker.job_done(self.now, MemoryStore::run(job));
        self.drain();
    }

    fn with_cold_messages() -> Self {
        let mut bench = Bench::new();
        for text in ["a", "b", "c"] {
            bench.put("T", 0, &format!("UNIQ_KEY\u{1}k{text}\u{2}"), text);
        }
        bench.broker.store.chill();
        bench
    }

    fn pull_later(&mut self, conn: u64, queue: i32, offset: i64) -> i32 {
        let fields = pull_fields("T", queue, offset, "*", 4 | 2 | 1, 15_000);
        let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.send_from(conn, command(request::PULL_MESSAGE, &fields, b""), false)
    }
}

#[test]
fn a_cold_pull_waits_for_its_bytes_and_others_do_not_wait_for_it() {
    let mut bench = Bench::with_cold_messages();
    let cold = bench.pull_later(2, 0, 1);
    assert!(bench.reply_to(cold).is_none());
    let jobs = bench.reads();
    assert_eq!(jobs.len(), 1);
    // meanwhile: a send, and a pull of what was just sent
    assert_eq!(bench.put("T", 1, "", "hot").code, response::SUCCESS);
    assert_eq!(bodies(&bench.pull("T", 1, 0, "*")), ["hot"]);
    assert!(bench.reads().is_empty(), "what was written lately costs no read");
    assert!(bench.reply_to(cold).is_none());

    bench.finish(jobs[0]);
    let reply = bench.reply_to(cold).expect("its bytes are there");
    assert_eq!(bodies(&reply), ["b", "c"]);
    assert_eq!((reply.code, text(&reply, "nextBeginOffset")), (response::SUCCESS, "3".into()));
    assert_eq!(bodies(&bench.pull("T", 0, 1, "*")), ["b", "c"], "now they are in memory");
    assert_eq!(bench.broker.cold.len(), 0);
}

#[test]
fn a_pull_held_for_a_message_does_not_read_before_it_comes() {
    let mut bench = Bench::with_cold_messages();
    let waiting = bench.pull_later(2, 0, 3);
    assert!(bench.reads().is_empty(), "there is nothing to read yet");
    bench.put("T", 0, "", "d");
    assert_eq!(bodies(&bench.reply_to(waiting).expect("woken")), ["d"]);
}

#[test]
fn a_read_error_is_an_answer() {
    let mut bench = Bench::with_cold_messages();
    let cold = bench.pull_later(2, 0, 0);
    let jobs = bench.reads();
    bench.finish(Warming { broken: true, ..jobs[0] });
    let reply = bench.reply_to(cold).expect("an answer");
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    assert_eq!(remark(&reply), "the messages cannot be read from the disk: the device cannot read");
}

#[test]
fn requests_of_a_connection_that_is_gone_are_forgotten() {
    let mut bench = Bench::with_cold_messages();
    bench.pull_later(2, 0, 0);
    let other = bench.pull_later(3, 0, 0);
    bench.send_from(2, command(request::VIEW_MESSAGE_BY_ID, &[("offset", "0")], b""), false);
    assert_eq!(bench.broker.cold.len(), 3);
    bench.handle(ServerIn::Closed(ConnId(2)));
    assert_eq!(bench.broker.cold.len(), 1);
    for job in bench.reads() {
        bench.finish(job);
    }
    assert_eq!(bodies(&bench.reply_to(other).expect("served")).len(), 3);
    assert!(bench.replies.is_empty(), "nothing for who is gone");
}

#[test]
fn an_end_of_the_broker_answers_who_waits() {
    let mut bench = Bench::with_cold_messages();
    let pull = bench.pull_later(2, 0, 1);
    let view = bench.send_from(2, command(request::VIEW_MESSAGE_BY_ID, &[("offset", "0")], b""), false);
    let jobs = bench.reads();
    bench.broker.shutdown(bench.now);
    bench.drain();
    let reply = bench.reply_to(pull).expect("an answer");
    assert_eq!((reply.code, text(&reply, "nextBeginOffset")), (response::PULL_RETRY_IMMEDIATELY, "1".into()));
    assert_eq!(text(&reply, "maxOffset"), "3");
    assert_eq!(bench.reply_to(view).expect("an answer").code, response::SYSTEM_ERROR);
    for job in jobs {
        bench.finish(job);
    }
    assert!(bench.replies.is_empty(), "one answer each");
    bench.pass(10_000);
    assert!(bench.broker.is_stopped());
}

#[test]
fn single_messages_and_searches_wait_as_well() {
    let mut bench = Bench::with_cold_messages();
    let range = [("topic", "T"), ("queueId", "0"), ("timestamp", "0")];
    let key = [
        ("topic", "T"),
        ("key", "kb"),
        ("maxNum", "8"),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9999999999999"),
    ];
    let view = bench.send_from(2, command(request::VIEW_MESSAGE_BY_ID, &[("offset", "0")], b""), false);
    let search = bench.send_from(2, command(request::SEARCH_OFFSET_BY_TIMESTAMP, &range, b""), false);
    let query = bench.send_from(2, command(request::QUERY_MESSAGE, &key, b""), false);
    assert!(bench.replies.is_empty());
    for job in bench.reads() {
        bench.finish(job);
    }
    assert_eq!(records(&bytes(&bench.reply_to(view).expect("found")))[0].body, b"a");
    assert_eq!(text(&bench.reply_to(search).expect("found"), "offset"), "0");
    assert_eq!(records(&bytes(&bench.reply_to(query).expect("found")))[0].body, b"b");
}

//! A replica fetches a log from its master, both as machines without a socket: `cargo bench -p sansmq-tests --bench ha`.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sansmq_core::ha::HaConfig;
use sansmq_core::ha::epoch::{EpochCache, EpochEntry};
use sansmq_core::ha::master::{Heard, Master, MasterProtocol, Source, View};
use sansmq_core::ha::slave::{Slave, SlaveOut, SlaveProtocol};
use sansmq_core::time::Now;

const LOG: usize = 32 << 20;
/// What a socket takes at once.
const ROOM: usize = 1 << 20;

struct Log(Bytes);

impl Source for Log {
    fn bounds(&self) -> (u64, u64) {
        (0, self.0.len() as u64)
    }

    fn last_file(&self) -> u64 {
        0
    }

    fn slice(&self, from: u64, max: usize) -> Option<Bytes> {
        let rest = self.0.slice_ref(self.0.get(from as usize..)?);
        (!rest.is_empty()).then(|| rest.slice(..rest.len().min(max)))
    }
}

/// The handshake, the whole log, and its acknowledgements; bytes received.
fn fetch(
    slave_protocol: SlaveProtocol,
    master_protocol: MasterProtocol,
    log: &Log,
    epochs: &EpochCache,
) -> u64 {
    let (now, config) = (Now::default(), HaConfig::default());
    let mut slave = Slave::new(slave_protocol, config, EpochCache::default(), 0, 0, now);
    let mut master = Master::new(master_protocol, config, now);
    let view = View { log, epochs, confirm: 0 };
    slave.set_address(now, Some("master:10912".to_owned()));
    slave.connected(now);
    let (mut end, mut acked) = (0, 0);
    while acked < log.0.len() as u64 {
        while let Some(out) = slave.poll() {
            match out {
                SlaveOut::Send(bytes) => {
                    let mut answer = None;
                    let heard = |heard| match heard {
                        Heard::Handshake(bytes) => answer = Some(bytes),
                        Heard::Acked(max) => acked = max,
                    };
                    master.received(now, &bytes, &view, heard).expect("a slave that keeps to the rules");
                    answer.iter().for_each(|bytes| slave.received(now, bytes));
                }
                SlaveOut::TruncateTo(_) => slave.truncated(now, Ok(0)),
                SlaveOut::SaveEpochs(_) => slave.epochs_saved(now, Ok(())),
                SlaveOut::Append { data, .. } => {
                    end += data.len() as u64;
                    slave.log(now, end, end);
                }
                SlaveOut::Dial(_) | SlaveOut::Confirm(_) => {}
                SlaveOut::Close => panic!("the slave gave up"),
            }
        }
        let mut room = ROOM;
        while let Some((head, body)) = master.pump(now, room, &view).expect("a master that goes on") {
            slave.received(now, &head);
            slave.received(now, &body);
            room = room.saturating_sub(head.len() + body.len());
            if room == 0 {
                break;
            }
        }
    }
    end
}

fn transfer(c: &mut Criterion) {
    let log = Log(Bytes::from(vec![b'x'; LOG]));
    let mut epochs = EpochCache::default();
    for epoch in 1..=4 {
        let start = (LOG as u64 / 4) * (epoch as u64 - 1);
        epochs.push(EpochEntry { epoch, start }).expect("epochs that grow");
    }
    let auto = SlaveProtocol::AutoSwitch { id: 2, from_last_file: false, async_learner: false };
    let mut group = c.benchmark_group("ha transfer");
    group.throughput(Throughput::Bytes(LOG as u64)).sample_size(10);
    let cases = [
        ("AutoSwitch", auto, MasterProtocol::AutoSwitch),
        ("classic", SlaveProtocol::Classic, MasterProtocol::Classic),
    ];
    for (name, slave, master) in cases {
        group
            .bench_function(name, |b| b.iter(|| assert_eq!(fetch(slave, master, &log, &epochs), LOG as u64)));
    }
    group.finish();
}

criterion_group!(benches, transfer);
criterion_main!(benches);

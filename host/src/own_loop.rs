//! A broker of a container on a loop of its own: a thread with a node, helper threads and sockets that nobody else has.
//!
//! It is assembled as the broker of a process is, and the frontend runs it with the function it runs a process with
//! ([`RunLoop`]). What it has to tell goes through the channel of helper threads of the container's loop, as theirs does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use sansmq_core::container::{BrokerFile, StartError};
use sansmq_core::node::{NodeConfig, Role};

use crate::workers::{Completion, Notify};
use crate::{Clock, HostError, Launch, Node, Site, assemble};

/// Binds a node's listeners, calls [`Launch::is_up`], and runs until the node has stopped.
pub type RunLoop = fn(Launch) -> Result<(), HostError>;

/// What a loop tells the container's.
#[derive(Clone, Debug)]
pub struct Upward {
    id: usize,
    notify: Notify,
    is_up: Arc<AtomicBool>,
}

impl Upward {
    /// The broker serves; `own` reaches its loop.
    pub fn is_up(&self, own: Notify) {
        self.is_up.store(true, Ordering::Release);
        self.notify.send(Completion::LoopUp { id: self.id, own });
    }

    /// A controller gave it an id.
    pub fn elected(&self, broker_id: i64) {
        self.notify.send(Completion::LoopElected { id: self.id, broker_id });
    }
}

/// What to run, and where.
pub struct Order {
    pub id: usize,
    pub file: Box<BrokerFile>,
    pub canonical: String,
    pub config: NodeConfig,
    pub clock: Clock,
    pub run: RunLoop,
}

/// Starts a loop. How it ends is told once its thread is gone, with all it had: a panic is an end like any other.
pub fn start(order: Order, notify: Notify) {
    let (id, failed) = (order.id, notify.clone());
    let is_up = Arc::<AtomicBool>::default();
    let keeper = Builder::new().name("keeper".to_owned()).spawn(move || {
        let upward = Upward { id, notify: notify.clone(), is_up: Arc::clone(&is_up) };
        let span = tracing::error_span!("broker", broker = order.canonical);
        let name = order.file.broker.broker_name.clone();
        let thread = Builder::new().name(format!("loop-{name}")).spawn(move || {
            let _marked = span.entered();
            run(order, upward)
        });
        let result = thread.map(std::thread::JoinHandle::join);
        let ended = is_up.load(Ordering::Acquire);
        notify.send(match result {
            Ok(Ok(Ok(()))) => Completion::LoopEnded { id, why: None },
            Ok(Ok(Err(error))) if ended => Completion::LoopEnded { id, why: Some(error.to_string()) },
            Ok(Err(_)) if ended => Completion::LoopEnded { id, why: Some("its thread panicked".to_owned()) },
            Ok(Ok(Err(error))) => Completion::LoopFailed { id, error: as_start_error(&error) },
            Ok(Err(_)) => {
                Completion::LoopFailed { id, error: StartError::Open("its thread panicked".to_owned()) }
            }
            Err(error) => Completion::LoopFailed { id, error: no_thread(&error) },
        });
    });
    if let Err(error) = keeper {
        failed.send(Completion::LoopFailed { id, error: no_thread(&error) });
    }
}

fn no_thread(error: &std::io::Error) -> StartError {
    StartError::Open(format!("no thread can be started for it: {error}"))
}

fn as_start_error(error: &HostError) -> StartError {
    match error {
        HostError::Listen { .. } => StartError::Listen(error.to_string()),
        other => StartError::Open(other.to_string()),
    }
}

/// On the loop's thread.
fn run(order: Order, upward: Upward) -> Result<(), HostError> {
    let Order { file, canonical, config, clock, run, .. } = order;
    let now = clock.now();
    let mut node = Node::new(config, now);
    let opened = assemble::open_broker(&Site::here(), (*file).into(), canonical, now)?;
    let role = assemble::add_opened(&mut node, opened, now)?;
    if let Some(Role::Broker(broker)) = node.roles().get(role)
        && broker.replicas().is_some()
    {
        node.watch_elections(role);
    }
    run(Launch::of_loop(node, clock, upward))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sansmq_core::config::{
        BrokerContainerConfig, NettyClientConfig, NettyServerConfig, Properties, Surroundings,
    };
    use sansmq_core::container::ContainerSettings;

    use super::*;
    use crate::Workers;

    fn settings() -> ContainerSettings {
        ContainerSettings {
            container: BrokerContainerConfig::default(),
            extensions: Default::default(),
            server: NettyServerConfig::default(),
            client: NettyClientConfig::default(),
            file: Properties::default(),
            path: None,
            serialize_type: "JSON".into(),
            version: Default::default(),
        }
    }

    /// Starts a loop whose broker has its store here; what it tells until its thread is gone.
    fn told(root: &str, run: RunLoop) -> Vec<String> {
        let text = format!("storePathRootDir={root}\nbrokerIP1=127.0.0.1\nmappedFileSizeCommitLog=1048576\n");
        let file =
            BrokerFile::parse(&text, "a.conf", &settings(), &Surroundings::default()).expect("it is right");
        let (notify, completions) = Notify::new(Arc::new(|| ()));
        let order = Order {
            id: 7,
            file: Box::new(file),
            canonical: "c_a_0".into(),
            config: NodeConfig::default(),
            clock: Clock::default(),
            run,
        };
        start(order, notify);
        let mut told = Vec::new();
        // Its senders are gone after the last one.
        while let Ok(completion) = completions.recv_timeout(Duration::from_secs(30)) {
            told.push(match completion {
                Completion::LoopUp { id: 7, .. } => "up".to_owned(),
                Completion::LoopEnded { id: 7, why } => format!("ended {why:?}"),
                Completion::LoopFailed { id: 7, error } => format!("failed {error:?}"),
                other => format!("{other:?}"),
            });
        }
        told
    }

    fn up(launch: &mut Launch, run: RunLoop) -> Workers {
        let workers = Workers::start(Arc::new(|| ()), launch, run).expect("threads can be started");
        launch.is_up(workers.notify()).expect("it tells the container's loop");
        workers
    }

    fn panics(mut launch: Launch) -> Result<(), HostError> {
        let _workers = up(&mut launch, panics);
        panic!("as a test");
    }

    fn panics_early(_: Launch) -> Result<(), HostError> {
        panic!("as a test");
    }

    fn ends(mut launch: Launch) -> Result<(), HostError> {
        drop(up(&mut launch, ends));
        Ok(())
    }

    fn cannot_listen(launch: Launch) -> Result<(), HostError> {
        let source = std::io::ErrorKind::AddrInUse.into();
        Err(HostError::Listen { addr: launch.node.listeners()[0].bind.clone(), source })
    }

    #[test]
    fn an_end_is_told_whatever_it_was_and_leaves_the_store_to_the_next() {
        let folder = std::env::temp_dir().join(format!("sansmq-own-loop-{}", std::process::id()));
        let root = folder.to_string_lossy().into_owned();
        assert_eq!(told(&root, panics), ["up", "ended Some(\"its thread panicked\")"]);
        assert_eq!(told(&root, panics_early), ["failed Open(\"its thread panicked\")"]);
        let why = "failed Listen(\"cannot listen on 0.0.0.0:6888: address in use\")";
        assert_eq!(told(&root, cannot_listen), [why]);
        assert_eq!(told(&root, ends), ["up", "ended None"]);
        let [failed] = &told("/proc/none", ends)[..] else { panic!("one word") };
        assert!(failed.starts_with("failed Open("), "{failed}");
        std::fs::remove_dir_all(folder).expect("the temporary folder is writable");
    }
}

//! From the command line to a node that is ready to listen.

use sansmq_core::config::Surroundings;
use sansmq_store::RaftDisk;
use tracing_appender::non_blocking::WorkerGuard;

use crate::args::{Args, Asked, Mode, Print, parse};
use crate::assemble::{self, BrokerSetup, NamesrvSetup};
use crate::controller::{ControllerSetup, add_controller};
use crate::error::HostError;
use crate::own_loop::Upward;
use crate::workers::Notify;
use crate::{Clock, Node, Site, container, limits, logging, signals, surroundings};

/// A node about to listen.
pub struct Launch {
    pub node: Node,
    pub clock: Clock,
    /// Lines for stdout once every listener is bound.
    pub boot_lines: Vec<String>,
    /// Of the controller, for the helper threads.
    pub raft: Option<RaftDisk>,
    /// The container's loop, for one that was started by it.
    pub upward: Option<Upward>,
    _log: Option<WorkerGuard>,
}

impl Launch {
    /// A node that runs on a thread beside the container's.
    pub(crate) fn of_loop(node: Node, clock: Clock, upward: Upward) -> Self {
        Launch { node, clock, boot_lines: Vec::new(), raft: None, upward: Some(upward), _log: None }
    }

    /// Every listener is bound, and `notify` reaches the loop: a process says its boot lines and minds signals from now on.
    ///
    /// # Errors
    /// The handler of signals cannot be installed.
    pub fn is_up(&self, notify: Notify) -> Result<(), HostError> {
        if let Some(upward) = &self.upward {
            upward.is_up(notify);
            return Ok(());
        }
        signals::listen(notify)
            .map_err(|source| HostError::Io { action: "listen for signals".to_owned(), source })?;
        for line in &self.boot_lines {
            println!("{line}");
            tracing::info!("{line}");
        }
        Ok(())
    }

    /// What the process ends with once its node has stopped.
    ///
    /// # Errors
    /// The node stopped because something it was started for does not work.
    pub fn outcome(node: &Node) -> Result<(), HostError> {
        match node.failure() {
            None => Ok(()),
            Some((status, why)) => Err(HostError::Ended { status, why: why.to_owned() }),
        }
    }
}

/// Items that `-m` prints: those that decide what the broker is.
const IMPORTANT: [&str; 22] = [
    "namesrvAddr",
    "brokerIP1",
    "brokerName",
    "brokerClusterName",
    "brokerId",
    "autoCreateTopicEnable",
    "autoCreateSubscriptionGroup",
    "msgTraceTopicName",
    "traceTopicEnable",
    "rejectTransactionMessage",
    "fetchNameSrvAddrByDnsLookup",
    "fetchNamesrvAddrByAddressServer",
    "transactionTimeOut",
    "transactionCheckMax",
    "transactionCheckInterval",
    "aclEnable",
    "storePathRootDir",
    "storePathCommitLog",
    "deleteWhen",
    "fileReservedTime",
    "flushDiskType",
    "brokerRole",
];

/// Acts on the command line. `None` when all that was asked for has been printed.
///
/// # Errors
/// Everything that keeps the process from starting.
pub fn launch(argv: impl IntoIterator<Item = String>) -> Result<Option<Launch>, HostError> {
    let args = match parse(argv)? {
        Asked::Help(text) => {
            println!("{text}");
            return Ok(None);
        }
        Asked::Run(args) => args,
    };
    let mut host = surroundings::look();
    if let Some(addrs) = &args.name_servers {
        host.namesrv_addr = Some(addrs.clone());
    }
    match args.mode {
        Mode::Namesrv => namesrv(&args, &host),
        Mode::Broker => broker(&args, &host),
        Mode::Standalone => standalone(&args, &host),
        Mode::Controller => controller(&args, &host),
        Mode::Container => container(&args, &host),
    }
}

/// Ends the process as the reference does when it cannot start.
pub fn fail(error: &HostError) -> ! {
    eprintln!("{error}");
    if let HostError::Usage { usage, .. } = error {
        println!("{usage}");
    }
    std::process::exit(error.exit_code())
}

fn namesrv(args: &Args, host: &Surroundings) -> Result<Option<Launch>, HostError> {
    let host = &at_data(args, host);
    let setup = NamesrvSetup::load(host, args.config_file.as_deref())?;
    let controller = match setup.config.enable_controller_in_namesrv {
        true => Some(ControllerSetup::load(host, args.config_file.as_deref())?),
        false => None,
    };
    if args.print.is_some() {
        print_items(&setup.entries(), None);
        print_items(&controller.map(|controller| controller.own_entries()).unwrap_or_default(), None);
        return Ok(None);
    }
    let mut launch = begin(args, host, "namesrv", &setup.server)?;
    let now = launch.clock.now();
    let bind = assemble::add_namesrv(&mut launch.node, &Site::here(), setup, now)?;
    launch.boot_lines.extend(loaded(args));
    launch.boot_lines.push(namesrv_line(&bind));
    if let Some(controller) = controller {
        launch.raft = Some(add_controller(&mut launch.node, &Site::here(), controller, now)?);
        launch.boot_lines.push(controller_line("ControllerManager"));
    }
    Ok(Some(launch))
}

/// A controller in a process of its own.
fn controller(args: &Args, host: &Surroundings) -> Result<Option<Launch>, HostError> {
    let host = &at_data(args, host);
    let setup = ControllerSetup::load(host, args.config_file.as_deref())?;
    if args.print.is_some() {
        print_items(&setup.entries(), None);
        return Ok(None);
    }
    let mut launch = begin(args, host, "controller", &setup.server)?;
    let now = launch.clock.now();
    launch.raft = Some(add_controller(&mut launch.node, &Site::here(), setup, now)?);
    launch.boot_lines.extend(loaded(args));
    launch.boot_lines.push(controller_line("Controller Server"));
    Ok(Some(launch))
}

/// This host with `--data` as the home of all data.
fn at_data(args: &Args, host: &Surroundings) -> Surroundings {
    let mut host = host.clone();
    if let Some(data) = &args.data {
        host.user_home.clone_from(data);
    }
    host
}

fn broker(args: &Args, host: &Surroundings) -> Result<Option<Launch>, HostError> {
    let setup = broker_setup(args, host)?;
    if let Some(print) = args.print {
        print_items(&setup.entries(), (print == Print::ImportantItems).then_some(&IMPORTANT));
        return Ok(None);
    }
    let mut launch = begin(args, host, "broker", &setup.server)?;
    let now = launch.clock.now();
    let settings = assemble::add_broker(&mut launch.node, &Site::here(), setup, now)?;
    launch.boot_lines.extend(loaded(args));
    launch.boot_lines.push(broker_line(&settings));
    Ok(Some(launch))
}

/// A container; its brokers come up once it listens, one after the other.
fn container(args: &Args, host: &Surroundings) -> Result<Option<Launch>, HostError> {
    let mut host = host.clone();
    if let Some(data) = &args.data {
        host.user_home.clone_from(data);
    }
    let names = args.name_servers.as_deref();
    let settings = container::load(&host, args.config_file.as_deref(), names, serialize_type())?;
    if args.print.is_some() {
        // All of its few keys are important.
        print_items(&container::entries(&settings), None);
        return Ok(None);
    }
    let mut launch = begin(args, &host, "broker", &settings.server)?;
    let servers = settings.container.namesrv_addr.as_deref().unwrap_or("");
    let tail = if servers.is_empty() { String::new() } else { format!(" and name server is {servers}") };
    launch
        .boot_lines
        .push(format!("The broker container boot success. serializeType={}{tail}", serialize_type()));
    let paths = container::broker_paths(&settings, args.broker_files.as_deref());
    container::add(&mut launch.node, settings, host, paths);
    Ok(Some(launch))
}

fn broker_setup(args: &Args, host: &Surroundings) -> Result<BrokerSetup, HostError> {
    let mut setup = BrokerSetup::load(&at_data(args, host), args.config_file.as_deref())?;
    if args.name_servers.is_some() {
        setup.config.namesrv_addr.clone_from(&args.name_servers);
    }
    Ok(setup)
}

/// Both roles in one process, on defaults made for trying it out.
fn standalone(args: &Args, host: &Surroundings) -> Result<Option<Launch>, HostError> {
    let data = args.data.clone().unwrap_or_else(|| "./data".to_owned());
    let host = Surroundings {
        user_home: data.clone(),
        local_ip: "127.0.0.1".to_owned(),
        host_name: "broker-a".to_owned(),
        ..host.clone()
    };
    let args = &Args { data: Some(data.clone()), ..args.clone() };
    let namesrv = NamesrvSetup::load(&host, None)?;
    let mut broker = broker_setup(args, &host)?;
    let namesrv_addr = format!("127.0.0.1:{}", namesrv.server.listen_port);
    if broker.config.namesrv_addr.is_none() {
        broker.config.namesrv_addr = Some(namesrv_addr.clone());
    }
    if let Some(print) = args.print {
        print_items(&broker.entries(), (print == Print::ImportantItems).then_some(&IMPORTANT));
        return Ok(None);
    }
    let mut launch = begin(args, &host, "sansmq", &namesrv.server)?;
    let now = launch.clock.now();
    let site = Site::here();
    let bind = assemble::add_namesrv(&mut launch.node, &site, namesrv, now)?;
    let settings = assemble::add_broker(&mut launch.node, &site, broker, now)?;
    launch.boot_lines.extend(loaded(args));
    launch.boot_lines.push(namesrv_line(&bind));
    launch.boot_lines.push(broker_line(&settings));
    launch.boot_lines.push(format!(
        "\nData is kept in {data}. Point a client's NameServer address at {namesrv_addr}, or try:\n\
         \x20 mqadmin clusterList -n {namesrv_addr}\n\
         \x20 mqadmin sendMessage -n {namesrv_addr} -t TopicTest -p \"Hello RocketMQ\"\n\
         \x20 mqadmin consumeMessage -n {namesrv_addr} -t TopicTest\n\
         Stop with Ctrl-C."
    ));
    Ok(Some(launch))
}

fn begin(
    args: &Args,
    host: &Surroundings,
    name: &str,
    server: &sansmq_core::config::NettyServerConfig,
) -> Result<Launch, HostError> {
    limits::raise_open_files();
    let default_dir = match &args.data {
        Some(data) => format!("{data}/logs"),
        None => format!("{}/logs/rocketmqlogs", host.user_home),
    };
    let log = logging::start(args.log_dir.as_deref().unwrap_or(&default_dir), name)?;
    let clock = Clock::default();
    let node = Node::new(assemble::node_config(server)?, clock.now());
    Ok(Launch { node, clock, boot_lines: Vec::new(), raft: None, upward: None, _log: Some(log) })
}

fn loaded(args: &Args) -> Option<String> {
    args.config_file.as_ref().map(|path| format!("load config properties file OK, {path}"))
}

fn serialize_type() -> String {
    std::env::var("ROCKETMQ_SERIALIZE_TYPE").unwrap_or_else(|_| "JSON".to_owned())
}

fn namesrv_line(bind: &str) -> String {
    format!("The Name Server boot success. serializeType={}, address {bind}", serialize_type())
}

fn controller_line(what: &str) -> String {
    format!("The {what} boot success. serializeType={}", serialize_type())
}

fn broker_line(settings: &sansmq_core::broker::settings::Settings) -> String {
    let servers = settings.broker.namesrv_addr.as_deref().unwrap_or("");
    let tail = if servers.is_empty() { String::new() } else { format!(" and name server is {servers}") };
    format!(
        "The broker[{}, {}] boot success. serializeType={}{tail}",
        settings.broker.broker_name,
        settings.address(),
        serialize_type()
    )
}

fn print_items(entries: &[(&'static str, String)], only: Option<&[&str]>) {
    for (key, value) in entries.iter().filter(|(key, _)| only.is_none_or(|only| only.contains(key))) {
        println!("{key}={value}");
    }
}

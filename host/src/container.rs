//! The settings of a broker container process, and the container in its node.

use sansmq_core::body::DataVersion;
use sansmq_core::config::{
    BrokerContainerConfig, ContainerExtensions, NettyClientConfig, NettyServerConfig, Properties, Settings,
    Surroundings,
};
use sansmq_core::container::{Container, ContainerSettings};
use sansmq_core::node::{Listener, Role};

use crate::error::HostError;
use crate::{Node, load};

/// The port of a container whose file names none.
const DEFAULT_PORT: i32 = 10_811;
/// Socket buffers, as the reference presets them for a container.
const SOCKET_BUFFER: i32 = 131_072;

/// Reads the container's file, the command line taken into account.
///
/// # Errors
/// There is no file, or it cannot be read or has mistakes.
pub fn load(
    host: &Surroundings,
    path: Option<&str>,
    name_servers: Option<&str>,
    serialize_type: String,
) -> Result<ContainerSettings, HostError> {
    let mut settings = ContainerSettings {
        container: BrokerContainerConfig::for_host(host),
        extensions: ContainerExtensions::default(),
        server: NettyServerConfig {
            listen_port: DEFAULT_PORT,
            server_socket_snd_buf_size: SOCKET_BUFFER,
            server_socket_rcv_buf_size: SOCKET_BUFFER,
            ..NettyServerConfig::default()
        },
        client: NettyClientConfig {
            client_socket_snd_buf_size: SOCKET_BUFFER,
            client_socket_rcv_buf_size: SOCKET_BUFFER,
            ..NettyClientConfig::default()
        },
        file: Properties::default(),
        path: path.map(str::to_owned),
        serialize_type,
        version: DataVersion::default(),
    };
    let Some(path) = path else {
        return Err(HostError::NotServed(
            "a container needs its configuration file: mqbrokercontainer -c FILE".to_owned(),
        ));
    };
    settings.file = load::properties(path)?;
    let ContainerSettings { container, extensions, server, client, file, .. } = &mut settings;
    load::apply(&mut [container, extensions, server, client], file, path)?;
    if let Some(addrs) = name_servers {
        container.namesrv_addr = Some(addrs.to_owned());
    }
    load::check_name_servers(container.namesrv_addr.as_deref())?;
    if container.fetch_namesrv_addr_by_address_server && container.namesrv_addr.is_none() {
        // Nobody would ever find these brokers.
        return Err(HostError::Value {
            key: "fetchNamesrvAddrByAddressServer",
            value: "true".to_owned(),
            why: "is not served; expected false, and the NameServers in namesrvAddr".to_owned(),
        });
    }
    let port = server.listen_port;
    if port < 3 {
        return Err(HostError::Value {
            key: "listenPort",
            value: port.to_string(),
            why: "leaves no room for the second port, two below it; expected 3 to 65535".to_owned(),
        });
    }
    Ok(settings)
}

/// All keys and values, as `-p` prints them.
#[must_use]
pub fn entries(settings: &ContainerSettings) -> Vec<(&'static str, String)> {
    let all =
        [&settings.container as &dyn Settings, &settings.server, &settings.client, &settings.extensions];
    all.map(Settings::entries).concat()
}

/// The files of the brokers to begin with: those of `-b`, or of `brokerConfigPaths`; `:` stands between them.
#[must_use]
pub fn broker_paths(settings: &ContainerSettings, option: Option<&str>) -> Vec<String> {
    let text = option.or(settings.container.broker_config_paths.as_deref()).unwrap_or("");
    text.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Adds a container to a node: its port and the one two below.
pub fn add(node: &mut Node, settings: ContainerSettings, host: Surroundings, paths: Vec<String>) {
    let (ip, port) = (settings.server.bind_address.clone(), settings.server.listen_port);
    let machine = Container::new(settings, host, paths);
    let role = node.add_role(Role::Container(Box::new(machine)));
    for port in [port, port - 2] {
        node.listen(Listener { bind: format!("{ip}:{port}"), role, fast_port: false });
    }
}

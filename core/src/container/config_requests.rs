//! GET_BROKER_CONFIG (26) and UPDATE_BROKER_CONFIG (25) of the container itself.

use super::Container;
use crate::body::DataVersion;
use crate::config::{
    BLACK_LISTED, BrokerContainerConfig, ContainerExtensions, NettyClientConfig, NettyServerConfig,
    Properties, Refusal, Settings as _, plain_text, update,
};
use crate::json::{self, Style};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{Ext, Frame, Reply, ReplyTo, ServerOut};

/// Keys that never change, whatever `configBlackList` says.
const FIXED: &str = "brokerConfigPaths;rocketmqHome;configBlackList";

/// Everything a container is configured with.
#[derive(Clone, Debug)]
pub struct ContainerSettings {
    pub container: BrokerContainerConfig,
    pub extensions: ContainerExtensions,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    /// The whole `-c` file, also what of it is nobody's.
    pub file: Properties,
    /// The `-c` file, which run-time changes are written to.
    pub path: Option<String>,
    /// The name of the encoding, for the lines of the start.
    pub serialize_type: String,
    pub version: DataVersion,
}

impl ContainerSettings {
    /// All keys, each once; those of the settings objects win over the file's.
    fn text(&self) -> String {
        let own = [self.container.entries(), self.server.entries(), self.client.entries()].concat();
        let file = self.file.iter().map(|p| (p.key.as_str(), p.value.as_str()));
        plain_text(file.chain(own.iter().map(|(key, value)| (*key, value.as_str()))))
    }

    pub(super) fn shown(&self) -> Reply {
        let version = json::to_vec(&self.version, Style::Fastjson);
        Reply::success()
            .with_ext(Ext::new().with("version", String::from_utf8(version).unwrap_or_default()))
            .with_body(self.text().into_bytes())
    }

    fn change(&mut self, wall_ms: i64, changes: &Properties) -> Result<Vec<String>, Refusal> {
        let black_list = format!("{};{FIXED}", self.container.config_black_list);
        let ContainerSettings { container, extensions, server, client, .. } = self;
        let set = update(&mut [container, extensions, server, client], changes, &black_list)?;
        self.version.bump(wall_ms, 0);
        Ok(set)
    }
}

impl Container {
    pub(super) fn update_config(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let Ok(text) = core::str::from_utf8(frame.body()) else {
            return Some(Reply::error(response::SYSTEM_ERROR, "the body is not UTF-8 text"));
        };
        let changes = Properties::parse(text);
        if changes.is_empty() {
            return Some(Reply::success());
        }
        match self.settings.change(now.wall_ms, &changes) {
            Ok(set) => tracing::info!(?set, "updateBrokerConfig of the container"),
            Err(Refusal::Key(key)) => {
                tracing::warn!(key, "a change of this key was refused");
                return Some(Reply::error(response::NO_PERMISSION, BLACK_LISTED));
            }
            Err(refusal) => return Some(Reply::error(response::INVALID_PARAMETER, refusal.to_string())),
        }
        let Some(path) = self.settings.path.clone() else {
            return Some(Reply::success());
        };
        self.next_token += 1;
        self.saving.insert(self.next_token, to);
        let data = self.settings.text().into_bytes().into();
        self.out.push_back(ServerOut::Save { token: self.next_token, path, data });
        None
    }

    pub(super) fn saved(&mut self, token: u64, result: Result<(), String>) {
        let Some(to) = self.saving.remove(&token) else {
            return;
        };
        let reply = match result {
            Ok(()) => Reply::success(),
            Err(why) => {
                tracing::error!(why, "the container's configuration could not be written");
                Reply::error(response::SYSTEM_ERROR, format!("the change could not be stored: {why}"))
            }
        };
        self.reply(to, reply);
    }
}

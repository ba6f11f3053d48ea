//! UPDATE_CONTROLLER_CONFIG and GET_CONTROLLER_CONFIG.

use super::machine::Controller;
use crate::config::{
    BLACK_LISTED, ControllerConfig, NettyServerConfig, Properties, Refusal, Settings, plain_text, update,
};
use crate::wire::code::response;
use crate::wire::{Reply, ServerOut};

/// What stands in for a secret when settings are shown.
const MASK: &str = "******";

/// The settings of a controller, with the keys of its file that are nobody's or somebody else's.
#[derive(Clone, Debug, Default)]
pub(super) struct AllSettings {
    pub controller: ControllerConfig,
    pub server: NettyServerConfig,
    pub file: Properties,
}

impl AllSettings {
    fn text<'a>(&'a self, shown: impl Fn(&'a str, &'a str) -> &'a str) -> String {
        let own: Vec<(&str, String)> =
            self.controller.entries().into_iter().chain(self.server.entries()).collect();
        let file = self.file.iter().map(|p| (p.key.as_str(), shown(&p.key, &p.value)));
        plain_text(file.chain(own.iter().map(|(key, value)| (*key, value.as_str()))))
    }

    /// Every key, as answered to operators: sorted, secrets masked.
    pub fn shown(&self) -> String {
        self.text(|key, value| if is_secret(key) { MASK } else { value })
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    ["password", "secret", "credential", "initauthenticationuser"].iter().any(|part| lower.contains(part))
}

impl Controller {
    /// Applies a change sent by an operator, all or nothing.
    pub(super) fn update_config(&mut self, body: &[u8]) -> Reply {
        if body.is_empty() {
            return Reply::success();
        }
        let AllSettings { controller, server, .. } = &mut self.settings;
        let black_list = controller.config_black_list.clone();
        let changes = Properties::parse(&String::from_utf8_lossy(body));
        match update(&mut [controller, server], &changes, &black_list) {
            Ok(set) => {
                tracing::info!("update controller config, keys {set:?}");
                let token = self.token();
                let path = self.settings.controller.config_store_path.clone();
                let data = self.settings.text(|_, value| value).into();
                self.push(ServerOut::Save { token, path, data });
                Reply::success()
            }
            Err(Refusal::Key(_)) => Reply::error(response::NO_PERMISSION, BLACK_LISTED),
            Err(refusal) => Reply::error(response::SYSTEM_ERROR, refusal.to_string()),
        }
    }
}

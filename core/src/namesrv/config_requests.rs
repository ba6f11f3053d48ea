//! UPDATE_NAMESRV_CONFIG and GET_NAMESRV_CONFIG.

use crate::config::{NamesrvConfig, NettyServerConfig, Properties, Refusal, Settings, plain_text, update};

/// What stands in for a secret when settings are shown.
const MASK: &str = "******";

/// The settings of a NameServer, with the keys of its file that are nobody's or somebody else's.
#[derive(Clone, Debug, Default)]
pub(super) struct AllSettings {
    pub namesrv: NamesrvConfig,
    pub server: NettyServerConfig,
    pub file: Properties,
}

impl AllSettings {
    /// Applies a change sent by an operator, all or nothing.
    pub(super) fn update(&mut self, body: &str) -> Result<Vec<String>, Refusal> {
        let black_list = self.namesrv.config_black_list.clone();
        let AllSettings { namesrv, server, .. } = self;
        update(&mut [namesrv, server], &Properties::parse(body), &black_list)
    }

    /// Every key, as answered to operators: sorted, secrets masked.
    pub(super) fn shown(&self) -> String {
        self.text(|key, value| if is_secret(key) { MASK } else { value })
    }

    /// Every key, as stored.
    pub(super) fn stored(&self) -> String {
        self.text(|_, value| value)
    }

    fn text<'a>(&'a self, shown: impl Fn(&'a str, &'a str) -> &'a str) -> String {
        let own: Vec<(&str, String)> =
            self.namesrv.entries().into_iter().chain(self.server.entries()).collect();
        let file = self.file.iter().map(|p| (p.key.as_str(), shown(&p.key, &p.value)));
        plain_text(file.chain(own.iter().map(|(key, value)| (*key, value.as_str()))))
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    ["password", "secret", "credential", "initauthenticationuser"].iter().any(|part| lower.contains(part))
}

//! UPDATE_BROKER_CONFIG (25) and GET_BROKER_CONFIG (26).

use super::Broker;
use super::persist::File;
use crate::config::{BLACK_LISTED, Properties, Refusal, plain_text};
use crate::json::{self, Style};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{Ext, Frame, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(super) fn broker_config(&self) -> Reply {
        let entries = self.settings.sorted_entries();
        let text = plain_text(entries.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let version = json::to_vec(&self.settings.version, Style::Fastjson);
        Reply::success()
            .with_ext(Ext::new().with("version", String::from_utf8(version).unwrap_or_default()))
            .with_body(text.into_bytes())
    }

    pub(super) fn update_broker_config(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let Ok(text) = core::str::from_utf8(frame.body()) else {
            return Some(Reply::error(response::SYSTEM_ERROR, "the body is not UTF-8 text"));
        };
        let changes = Properties::parse(text);
        if changes.is_empty() {
            return Some(Reply::success());
        }
        match self.settings.update(now.wall_ms, &changes) {
            Ok(set) => {
                tracing::info!(?set, "updateBrokerConfig");
                if set.iter().any(|key| key == "brokerPermission") {
                    self.topics.touch(now.wall_ms);
                    self.persist.mark(File::Topics);
                    self.registration.request(now);
                }
                let save = self.persist.mark(File::Config);
                self.waiting.until_saved(save, to, Reply::success());
                None
            }
            Err(Refusal::Key(key)) => {
                tracing::warn!(key, "a change of this key was refused");
                Some(Reply::error(response::NO_PERMISSION, BLACK_LISTED))
            }
            Err(refusal) => Some(Reply::error(response::INVALID_PARAMETER, refusal.to_string())),
        }
    }
}

//! Creating, changing, listing and deleting subscription groups.

use super::Broker;
use super::dispatch::{bad_body, body};
use super::persist::File;
use crate::body::SubscriptionGroupConfig;
use crate::json::{self, FromJson, Json};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::admin::{DeleteSubscriptionGroup, Group, UpdateGroupForbidden};
use crate::wire::{Frame, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(super) fn create_group(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        match json::from_slice::<SubscriptionGroupConfig>(frame.body()) {
            Ok(group) => self.store_groups(now, to, vec![group]),
            Err(error) => Some(bad_body("the subscription group", &error)),
        }
    }

    pub(super) fn create_groups(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let list = match json::parse(frame.body()) {
            Ok(list) => list,
            Err(error) => return Some(bad_body("the group list", &error)),
        };
        let items = list.get("groupConfigList").and_then(Json::as_array).unwrap_or_default();
        let groups: Result<Vec<_>, _> = items.iter().map(SubscriptionGroupConfig::from_json).collect();
        match groups {
            Ok(groups) => self.store_groups(now, to, groups),
            Err(error) => Some(bad_body("a group of the list", &error)),
        }
    }

    fn store_groups(&mut self, now: Now, to: ReplyTo, groups: Vec<SubscriptionGroupConfig>) -> Option<Reply> {
        if groups.iter().any(|group| group.group_name.trim().is_empty()) {
            return Some(Reply::error(response::INVALID_PARAMETER, "groupName is blank"));
        }
        for mut group in groups {
            let attributes = group.attributes.into_iter();
            group.attributes = attributes.map(|(k, v)| (k.trim_start_matches('+').to_owned(), v)).collect();
            self.groups.put(now.wall_ms, group);
        }
        let save = self.persist.mark(File::Groups);
        self.waiting.until_saved(save, to, Reply::success());
        None
    }

    pub(super) fn delete_group(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let header = DeleteSubscriptionGroup::parse(frame);
        let group = header.group_name.unwrap_or("");
        self.groups.remove(now.wall_ms, group);
        if header.clean_offset {
            self.offsets.forget_group(group);
            self.persist.mark(File::Offsets);
        }
        let save = self.persist.mark(File::Groups);
        self.waiting.until_saved(save, to, Reply::success());
        None
    }

    pub(super) fn all_groups(&self) -> Reply {
        Reply::success().with_body(body(self.groups.table()))
    }

    pub(super) fn group_config(&self, frame: &Frame<'_>) -> Reply {
        match self.groups.get(Group::parse(frame).group.unwrap_or("")) {
            Some(group) => Reply::success().with_body(body(group)),
            None => Reply::error(response::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker"),
        }
    }

    pub(super) fn group_forbidden(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let header = UpdateGroupForbidden::parse(frame);
        let (group, topic) = (header.group.unwrap_or(""), header.topic.unwrap_or(""));
        let readable = self.groups.set_readable(now.wall_ms, group, topic, header.readable);
        if header.readable.is_some() {
            self.persist.mark(File::Groups);
        }
        let json = Json::object([
            ("group", Json::Str(group.to_owned())),
            ("readable", Json::Bool(readable)),
            ("topic", Json::Str(topic.to_owned())),
        ]);
        Reply::success().with_remark("").with_body(body(&json))
    }
}

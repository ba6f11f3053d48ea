//! All consume queues: `consumequeue/<topic>/<queueId>/` (`spec/store.md` sections 1 and 4).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sansmq_core::message::light;

use crate::consume_queue::ConsumeQueue;
use crate::disk::DiskRef;
use crate::error::StoreError;
use crate::mapped::DirtyRange;
use crate::segments;

#[derive(Debug)]
pub(crate) struct Queues {
    disk: DiskRef,
    dir: PathBuf,
    file_size: u64,
    /// In order, so that the same history touches files in the same order.
    topics: BTreeMap<Box<str>, BTreeMap<i32, ConsumeQueue>>,
    /// How many of them are light.
    light: usize,
    /// A topic directory was created since the last flush.
    created: bool,
    /// Files had to be removed while loading; entries of durable records may have been among them.
    pub lost_files: bool,
}

impl Queues {
    /// Loads all queues; `repair` as for [`ConsumeQueue::load`].
    pub(crate) fn load(
        disk: &DiskRef,
        dir: PathBuf,
        file_size: u64,
        repair: bool,
    ) -> Result<Self, StoreError> {
        let (mut lost_files, mut light) = (false, 0);
        let mut topics = BTreeMap::new();
        for topic_dir in segments::directories(&**disk, &dir)? {
            let Some(topic) = topic_dir.file_name().and_then(|name| name.to_str()) else {
                tracing::warn!(path = %topic_dir.display(), "not a topic name, ignored");
                continue;
            };
            let mut queues = BTreeMap::new();
            for queue_dir in segments::directories(&**disk, &topic_dir)? {
                match queue_dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())
                {
                    Some(id) => {
                        let (queue, lost) = ConsumeQueue::load(disk.clone(), queue_dir, file_size, repair)?;
                        lost_files |= lost;
                        queues.insert(id, queue);
                    }
                    None => tracing::warn!(path = %queue_dir.display(), "not a queue number, ignored"),
                }
            }
            light += usize::from(light::is_light(topic));
            topics.insert(topic.into(), queues);
        }
        Ok(Queues { disk: disk.clone(), dir, file_size, topics, light, created: false, lost_files })
    }

    pub(crate) fn get(&self, topic: &str, queue_id: i32) -> Option<&ConsumeQueue> {
        self.topics.get(topic)?.get(&queue_id)
    }

    pub(crate) fn get_mut(&mut self, topic: &str, queue_id: i32) -> Option<&mut ConsumeQueue> {
        self.topics.get_mut(topic)?.get_mut(&queue_id)
    }

    /// The queue, created if need be; allocates only then. Never `None`: the option merely saves a panic.
    pub(crate) fn get_or_create(&mut self, topic: &str, queue_id: i32) -> Option<&mut ConsumeQueue> {
        if self.get(topic, queue_id).is_none() {
            if !self.topics.contains_key(topic) {
                self.created = true;
                self.light += usize::from(light::is_light(topic));
            }
            let dir = self.dir.join(topic).join(queue_id.to_string());
            let queues = self.topics.entry(topic.into()).or_default();
            queues.insert(queue_id, ConsumeQueue::new(self.disk.clone(), dir, self.file_size));
        }
        self.get_mut(topic, queue_id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32, &ConsumeQueue)> {
        self.topics.iter().flat_map(|(topic, queues)| queues.iter().map(move |(id, q)| (&**topic, *id, q)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, i32, &mut ConsumeQueue)> {
        self.topics.iter_mut().flat_map(|(topic, queues)| {
            let topic = &**topic;
            queues.iter_mut().map(move |(id, q)| (topic, *id, q))
        })
    }

    /// Largest log offset any queue has an entry up to; `None` when no queue has one.
    pub(crate) fn log_end(&self) -> Option<u64> {
        self.iter().map(|(_, _, q)| q.log_end()).max().filter(|end| *end > 0)
    }

    /// Forgets a topic and moves its files to `trash`, from where they can be removed at leisure.
    pub(crate) fn remove_topic(&mut self, topic: &str, trash: &Path) -> io::Result<bool> {
        let Some(queues) = self.topics.remove(topic) else { return Ok(false) };
        drop(queues);
        self.light -= usize::from(light::is_light(topic)).min(self.light);
        let from = self.dir.join(topic);
        if self.disk.entry(&from)?.is_none() {
            return Ok(false);
        }
        if let Some(parent) = trash.parent() {
            self.disk.create_dir(parent)?;
        }
        self.disk.rename(&from, trash)?;
        self.created = true;
        Ok(true)
    }

    /// Removes every queue: there is no log they could speak of.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        self.topics.clear();
        self.light = 0;
        self.disk.remove_tree(&self.dir).map_err(StoreError::io("remove", &self.dir))
    }

    /// Hands out what has to be flushed of the queues with at least `least_pages` dirty pages.
    pub(crate) fn take_dirty(&mut self, least_pages: u64) -> (Vec<DirtyRange>, Vec<PathBuf>) {
        let (mut ranges, mut dirs) = (Vec::new(), Vec::new());
        for queue in self.topics.values_mut().flat_map(BTreeMap::values_mut) {
            if queue.dirty_pages() >= least_pages.max(1) {
                queue.take_dirty(&mut ranges, &mut dirs);
            }
        }
        let topics: Vec<PathBuf> =
            dirs.iter().filter_map(|dir| dir.parent()).map(Path::to_path_buf).collect();
        let new_topic = std::mem::take(&mut self.created);
        dirs.extend(topics);
        if new_topic || !dirs.is_empty() {
            dirs.push(self.dir.clone());
            dirs.extend(self.dir.parent().map(Path::to_path_buf));
        }
        dirs.sort_unstable();
        dirs.dedup();
        (ranges, dirs)
    }

    /// Light queues there are.
    pub(crate) fn light_count(&self) -> usize {
        self.light
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

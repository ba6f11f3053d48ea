//! All queues: `consumequeue/<topic>/<queueId>/` and `batchconsumequeue/<topic>/<queueId>/`
//! (`spec/store.md` sections 1 and 4). A topic is in one of the two.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use sansmq_core::message::light;

use crate::any_queue::{AnyQueue, Kind};
use crate::batch_queue::BatchQueue;
use crate::config::StoreConfig;
use crate::consume_queue::ConsumeQueue;
use crate::disk::DiskRef;
use crate::error::StoreError;
use crate::ext_units::{EXT_DIR, ExtUnits};
use crate::mapped::DirtyRange;
use crate::segments;
use crate::simple_queue::SimpleQueue;

#[derive(Debug)]
pub(crate) struct Queues {
    disk: DiskRef,
    root: PathBuf,
    /// That of `consumequeue`.
    dir: PathBuf,
    file_size: u64,
    batch_file_size: u64,
    /// With `enableConsumeQueueExt`.
    ext_file_size: Option<u64>,
    /// In order, so that the same history touches files in the same order.
    topics: BTreeMap<Box<str>, BTreeMap<i32, AnyQueue>>,
    /// How many of them are light.
    light: usize,
    /// A topic directory was created since the last flush.
    created: bool,
    /// Directories that topics were taken out of since then.
    emptied: BTreeSet<PathBuf>,
    /// Files had to be removed while loading; entries of durable records may have been among them.
    pub lost_files: bool,
}

impl Queues {
    /// Loads all queues; `repair` as for [`ConsumeQueue::load`].
    pub(crate) fn load(disk: &DiskRef, config: &StoreConfig, repair: bool) -> Result<Self, StoreError> {
        let mut all = Queues {
            disk: disk.clone(),
            root: config.root.clone(),
            dir: config.root.join(Kind::Simple.dir()),
            file_size: config.consume_queue_file_size,
            batch_file_size: config.batch_queue_file_size,
            ext_file_size: config.enable_ext.then_some(config.ext_file_size),
            topics: BTreeMap::new(),
            light: 0,
            created: false,
            emptied: BTreeSet::new(),
            lost_files: false,
        };
        for kind in [Kind::Simple, Kind::Batch] {
            for topic_dir in segments::directories(&**disk, &all.root.join(kind.dir()))? {
                let Some(topic) = topic_dir.file_name().and_then(|name| name.to_str()) else {
                    tracing::warn!(path = %topic_dir.display(), "not a topic name, ignored");
                    continue;
                };
                let queues = all.load_topic(kind, &topic_dir, repair)?;
                all.adopt(topic, queues)?;
            }
        }
        Ok(all)
    }

    fn load_topic(
        &mut self,
        kind: Kind,
        topic_dir: &Path,
        repair: bool,
    ) -> Result<BTreeMap<i32, AnyQueue>, StoreError> {
        let mut queues = BTreeMap::new();
        for dir in segments::directories(&*self.disk, topic_dir)? {
            let Some(id) = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())
            else {
                tracing::warn!(path = %dir.display(), "not a queue number, ignored");
                continue;
            };
            let disk = self.disk.clone();
            let (queue, lost) = match kind {
                Kind::Simple => {
                    let ext = self.ext_place(topic_dir.file_name(), id);
                    let (units, mut lost) = ConsumeQueue::load(disk, dir, self.file_size, repair)?;
                    let ext = match ext {
                        None => None,
                        Some((dir, size)) => {
                            let (ext, units_lost) = ExtUnits::load(self.disk.clone(), dir, size, repair)?;
                            lost |= units_lost;
                            Some(Box::new(ext))
                        }
                    };
                    (AnyQueue::Simple(SimpleQueue { units, ext }), lost)
                }
                Kind::Batch => {
                    let (queue, lost) = BatchQueue::load(disk, dir, self.batch_file_size, repair)?;
                    (AnyQueue::Batch(queue), lost)
                }
            };
            self.lost_files |= lost;
            queues.insert(id, queue);
        }
        Ok(queues)
    }

    /// Where the extension units of a queue lie, and how large their files are, if it has any. Light queues have
    /// none, as in the reference.
    fn ext_place(&self, topic: Option<&OsStr>, id: i32) -> Option<(PathBuf, u64)> {
        let (topic, size) = topic.zip(self.ext_file_size)?;
        let has = !topic.to_str().is_some_and(light::is_light);
        has.then(|| (self.root.join(EXT_DIR).join(topic).join(id.to_string()), size))
    }

    /// Removes a queue's files.
    fn remove_files(disk: &DiskRef, queue: &AnyQueue) -> Result<(), StoreError> {
        for dir in queue.ext().map(ExtUnits::dir).into_iter().chain([queue.dir()]) {
            disk.remove_tree(dir).map_err(StoreError::io("remove", dir))?;
        }
        Ok(())
    }

    /// Takes a topic's queues over. Of two kinds of the same topic, which a crash between a deletion and what
    /// came after it can leave behind, the one with the newer records counts.
    fn adopt(&mut self, topic: &str, queues: BTreeMap<i32, AnyQueue>) -> Result<(), StoreError> {
        let newest = |queues: &BTreeMap<i32, AnyQueue>| queues.values().map(AnyQueue::log_end).max();
        if let Some(known) = self.topics.get(topic) {
            let stays = newest(known) >= newest(&queues);
            let gone = if stays { &queues } else { known };
            for queue in gone.values() {
                tracing::warn!(path = %queue.dir().display(), "queues of another type than the topic's, removed");
                Self::remove_files(&self.disk, queue)?;
            }
            if stays {
                return Ok(());
            }
        } else {
            self.light += usize::from(light::is_light(topic));
        }
        self.topics.insert(topic.into(), queues);
        Ok(())
    }

    pub(crate) fn get(&self, topic: &str, queue_id: i32) -> Option<&AnyQueue> {
        self.topics.get(topic)?.get(&queue_id)
    }

    pub(crate) fn get_mut(&mut self, topic: &str, queue_id: i32) -> Option<&mut AnyQueue> {
        self.topics.get_mut(topic)?.get_mut(&queue_id)
    }

    /// Whether a topic has queues of the other kind.
    pub(crate) fn conflicts(&self, topic: &str, kind: Kind) -> bool {
        self.topics.get(topic).is_some_and(|queues| queues.values().any(|queue| queue.kind() != kind))
    }

    /// The queue, created if need be; allocates only then. Never `None`: the option merely saves a panic.
    pub(crate) fn get_or_create(&mut self, topic: &str, queue_id: i32, kind: Kind) -> Option<&mut AnyQueue> {
        if self.get(topic, queue_id).is_none() {
            if !self.topics.contains_key(topic) {
                self.created = true;
                self.light += usize::from(light::is_light(topic));
            }
            let dir = self.root.join(kind.dir()).join(topic).join(queue_id.to_string());
            let disk = self.disk.clone();
            let queue = match kind {
                Kind::Simple => {
                    let ext = self.ext_place(Some(OsStr::new(topic)), queue_id);
                    let ext = ext.map(|(dir, size)| Box::new(ExtUnits::new(disk.clone(), dir, size)));
                    AnyQueue::Simple(SimpleQueue { units: ConsumeQueue::new(disk, dir, self.file_size), ext })
                }
                Kind::Batch => AnyQueue::Batch(BatchQueue::new(disk, dir, self.batch_file_size)),
            };
            self.topics.entry(topic.into()).or_default().insert(queue_id, queue);
        }
        self.get_mut(topic, queue_id)
    }

    /// Removes a topic's queues if they speak of records in front of `log_offset`, where it was deleted.
    pub(crate) fn drop_deleted(&mut self, topic: &str, log_offset: u64) -> Result<bool, StoreError> {
        let stale = |queue: &AnyQueue| queue.has_before(log_offset);
        let found = self.topics.get(topic).is_some_and(|queues| queues.values().any(stale));
        if found {
            tracing::warn!(topic, "queues of a deleted topic are still there, removed");
            self.drop_topic(topic)?;
        }
        Ok(found)
    }

    /// Removes a topic's queues if none has ever had an entry, as a crash can leave those of a topic that was being deleted:
    /// such a topic may come again as one of the other type.
    pub(crate) fn drop_empty(&mut self, topic: &str) -> Result<bool, StoreError> {
        let empty =
            self.topics.get(topic).is_some_and(|queues| queues.values().all(|queue| queue.max() == 0));
        if empty {
            self.drop_topic(topic)?;
        }
        Ok(empty)
    }

    /// Removes a topic's queues for good: newer records are of another kind, or it was deleted.
    pub(crate) fn drop_topic(&mut self, topic: &str) -> Result<(), StoreError> {
        for queue in self.topics.remove(topic).unwrap_or_default().into_values() {
            Self::remove_files(&self.disk, &queue)?;
        }
        self.light -= usize::from(light::is_light(topic)).min(self.light);
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32, &AnyQueue)> {
        self.topics.iter().flat_map(|(topic, queues)| queues.iter().map(move |(id, q)| (&**topic, *id, q)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, i32, &mut AnyQueue)> {
        self.topics.iter_mut().flat_map(|(topic, queues)| {
            let topic = &**topic;
            queues.iter_mut().map(move |(id, q)| (topic, *id, q))
        })
    }

    /// Largest log offset any simple queue has an entry up to; `None` when none has one. Those of the other kind
    /// do not count: all simple queues may be gone, to be built again, while one of those is still there.
    pub(crate) fn log_end(&self) -> Option<u64> {
        let simple = self.iter().filter(|(_, _, queue)| queue.kind() == Kind::Simple);
        simple.map(|(_, _, queue)| queue.log_end()).max().filter(|end| *end > 0)
    }

    /// The directories a topic's files are in, whether there are any or not.
    pub(crate) fn dirs_of(&self, topic: &str) -> [PathBuf; 3] {
        [EXT_DIR, Kind::Simple.dir(), Kind::Batch.dir()].map(|below| self.root.join(below).join(topic))
    }

    /// Forgets a topic and moves its files to `trash`, from where they can be removed at leisure.
    pub(crate) fn remove_topic(&mut self, topic: &str, trash: &Path) -> io::Result<bool> {
        let Some(queues) = self.topics.remove(topic) else { return Ok(false) };
        let kind = queues.values().next().map_or(Kind::Simple, AnyQueue::kind);
        drop(queues);
        self.light -= usize::from(light::is_light(topic)).min(self.light);
        let mut found = false;
        // the units first: entries without them are a known case, units without entries would stay
        for (below, to) in [(EXT_DIR, "units"), (kind.dir(), "entries")] {
            let from = self.root.join(below).join(topic);
            if self.disk.entry(&from)?.is_some() {
                if let Some(parent) = trash.parent() {
                    self.disk.create_dir(parent)?;
                }
                self.disk.create_dir(trash)?;
                self.disk.rename(&from, &trash.join(to))?;
                self.emptied.insert(self.root.join(below));
                found = true;
            }
        }
        self.created |= found;
        Ok(found)
    }

    /// Removes every queue: there is no log they could speak of.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        self.topics.clear();
        self.light = 0;
        for below in [EXT_DIR, Kind::Simple.dir(), Kind::Batch.dir()] {
            let dir = self.root.join(below);
            self.disk.remove_tree(&dir).map_err(StoreError::io("remove", &dir))?;
        }
        Ok(())
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
        dirs.extend(std::mem::take(&mut self.emptied));
        if new_topic || !dirs.is_empty() {
            dirs.push(self.dir.clone());
            for below in [Kind::Batch.dir(), EXT_DIR] {
                let below = self.root.join(below);
                if dirs.iter().any(|dir| dir.starts_with(&below)) {
                    dirs.push(below);
                }
            }
            dirs.push(self.root.clone());
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

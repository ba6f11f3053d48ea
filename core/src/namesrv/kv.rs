//! Key-value configuration, the one table of a NameServer that survives a restart.

use crate::body::KvTable;
use crate::json::{DecodeError, Style, from_slice, to_vec};
use crate::json_struct;
use std::collections::BTreeMap;

/// The namespace of order configurations.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

json_struct! {
    /// The table, and the file it is stored in.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct KvConfig {
        /// Namespace to key to value.
        pub table: BTreeMap<String, BTreeMap<String, String>> = "configTable",
    }
}

impl KvConfig {
    /// Reads the stored file; an empty one is an empty table.
    pub fn load(file: &[u8]) -> Result<Self, DecodeError> {
        if file.is_empty() { Ok(KvConfig::default()) } else { from_slice(file) }
    }

    /// The file to store.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        to_vec(self, Style::Fastjson)
    }

    /// One value.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.table.get(namespace)?.get(key).map(String::as_str)
    }

    /// Sets a value.
    pub fn put(&mut self, namespace: &str, key: &str, value: &str) {
        self.table.entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Removes a value; its namespace stays.
    pub fn delete(&mut self, namespace: &str, key: &str) {
        if let Some(table) = self.table.get_mut(namespace) {
            table.remove(key);
        }
    }

    /// All of a namespace, if it exists.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<KvTable> {
        self.table.get(namespace).map(|table| KvTable { table: table.clone() })
    }
}

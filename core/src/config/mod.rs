//! Configuration under the reference's key names.
//!
//! In: the text of a `.conf`/`.properties` file ([`Properties`]). Out: typed settings ([`NamesrvConfig`],
//! [`BrokerConfig`], ..), or errors that name file, line, key and value. One flat file is applied to several
//! settings objects ([`load`]); a key that none of the reference's classes knows is an error too.
//! At run time only the keys marked live may change, and only within their ranges ([`update`]); paths,
//! addresses, names, credentials and the black list itself never do.

mod auth;
mod broker;
mod controller;
mod error;
mod known;
mod namesrv;
mod netty;
mod properties;
mod settings;
mod store;
mod surroundings;
mod update;
mod value;

#[cfg(test)]
mod tests;

pub use auth::AuthConfig;
pub use broker::{BrokerConfig, MessageRequestMode, MetricsExporterType};
pub use controller::{BrokerContainerConfig, ContainerExtensions, ControllerConfig, JraftConfig};
pub use error::{ConfigError, Fault};
pub use known::{is_known, nearest};
pub use namesrv::NamesrvConfig;
pub use netty::{NettyClientConfig, NettyServerConfig};
pub use properties::{Properties, Property, plain_text};
pub use settings::{KeyInfo, Settings, load};
pub use store::{BrokerRole, FlushDiskType, MessageStoreConfig};
pub use surroundings::Surroundings;
pub use update::{BLACK_LISTED, Refusal, update};
pub use value::Value;

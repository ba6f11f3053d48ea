//! NOTIFY_MIN_BROKER_ID_CHANGE: telling replicas that the smallest broker id among them has changed.

use crate::body::BrokerData;
use crate::wire::code::request;
use crate::wire::{Command, Ext, ServerOut, Target};

/// Who is to be told what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinIdNotice {
    /// The smallest id now.
    pub min_broker_id: i64,
    /// Its address.
    pub min_broker_addr: String,
    /// Who left, if the change is a departure.
    pub offline_broker_addr: Option<String>,
    /// Where the newcomer can be replicated from, if the change is an arrival.
    pub ha_broker_addr: Option<String>,
    /// Addresses to tell.
    pub recipients: Vec<String>,
}

impl MinIdNotice {
    /// A replica has left: all that remain are told.
    pub(super) fn departure(broker: &BrokerData, offline_addr: &str) -> Option<Self> {
        let (min_id, min_addr) = broker.first()?;
        Some(MinIdNotice {
            min_broker_id: min_id,
            min_broker_addr: min_addr.to_owned(),
            offline_broker_addr: Some(offline_addr.to_owned()),
            ha_broker_addr: None,
            recipients: broker.broker_addrs.values().cloned().collect(),
        })
    }

    /// A replica with a smaller id has come: the others are told (itself only when it is alone).
    pub(super) fn arrival(broker: &BrokerData, ha_addr: &str) -> Option<Self> {
        let (min_id, min_addr) = broker.first()?;
        let alone = broker.broker_addrs.len() == 1;
        let others = broker.broker_addrs.iter().filter(|(id, _)| alone || **id != min_id);
        Some(MinIdNotice {
            min_broker_id: min_id,
            min_broker_addr: min_addr.to_owned(),
            offline_broker_addr: None,
            ha_broker_addr: Some(ha_addr.to_owned()),
            recipients: others.map(|(_, addr)| addr.clone()).collect(),
        })
    }

    /// The one-way requests.
    pub(super) fn requests(self) -> impl Iterator<Item = ServerOut> {
        tracing::info!(
            "min broker id changed to {}, notify {:?}, offline broker addr {}",
            self.min_broker_id,
            self.recipients,
            self.offline_broker_addr.as_deref().unwrap_or("null")
        );
        let mut ext =
            Ext::new().with("minBrokerId", self.min_broker_id).with("minBrokerAddr", self.min_broker_addr);
        if let Some(addr) = self.offline_broker_addr {
            ext.put("offlineBrokerAddr", addr);
        }
        if let Some(addr) = self.ha_broker_addr {
            ext.put("haBrokerAddr", addr);
        }
        let command = Command::request(request::NOTIFY_MIN_BROKER_ID_CHANGE, ext).oneway();
        self.recipients
            .into_iter()
            .map(move |addr| ServerOut::Oneway { to: Target::Addr(addr), command: command.clone() })
    }
}

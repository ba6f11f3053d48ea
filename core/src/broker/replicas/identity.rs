//! `brokerIdentity` and `brokerIdentity-temp`: the id a controller gave this broker (`spec/ha.md` B.1).
//!
//! The id is the replica's identity for ever; an address is only where it can be found now.

/// `<cluster>#<brokerName>#<brokerId>`, without a line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster: String,
    pub broker: String,
    /// 1 or more.
    pub id: i64,
}

/// An id that is being applied for: the same with `#<registerCheckCode>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    pub identity: Identity,
    /// `<brokerAddr>;<milliseconds>`: tells a repeated application from another broker's.
    pub check_code: String,
}

/// Why an identity cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "{what} must not contain '#' in controller mode, but is {value}: '#' separates the parts of brokerIdentity"
    )]
    Separator { what: &'static str, value: String },
    #[error("{path} holds {text:?}, expected <brokerClusterName>#<brokerName>#<id of 1 or more>{more}")]
    Malformed { path: String, text: String, more: &'static str },
    #[error(
        "{path} belongs to broker {found} of cluster {found_cluster}, but this broker is {wanted} of cluster \
         {wanted_cluster}: the store directory is another broker's, or brokerName or brokerClusterName was changed"
    )]
    Foreign { path: String, found: String, found_cluster: String, wanted: String, wanted_cluster: String },
}

impl Identity {
    /// The content of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}#{}#{}", self.cluster, self.broker, self.id)
    }

    /// Reads the file; nothing for an empty one.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], naming `path`.
    pub fn read(path: &str, text: &str) -> Result<Option<Self>, IdentityError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let parts: Vec<&str> = text.trim_end().split('#').collect();
        let found = match parts.as_slice() {
            [cluster, broker, id] => identity(cluster, broker, id),
            _ => None,
        };
        found.map(Some).ok_or_else(|| malformed(path, text, ""))
    }

    /// Whether it is this broker's.
    ///
    /// # Errors
    /// [`IdentityError::Foreign`].
    pub fn check(&self, path: &str, cluster: &str, broker: &str) -> Result<(), IdentityError> {
        if self.cluster == cluster && self.broker == broker {
            return Ok(());
        }
        Err(IdentityError::Foreign {
            path: path.to_owned(),
            found: self.broker.clone(),
            found_cluster: self.cluster.clone(),
            wanted: broker.to_owned(),
            wanted_cluster: cluster.to_owned(),
        })
    }
}

impl Application {
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}#{}", self.identity.to_text(), self.check_code)
    }

    /// Reads the file; nothing for an empty one, which is what a finished application leaves.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], naming `path`.
    pub fn read(path: &str, text: &str) -> Result<Option<Self>, IdentityError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let parts: Vec<&str> = text.trim_end().split('#').collect();
        let found = match parts.as_slice() {
            [cluster, broker, id, code] if !code.is_empty() => identity(cluster, broker, id)
                .map(|identity| Application { identity, check_code: (*code).to_owned() }),
            _ => None,
        };
        found.map(Some).ok_or_else(|| malformed(path, text, "#<address>;<milliseconds>"))
    }
}

/// Whether the names can stand in the files at all.
///
/// # Errors
/// [`IdentityError::Separator`].
pub fn check_names(cluster: &str, broker: &str) -> Result<(), IdentityError> {
    for (what, value) in [("brokerClusterName", cluster), ("brokerName", broker)] {
        if value.contains('#') {
            return Err(IdentityError::Separator { what, value: value.to_owned() });
        }
    }
    Ok(())
}

fn identity(cluster: &str, broker: &str, id: &str) -> Option<Identity> {
    let id: i64 = id.parse().ok().filter(|id| *id > 0)?;
    (!cluster.is_empty() && !broker.is_empty()).then(|| Identity {
        cluster: cluster.to_owned(),
        broker: broker.to_owned(),
        id,
    })
}

fn malformed(path: &str, text: &str, more: &'static str) -> IdentityError {
    let shown = text.chars().take(200).collect();
    IdentityError::Malformed { path: path.to_owned(), text: shown, more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_reference_read_and_write_the_same() {
        let found = Identity::read("p", "C1#bb#1").unwrap().unwrap();
        assert_eq!((found.cluster.as_str(), found.broker.as_str(), found.id), ("C1", "bb", 1));
        assert_eq!(found.to_text(), "C1#bb#1");
        let text = "C1#bb#2#127.0.0.1:21262;1795309717467";
        let temp = Application::read("p", text).unwrap().unwrap();
        assert_eq!(
            (temp.check_code.as_str(), temp.to_text().as_str()),
            ("127.0.0.1:21262;1795309717467", text)
        );
        assert_eq!(Application::read("p", ""), Ok(None));
    }

    #[test]
    fn what_is_not_an_identity_is_refused_with_its_path() {
        for text in ["C1#bb", "C1#bb#0", "C1#bb#x", "#bb#1", "C1#bb#1#a;1"] {
            let error = Identity::read("/s/brokerIdentity", text).unwrap_err().to_string();
            assert!(error.contains("/s/brokerIdentity") && error.contains(text), "{error}");
        }
        let foreign = Identity::read("p", "C1#bb#1").unwrap().unwrap().check("p", "C1", "cc").unwrap_err();
        assert!(foreign.to_string().contains("bb") && foreign.to_string().contains("cc"));
        assert!(check_names("C", "a#b").is_err() && check_names("C", "b").is_ok());
    }

    quickcheck::quickcheck! {
        fn any_text_is_an_identity_or_an_error(text: String) -> bool {
            let _ = Application::read("p", &text);
            Identity::read("p", &text).map_or(true, |found| {
                found.is_none_or(|found| Identity::read("p", &found.to_text()) == Ok(Some(found.clone())))
            })
        }
    }
}

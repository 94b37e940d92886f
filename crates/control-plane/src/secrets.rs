//! The files that servers and clients know each other by, made anew for every control plane.

use std::{fs::OpenOptions, io, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use rcgen::{CertifiedKey, KeyPair};

/// What clients need.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) admin_token: String,
    /// The API server's own certificate, which is also the only one that clients trust.
    pub(crate) certificate_der: Vec<u8>,
}

impl Secrets {
    /// Makes them, and writes what [`crate::Server::arguments`] name.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let names = ["localhost", "127.0.0.1", "kubernetes.default.svc"].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let accounts_key = KeyPair::generate().map_err(io::Error::other)?;
        let admin_token = format!("{:032x}", rand::random::<u128>());

        write(&folder.join("tls.crt"), &cert.pem())?;
        write(&folder.join("tls.key"), &signing_key.serialize_pem())?;
        write(&folder.join("accounts.key"), &accounts_key.serialize_pem())?;
        write(&folder.join("accounts.pub"), &accounts_key.public_key_pem())?;
        write(&folder.join("tokens.csv"), &format!("{admin_token},admin,admin,\"system:masters\"\n"))?;
        Ok(Self { admin_token, certificate_der: cert.der().to_vec() })
    }
}

/// Readable by this user alone.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

//! The files that servers and clients know each other by, made anew for every control plane.

use std::{io, io::Write, path::Path};

use rcgen::{CertifiedKey, KeyPair};
use tempfile::NamedTempFile;

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

/// Readable by this user alone, and whole at every moment: another test may be reading what was there.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut written = NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    written.write_all(text.as_bytes())?;
    written.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn who_reads_while_others_write_finds_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (file, text) = (folder.path().join("admin.kubeconfig"), "x".repeat(1000));
        write(&file, &text).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|_| write(&file, &text).unwrap()));
            for _ in 0..1000 {
                assert_eq!(fs::read_to_string(&file).unwrap(), text);
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}

//! Certificates in files as the kubelet mounts a Secret.

use std::path::Path;

use rolecall_certs::{SelfSigned, service_names};

/// A pair in `folder/GENERATION/`, as a Secret's volume has it, and its leaf.
pub fn pair(folder: &Path, generation: &str) -> Vec<u8> {
    rolecall_certs::install_crypto_provider();
    let directory = folder.join(generation);
    let made = SelfSigned { directory: Some(directory), names: service_names("rolecall", "rolecall", &[]) };
    let now = jiff::Timestamp::now().as_second();
    made.load_or_create(now).unwrap().chain()[0].to_vec()
}

/// What the kubelet does: `..data` is a link to a folder, and the files are links through it.
pub fn swap(folder: &Path, generation: &str) {
    let link = folder.join("..data_tmp");
    std::os::unix::fs::symlink(generation, &link).unwrap();
    std::fs::rename(&link, folder.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        let _ = std::os::unix::fs::symlink(format!("..data/{file}"), folder.join(file));
    }
}

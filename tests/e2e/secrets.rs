//! Looks for texts in all that a host writes and tells: its files, its log, and what the admin door answers.

use std::path::{Path, PathBuf};

use crate::harness::TestHost;

/// What the admin door tells of the host as a whole.
const PAGES: [&str; 6] =
    ["/deployments", "/services", "/invocations?limit=1000", "/metrics", "/openapi.json", "/version"];

/// Makes sure that none of these texts is found anywhere.
pub(crate) async fn assert_nowhere(host: &TestHost, secrets: &[&str]) {
    let all = all(host).await;
    for secret in secrets {
        let places: Vec<&String> =
            all.iter().filter(|(_, text)| text.contains(secret)).map(|(place, _)| place).collect();
        assert!(places.is_empty(), "'{secret}' is found in {places:#?}");
    }
}

/// Where a text is found.
pub(crate) async fn places(host: &TestHost, text: &str) -> Vec<String> {
    let all = all(host).await;
    all.into_iter().filter(|(_, it)| it.contains(text)).map(|(place, _)| place).collect()
}

/// All there is, with its places. What is no text between texts does not matter.
async fn all(host: &TestHost) -> Vec<(String, String)> {
    let text = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("a file that is there");
        (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
    };
    let files = files(&host.data_dir());
    let log = ("the log".to_owned(), host.log());
    files.iter().map(text).chain([log]).chain(told(host).await).collect()
}

/// All files in a folder and below, without components, which are what their authors made them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let folders = folders.iter().filter(|path| !path.ends_with("components"));
    folders.flat_map(|path| files(path)).chain(found).collect()
}

/// The pages of the admin door, with what they say.
async fn told(host: &TestHost) -> Vec<(String, String)> {
    let mut pages: Vec<String> = PAGES.map(str::to_owned).into();
    let invocations = host.admin().get("/invocations?limit=1000").await.ok();
    for invocation in invocations["invocations"].as_array().expect("a list") {
        let id = invocation["id"].as_str().expect("an id");
        pages.extend([format!("/invocations/{id}"), format!("/invocations/{id}/journal")]);
        if let (Some(service), Some(key)) = (invocation["service"].as_str(), invocation["key"].as_str()) {
            pages.push(format!("/state/{service}/{key}"));
        }
    }
    let mut told = Vec::new();
    for page in pages {
        let body = host.admin().get(&page).await.body;
        told.push((page, body));
    }
    told
}

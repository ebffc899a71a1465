//! From the bytes of a component to something that can be instantiated, or a reason why not.

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error};

use super::bindings::GuestPre;
use super::error::ComponentError;
use super::sandbox::Sandbox;

/// What a component exports for the host to call.
const EXPORTS: [&str; 2] = ["describe", "handle"];

/// The packages the host implements, and of which version.
const GIVEN: [(&str, &str); 8] = [
    ("holiday:durable", "0.1"),
    ("wasi:cli", "0.2"),
    ("wasi:clocks", "0.2"),
    ("wasi:filesystem", "0.2"),
    ("wasi:http", "0.2"),
    ("wasi:io", "0.2"),
    ("wasi:random", "0.2"),
    ("wasi:sockets", "0.2"),
];

/// Refuses what is not a component before anything is compiled.
pub(super) fn check_kind(bytes: &[u8], bytes_max: usize) -> Result<(), ComponentError> {
    if bytes.len() > bytes_max {
        return Err(ComponentError::TooLarge { bytes: bytes.len(), max: bytes_max });
    }
    if wasmparser::Parser::is_component(bytes) {
        return Ok(());
    }
    let (what, advice) = if wasmparser::Parser::is_core_wasm(bytes) {
        ("a core module".to_owned(), "build it with --target wasm32-wasip2")
    } else if bytes.is_empty() {
        ("empty".to_owned(), "name the .wasm file that the build made")
    } else {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).escape_debug().to_string();
        (format!("something that begins with '{start}'"), "name the .wasm file that the build made")
    };
    Err(ComponentError::NotAComponent { what, advice })
}

/// Compiles a component. Takes seconds for a large one.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, ComponentError> {
    Component::from_binary(engine, bytes).map_err(|error| {
        let reason = error.root_cause().to_string();
        // wasmtime tells what is invalid from what the pool has no room for only in words.
        match reason.contains("exceeds") {
            true => ComponentError::TooDemanding { reason },
            false => ComponentError::Invalid { reason },
        }
    })
}

/// Ties the component's imports to what the host gives and finds its exports.
pub(super) fn link(
    linker: &Linker<Sandbox>,
    component: &Component,
) -> Result<GuestPre<Sandbox>, ComponentError> {
    let exported = component.component_type();
    for function in EXPORTS {
        if exported.get_export(linker.engine(), function).is_none() {
            return Err(ComponentError::MissingExport { function, reason: String::new() });
        }
    }
    let pre = linker
        .instantiate_pre(component)
        .map_err(|error| unknown_import(linker.engine(), component, &error))?;
    GuestPre::new(pre).map_err(|error| mistyped_export(&error))
}

/// Says which function has another type than the contract gives it.
pub(super) fn mistyped_export(error: &Error) -> ComponentError {
    let reason = format!("{error:#}");
    let function = EXPORTS.into_iter().find(|name| reason.contains(name)).unwrap_or(EXPORTS[1]);
    ComponentError::MissingExport { function, reason: format!(": {reason}") }
}

fn unknown_import(engine: &Engine, component: &Component, error: &Error) -> ComponentError {
    let text = error.to_string();
    let imports = component.component_type();
    let import =
        imports.imports(engine).map(|(name, _)| name).find(|name| text.contains(&format!("`{name}`")));
    let Some(import) = import.map(str::to_owned) else {
        return ComponentError::UnknownImport { import: "?".to_owned(), reason: format!("{error:#}") };
    };
    let is_of_given = GIVEN.iter().any(|(package, _)| import.split('/').next() == Some(package));
    let reason = match (version_mismatch(&import), is_of_given) {
        (Some(mismatch), _) => mismatch,
        (None, true) => error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "),
        (None, false) => {
            "it gives WASI 0.2 and the guest contract, nothing else; build without what needs it".to_owned()
        }
    };
    ComponentError::UnknownImport { import, reason }
}

/// Explains an import of a package that the host has in another version.
fn version_mismatch(import: &str) -> Option<String> {
    let (interface, version) = import.split_once('@')?;
    let (package, _) = interface.split_once('/')?;
    let (_, given) = GIVEN.into_iter().find(|(name, _)| *name == package)?;
    let is_given = version.strip_prefix(given).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    (!is_given).then(|| {
        let (what, advice) = match package {
            "holiday:durable" => ("the guest contract", "build it with an SDK of the host's version"),
            _ => ("WASI", "build it with --target wasm32-wasip2"),
        };
        format!("it is of {what} {version}, and the host gives {given}; {advice}")
    })
}

/// Names the engine: its version, its settings and the processor it compiles for.
pub(super) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Takes machine code that [`compile`] made for the same engine; `None` if the engine is another after all.
#[allow(unsafe_code)]
pub(super) fn from_code(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: the code is what `Component::serialize` returned in this host, or in an earlier run of it:
    // `Files::read_code` hands out only what ends in a fitting SHA-256, from a directory that belongs to the
    // host. Whoever can forge both can replace the host's binary as well. The engine itself checks version
    // and settings.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_wasi_is_named() {
        let reason = version_mismatch("wasi:http/handler@0.3.0").expect("a mismatch");
        assert!(reason.contains("WASI 0.3.0") && reason.contains("gives 0.2"), "{reason}");
        assert!(version_mismatch("holiday:durable/context@0.2.0").is_some());
        assert_eq!(version_mismatch("wasi:http/types@0.2.6"), None);
        assert_eq!(version_mismatch("wasi:nn/graph@0.3.0"), None);
        assert_eq!(version_mismatch("wasi:http/types@0.20.0").map(|_| ()), Some(()));
    }
}

//! What a block says about its service.

use proc_macro2::{Ident, Span};
use syn::{ItemImpl, Type, Visibility};

/// Which macro it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Object,
    Workflow,
}

impl Kind {
    pub(crate) fn has_key(self) -> bool {
        match self {
            Self::Service => false,
            Self::Object | Self::Workflow => true,
        }
    }
}

pub(crate) struct Contract {
    pub(crate) kind: Kind,
    /// The type or the trait.
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) documentation: Option<String>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) handlers: Vec<Handler>,
    /// The block itself without our attributes; absent for a trait.
    pub(crate) implementation: Option<ItemImpl>,
    pub(crate) visibility: Visibility,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Exclusive,
    Shared,
    WorkflowRun,
}

pub(crate) struct Handler {
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) documentation: Option<String>,
    pub(crate) settings: Vec<Setting>,
    /// Absent in a trait.
    pub(crate) context: Option<Type>,
    pub(crate) input: Option<Type>,
    /// Absent for `()`.
    pub(crate) output: Option<Type>,
    pub(crate) visibility: Visibility,
}

/// A setting for the host, with its value as JSON text.
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where the author set it.
    pub(crate) span: Span,
}

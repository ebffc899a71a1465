//! What the attribute macros generate against, and the entry points of a component.

use std::pin::Pin;

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::{HandlerError, Request, manifest};
use crate::{Error, TerminalError, executor, json};

/// The running handler, with its answer as bytes.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>>>>;

/// A service, a virtual object or a workflow; implemented by the attribute macros.
///
/// ```
/// use holiday_sdk::{Context, Error, Service};
///
/// struct Greeter;
///
/// #[holiday_sdk::service]
/// impl Greeter {
///     pub async fn greet(_: Context, name: String) -> Result<String, Error> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
/// assert_eq!(Greeter::NAME, "Greeter");
/// assert_eq!(Greeter::describe().handlers[0].name, "greet");
/// ```
pub trait Service {
    /// The name by which it is called.
    const NAME: &'static str;

    /// Tells its kind, its handlers and their schemas.
    fn describe() -> manifest::Service;

    /// Starts the handler of this name, if there is one.
    fn handle(handler: &str, input: Vec<u8>) -> Option<HandlerFuture>;
}

/// One service of a component, as `export!` lists it.
#[derive(Debug)]
pub struct Entry {
    name: &'static str,
    handle: fn(&str, Vec<u8>) -> Option<HandlerFuture>,
}

impl Entry {
    /// The entry of a service.
    pub const fn of<S: Service>() -> Self {
        Self { name: S::NAME, handle: S::handle }
    }
}

/// Runs the handler that a request is addressed to.
///
/// # Errors
///
/// When there is no such handler, and when it fails.
pub fn handle(services: &[Entry], request: Request) -> Result<Vec<u8>, HandlerError> {
    let target = &request.target;
    let future = services
        .iter()
        .find(|service| service.name == target.service)
        .and_then(|service| (service.handle)(&target.handler, request.input))
        .ok_or_else(|| {
            let text = format!("this component has no handler {}/{}", target.service, target.handler);
            Error::from(TerminalError::new(text).with_code(404))
        })?;
    Ok(executor::block_on(future)?)
}

/// Decodes the body of a request.
///
/// # Errors
///
/// With code 400, when it is not a `T`.
pub fn decode_input<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    Ok(json::decode_input(body)?)
}

/// Encodes what a handler answers.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn encode_output<T: Serialize>(output: &T) -> Result<Vec<u8>, Error> {
    Ok(json::encode(output)?)
}

/// Describes the body that a handler takes.
pub fn input_media<T: JsonSchema>() -> manifest::Media {
    json_media::<T>(Contract::Deserialize)
}

/// Describes the body that a handler answers with.
pub fn output_media<T: JsonSchema>() -> manifest::Media {
    json_media::<T>(Contract::Serialize)
}

fn json_media<T: JsonSchema>(contract: Contract) -> manifest::Media {
    let settings = SchemaSettings::draft2020_12().with(|it| it.contract = contract);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    manifest::Media { content_type: "application/json".into(), schema: Some(schema.as_value().to_string()) }
}

/// Makes services the exports of this component.
///
/// ```
/// # use holiday_sdk::{Context, Error};
/// struct Greeter;
///
/// #[holiday_sdk::service]
/// impl Greeter {
///     pub async fn greet(_: Context, name: String) -> Result<String, Error> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// holiday_sdk::export!(Greeter);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($service:ty),+ $(,)?) => {
        #[doc(hidden)]
        pub struct __Component;

        impl $crate::__private::bindings::Guest for __Component {
            fn describe() -> ::std::vec::Vec<$crate::__private::bindings::Service> {
                ::std::vec![$(<$service as $crate::Service>::describe()),+]
            }

            fn handle(
                request: $crate::__private::bindings::Request,
            ) -> ::std::result::Result<::std::vec::Vec<u8>, $crate::__private::bindings::HandlerError> {
                $crate::__private::handle(&[$($crate::__private::Entry::of::<$service>()),+], request)
            }
        }

        $crate::__export_on_wasm!(__Component);
    };
}

/// Exports the functions of a component; there is nobody to export them to elsewhere.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_on_wasm {
    ($component:ident) => {
        #[allow(unsafe_code)]
        const _: () = {
            $crate::__private::bindings::export_component!($component with_types_in $crate::__private::bindings);
        };
    };
}

/// Exports the functions of a component; there is nobody to export them to elsewhere.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_on_wasm {
    ($component:ident) => {};
}

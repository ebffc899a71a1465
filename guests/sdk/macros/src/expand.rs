//! Writes the client, and for an implementation also the description and the dispatch.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Type;

use crate::contract::{Contract, Handler, Kind, Mode, Setting};

pub(crate) fn block(contract: &Contract) -> TokenStream {
    let client = client(contract);
    let service = contract.implementation.as_ref().map(|implementation| {
        let service = service(contract);
        quote!(#implementation #service)
    });
    quote!(#service #client)
}

fn service(contract: &Contract) -> TokenStream {
    let Contract { ident, name, .. } = contract;
    let description = description(contract);
    let arms = contract.handlers.iter().map(|handler| arm(contract.kind, handler));
    quote! {
        impl ::holiday_sdk::Service for #ident {
            const NAME: &'static str = #name;

            fn describe() -> ::holiday_sdk::__private::bindings::manifest::Service {
                use ::holiday_sdk::__private::{self as sdk, bindings::manifest};
                #description
            }

            fn handle(
                handler: &str,
                input: ::std::vec::Vec<u8>,
            ) -> ::std::option::Option<::holiday_sdk::__private::HandlerFuture> {
                use ::holiday_sdk::__private as sdk;
                match handler {
                    #(#arms)*
                    _ => ::std::option::Option::None,
                }
            }
        }
    }
}

fn arm(kind: Kind, handler: &Handler) -> TokenStream {
    let Handler { ident, name, .. } = handler;
    let context = context(kind, handler);
    let call = match &handler.input {
        Some(input) => quote!(Self::#ident(#context, sdk::decode_input::<#input>(&input)?)),
        None => quote!(Self::#ident(#context)),
    };
    let answer = match &handler.output {
        Some(_) => quote!(sdk::encode_output(&#call.await?)),
        None => quote!({ #call.await?; ::std::result::Result::Ok(::std::vec::Vec::new()) }),
    };
    let ignore_input = handler.input.is_none().then(|| quote!(let _ = input;));
    quote! {
        #name => {
            #ignore_input
            ::std::option::Option::Some(::std::boxed::Box::pin(async move { #answer }))
        }
    }
}

/// Makes the context that the handler takes, or a reference to it.
fn context(kind: Kind, handler: &Handler) -> TokenStream {
    let mode = match (kind, handler.mode) {
        (Kind::Service, _) => quote!(Service),
        (Kind::Object, Mode::Exclusive | Mode::WorkflowRun) => quote!(Exclusive),
        (Kind::Object, Mode::Shared) => quote!(Shared),
        (Kind::Workflow, Mode::WorkflowRun) => quote!(WorkflowRun),
        (Kind::Workflow, Mode::Exclusive | Mode::Shared) => quote!(WorkflowShared),
    };
    match &handler.context {
        Some(Type::Reference(reference)) => {
            let context = &reference.elem;
            quote!(&<#context as sdk::ContextOf<sdk::mode::#mode>>::enter())
        }
        context => quote!(<#context as sdk::ContextOf<sdk::mode::#mode>>::enter()),
    }
}

fn description(contract: &Contract) -> TokenStream {
    let Contract { name, .. } = contract;
    let kind = match contract.kind {
        Kind::Service => quote!(Service),
        Kind::Object => quote!(Object),
        Kind::Workflow => quote!(Workflow),
    };
    let handlers = contract.handlers.iter().map(|handler| {
        let name = &handler.name;
        let mode = match handler.mode {
            Mode::Exclusive => quote!(Exclusive),
            Mode::Shared => quote!(Shared),
            Mode::WorkflowRun => quote!(WorkflowRun),
        };
        let input = optional(handler.input.as_ref().map(|input| quote!(sdk::input_media::<#input>())));
        let output = optional(handler.output.as_ref().map(|output| quote!(sdk::output_media::<#output>())));
        let documentation = text(handler.documentation.as_deref());
        let settings = settings(&handler.settings);
        quote! {
            manifest::Handler {
                name: #name.into(),
                mode: manifest::HandlerMode::#mode,
                input: #input,
                output: #output,
                documentation: #documentation,
                settings: #settings,
            }
        }
    });
    let documentation = text(contract.documentation.as_deref());
    let settings = settings(&contract.settings);
    quote! {
        manifest::Service {
            name: #name.into(),
            kind: manifest::ServiceKind::#kind,
            handlers: ::std::vec![#(#handlers),*],
            documentation: #documentation,
            settings: #settings,
        }
    }
}

fn settings(settings: &[Setting]) -> TokenStream {
    let settings = settings.iter().map(
        |Setting { name, value, .. }| quote!(manifest::Setting { name: #name.into(), value: #value.into() }),
    );
    quote!(::std::vec![#(#settings),*])
}

fn text(text: Option<&str>) -> TokenStream {
    optional(text.map(|text| quote!(#text.into())))
}

fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::std::option::Option::Some(#value)),
        None => quote!(::std::option::Option::None),
    }
}

fn client(contract: &Contract) -> TokenStream {
    let Contract { ident, name, .. } = contract;
    let client = format_ident!("{ident}Client");
    // The client of an implementation is as visible as its handlers, which are its methods.
    let visibility = match &contract.implementation {
        Some(_) => quote!(pub),
        None => {
            let visibility = &contract.visibility;
            quote!(#visibility)
        }
    };
    let about = format!("Calls and sends to the handlers of `{name}`.");
    let methods = contract.handlers.iter().map(|handler| client_method(contract, handler));
    let run = workflow_run(contract, &visibility);
    let (fields, constructor) = if contract.kind.has_key() {
        (
            quote!({ key: ::std::string::String }),
            quote! {
                /// Addresses the one with this key.
                #visibility fn new(_: &::holiday_sdk::Context, key: impl ::std::convert::Into<::std::string::String>) -> Self {
                    Self { key: key.into() }
                }
            },
        )
    } else {
        (
            quote!({}),
            quote! {
                /// Addresses the service.
                #visibility fn new(_: &::holiday_sdk::Context) -> Self {
                    Self {}
                }
            },
        )
    };
    quote! {
        #[doc = #about]
        #[derive(Clone, Debug)]
        #[allow(dead_code, unreachable_pub)]
        #visibility struct #client #fields

        #[allow(dead_code, unreachable_pub)]
        impl #client {
            #constructor
            #(#methods)*
            #run
        }
    }
}

/// What only the client of a workflow has: its run by the workflow id. A handler of the same name comes first.
fn workflow_run(contract: &Contract, visibility: &TokenStream) -> Option<TokenStream> {
    let run = contract.handlers.iter().find(|handler| handler.mode == Mode::WorkflowRun)?;
    let has_handler = |name: &str| contract.handlers.iter().any(|handler| handler.ident == name);
    let service = &contract.name;
    let output = output_type(run);
    let named = quote!(::holiday_sdk::__private::workflow::<#output>(#service, &self.key));
    // Asked for with a lifetime, it is asked of those who use the method: an output may be written only.
    let is_read = quote!(for<'__de> #output: ::holiday_sdk::serde::Deserialize<'__de>);
    let attach = (!has_handler("attach")).then(|| {
        quote! {
            /// Waits for the outcome of its run, whoever started that.
            #visibility fn attach(&self) -> ::holiday_sdk::Durable<#output>
            where
                #is_read,
            {
                #named.attach()
            }
        }
    });
    let output = (!has_handler("output")).then(|| {
        quote! {
            /// Looks whether its run has an outcome: `None` if it has not ended.
            #visibility fn output(&self) -> ::holiday_sdk::Durable<::std::option::Option<#output>>
            where
                #is_read,
            {
                #named.output()
            }
        }
    });
    Some(quote!(#attach #output))
}

fn output_type(handler: &Handler) -> TokenStream {
    handler.output.as_ref().map_or_else(|| quote!(()), |output| quote!(#output))
}

fn client_method(contract: &Contract, handler: &Handler) -> TokenStream {
    let Handler { ident, name, visibility, .. } = handler;
    let service = &contract.name;
    let about = handler.documentation.clone().unwrap_or_else(|| format!("Addresses the handler `{name}`."));
    let output = output_type(handler);
    let target = if contract.kind.has_key() {
        quote!(::holiday_sdk::Target::keyed(#service, &self.key, #name))
    } else {
        quote!(::holiday_sdk::Target::service(#service, #name))
    };
    match handler.input.as_ref().map(borrowed) {
        Some(input) => quote! {
            #[doc = #about]
            #visibility fn #ident(&self, input: &#input) -> ::holiday_sdk::Call<#output> {
                ::holiday_sdk::__private::call(#target, input)
            }
        },
        None => quote! {
            #[doc = #about]
            #visibility fn #ident(&self) -> ::holiday_sdk::Call<#output> {
                ::holiday_sdk::__private::call_empty(#target)
            }
        },
    }
}

/// What a caller lends: a `&str` for a `String`, a `&T` for a `T`.
fn borrowed(input: &Type) -> TokenStream {
    match input {
        Type::Path(path) if path.path.is_ident("String") => quote!(str),
        Type::Reference(reference) => {
            let input = &reference.elem;
            quote!(#input)
        }
        _ => quote!(#input),
    }
}

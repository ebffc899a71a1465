//! Reads an `impl` block or a trait.

use proc_macro2::{Ident, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, ImplItem, Item, ItemImpl, ItemTrait, Lit,
    LitStr, Meta, PathArguments, Result, ReturnType, Signature, TraitItem, Type, Visibility,
};

use crate::contract::{Contract, Handler, Kind, Mode, Setting};
use crate::policy;

pub(crate) fn block(kind: Kind, options: TokenStream, block: TokenStream) -> Result<Contract> {
    let options = Options::of_block(options)?;
    match syn::parse2(block)? {
        Item::Impl(block) => implementation(kind, options, block),
        Item::Trait(block) => declaration(kind, options, &block),
        other => Err(Error::new(other.span(), "this belongs on an `impl` block or on a trait")),
    }
}

fn implementation(kind: Kind, options: Options, mut block: ItemImpl) -> Result<Contract> {
    if let Some((_, of, _)) = &block.trait_ {
        return Err(Error::new(of.span(), "this belongs on an inherent `impl` block"));
    }
    let ident = type_ident(&block.self_ty)?;
    let mut handlers = Vec::new();
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item
            && function.sig.asyncness.is_some()
        {
            let options = Options::of_handler(&mut function.attrs)?;
            let documentation = documentation(&function.attrs);
            let signature = &function.sig;
            let mut inputs = typed_inputs(signature)?;
            let no_context = || {
                Error::new(
                    signature.span(),
                    "a handler takes a context: `async fn name(ctx: Context, input: T)`",
                )
            };
            let (context, input) = match inputs.len() {
                0 => return Err(no_context()),
                1 => (inputs.remove(0), None),
                _ => (inputs.remove(0), Some(inputs.remove(0))),
            };
            if let Some(extra) = inputs.first() {
                return Err(Error::new(extra.span(), "a handler takes one input at most"));
            }
            let output = result_value(&signature.output)
                .ok_or_else(|| Error::new(signature.span(), "a handler gives a `Result<T, Error>`"))?;
            let visibility = function.vis.clone();
            handlers.push(handler(
                kind,
                options,
                documentation,
                &signature.ident,
                HandlerTypes { context: Some(context), input, output: value(output), visibility },
            )?);
        }
    }
    let documentation = documentation(&block.attrs);
    contract(kind, options, ident, documentation, handlers, Some(block), Visibility::Inherited)
}

fn declaration(kind: Kind, options: Options, block: &ItemTrait) -> Result<Contract> {
    options.refuse_policies()?;
    let mut handlers = Vec::new();
    for item in &block.items {
        let TraitItem::Fn(function) = item else {
            return Err(Error::new(item.span(), "a declared service has functions only"));
        };
        if function.sig.asyncness.is_none() || function.default.is_some() {
            return Err(Error::new(function.span(), "a declared handler is `async fn name(input: T) -> U;`"));
        }
        let mut attributes = function.attrs.clone();
        let options = Options::of_handler(&mut attributes)?;
        options.refuse_policies()?;
        let mut inputs = typed_inputs(&function.sig)?;
        if let Some(extra) = inputs.get(1) {
            return Err(Error::new(
                extra.span(),
                "a declared handler takes one input at most, and no context",
            ));
        }
        let output = match &function.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, output) => {
                value(result_value(&function.sig.output).unwrap_or_else(|| (**output).clone()))
            }
        };
        handlers.push(handler(
            kind,
            options,
            documentation(&attributes),
            &function.sig.ident,
            HandlerTypes { context: None, input: inputs.pop(), output, visibility: block.vis.clone() },
        )?);
    }
    let documentation = documentation(&block.attrs);
    contract(kind, options, block.ident.clone(), documentation, handlers, None, block.vis.clone())
}

fn contract(
    kind: Kind,
    options: Options,
    ident: Ident,
    documentation: Option<String>,
    handlers: Vec<Handler>,
    implementation: Option<ItemImpl>,
    visibility: Visibility,
) -> Result<Contract> {
    policy::check(kind, &options.settings)?;
    let runs = handlers.iter().filter(|handler| handler.mode == Mode::WorkflowRun).count();
    if kind == Kind::Workflow && runs != 1 {
        return Err(Error::new(
            ident.span(),
            "a workflow has one handler named `run` or marked `#[handler(run)]`",
        ));
    }
    if handlers.is_empty() {
        return Err(Error::new(ident.span(), "there is no handler: no `async fn`"));
    }
    for (index, handler) in handlers.iter().enumerate() {
        if handlers[..index].iter().any(|before| before.name == handler.name) {
            return Err(Error::new(
                handler.ident.span(),
                format!("two handlers are named `{}`", handler.name),
            ));
        }
    }
    let name = options.name.unwrap_or_else(|| ident.to_string());
    Ok(Contract {
        kind,
        ident,
        name,
        documentation,
        settings: options.settings,
        handlers,
        implementation,
        visibility,
    })
}

struct HandlerTypes {
    context: Option<Type>,
    input: Option<Type>,
    output: Option<Type>,
    visibility: Visibility,
}

fn handler(
    kind: Kind,
    options: Options,
    documentation: Option<String>,
    ident: &Ident,
    types: HandlerTypes,
) -> Result<Handler> {
    let mode = match (kind, &options.shared, &options.run) {
        (_, Some(shared), Some(_)) => {
            return Err(Error::new(shared.span(), "a handler is `shared` or `run`"));
        }
        (Kind::Service, Some(mark), None) | (Kind::Service | Kind::Object, None, Some(mark)) => {
            return Err(Error::new(mark.span(), format!("no handler of this kind of service is `{mark}`")));
        }
        (Kind::Service | Kind::Object, None, None) => Mode::Exclusive,
        (Kind::Workflow, None, Some(_)) => Mode::WorkflowRun,
        (Kind::Workflow, None, None) if ident == "run" => Mode::WorkflowRun,
        (Kind::Object | Kind::Workflow, Some(_), None) | (Kind::Workflow, None, None) => Mode::Shared,
    };
    policy::check(kind, &options.settings)?;
    let HandlerTypes { context, input, output, visibility } = types;
    Ok(Handler {
        ident: ident.clone(),
        name: options.name.unwrap_or_else(|| ident.to_string()),
        mode,
        documentation,
        settings: options.settings,
        context,
        input,
        output,
        visibility,
    })
}

/// The options of a block or a handler.
#[derive(Default)]
struct Options {
    name: Option<String>,
    settings: Vec<Setting>,
    is_of_handler: bool,
    shared: Option<Ident>,
    run: Option<Ident>,
}

impl Options {
    fn of_block(options: TokenStream) -> Result<Self> {
        let mut it = Self::default();
        syn::meta::parser(|meta| it.read(&meta)).parse2(options)?;
        Ok(it)
    }

    /// Reads and removes `#[handler(…)]`.
    fn of_handler(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let mut it = Self { is_of_handler: true, ..Self::default() };
        for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("handler")) {
            attribute.parse_nested_meta(|meta| it.read(&meta))?;
        }
        Ok(it)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(option) = meta.path.get_ident() else { return Err(meta.error("an option is one word")) };
        match option.to_string().as_str() {
            "name" => self.name = Some(meta.value()?.parse::<LitStr>()?.value()),
            "shared" if self.is_of_handler => self.shared = Some(option.clone()),
            "run" if self.is_of_handler => self.run = Some(option.clone()),
            mode @ ("shared" | "run") => {
                return Err(meta.error(format!("`{mode}` belongs on a handler, as `#[handler({mode})]`")));
            }
            asked => {
                if !policy::read(asked, meta, &mut self.settings)? {
                    return Err(policy::unknown(meta, asked, &self.known()));
                }
            }
        }
        Ok(())
    }

    /// A declaration describes somebody else's service.
    fn refuse_policies(&self) -> Result<()> {
        match self.settings.first() {
            Some(setting) => {
                Err(Error::new(setting.span, "policies belong where the service is implemented"))
            }
            None => Ok(()),
        }
    }

    fn known(&self) -> Vec<&'static str> {
        let modes: &[&str] = if self.is_of_handler { &["shared", "run"] } else { &[] };
        ["name"].iter().chain(modes).chain(&policy::NAMES).copied().collect()
    }
}

/// Joins the lines of a doc comment.
fn documentation(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) => match &doc.value {
                Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn type_ident(of: &Type) -> Result<Ident> {
    if let Type::Path(path) = of
        && let Some(ident) = path.path.get_ident()
    {
        return Ok(ident.clone());
    }
    Err(Error::new(of.span(), "a service is a plain type, such as `struct Trips;`"))
}

fn typed_inputs(signature: &Signature) -> Result<Vec<Type>> {
    signature
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Typed(input) => Ok((*input.ty).clone()),
            FnArg::Receiver(own) => {
                Err(Error::new(own.span(), "a handler has no `self`; state belongs to its context"))
            }
        })
        .collect()
}

/// Finds the `T` of `Result<T, …>`.
fn result_value(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, output) = output else { return None };
    let Type::Path(path) = &**output else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(value) if last.ident == "Result" => Some(value.clone()),
        _ => None,
    }
}

fn value(of: Type) -> Option<Type> {
    match &of {
        Type::Tuple(tuple) if tuple.elems.is_empty() => None,
        _ => Some(of),
    }
}

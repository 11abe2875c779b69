//! What wit-bindgen makes of `wit/identity.wit`.

#![allow(missing_docs, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    world: "plugin",
    path: "wit",
    additional_derives: [PartialEq, Eq],
    default_bindings_module: "registrar_plugin::bindings",
    pub_export_macro: true,
});
